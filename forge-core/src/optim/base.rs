//! What all rules have in common: learning rate, weight decay, groups of parameters, and moments.

use super::{Group, group::Groups};
use crate::backend::{Optim, Slot};
use crate::{Error, Grads, Param, Parameters, Result, Tensor};

/// Names of moments in a checkpoint.
const ORDINALS: [&str; 3] = ["first", "second", "third"];

/// The constants of a step that depend on the parameter's group.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub lr: f64,
    pub decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
}

#[derive(Debug, Default)]
pub struct Base {
    pub lr: f64,
    pub decay: f64,
    groups: Groups,
    /// In the order of the model's walk.
    entries: Vec<Entry>,
    pub steps: u64,
    /// Whether the groups have been compared with the model's names.
    grouped: bool,
    /// Empty between steps; their room serves the next one.
    path: String,
    slots: Vec<Slot<'static>>,
}

/// The same room for slots that borrow from elsewhere.
fn emptied<'b>(mut slots: Vec<Slot<'_>>) -> Vec<Slot<'b>> {
    slots.clear();
    slots.into_iter().map_while(|_| None).collect()
}

fn zeros_like(param: &Param, count: usize) -> Result<Vec<Tensor>> {
    let value = param.snapshot();
    Ok(vec![Tensor::zeros(value.shape(), value.dtype(), value.device())?; count])
}

#[derive(Debug)]
struct Entry {
    name: String,
    group: usize,
    moments: Vec<Tensor>,
}

impl Base {
    pub fn new(lr: f64) -> Self {
        Base { lr, ..Base::default() }
    }

    pub fn group(&mut self, pattern: String, group: Group) {
        self.groups.push(pattern, group);
        self.grouped = false;
    }

    /// Calls `update` for each group with a slot for each of its parameters that has a gradient and is not frozen.
    /// `count` is the number of moments that the rule keeps of each.
    pub fn step(
        &mut self,
        model: &mut dyn Parameters,
        grads: &Grads,
        count: usize,
        mut update: impl FnMut(&dyn Optim, &mut [Slot], Now) -> Result<()>,
    ) -> Result<()> {
        grads.write_buffers(model)?;
        if !self.grouped {
            self.assign(model)?;
        }
        let mut path = std::mem::take(&mut self.path);
        let mut slots = std::mem::take(&mut self.slots);
        let done = self.arrange(model, count, &mut path).and_then(|()| {
            self.steps += 1;
            for number in 0..self.groups.count() {
                let (lr, decay) = self.groups.get(number).rates(self.lr, self.decay);
                let now = Now { lr, decay, step: self.steps };
                let mut of_group = emptied(std::mem::take(&mut slots));
                let mut entries = self.entries.iter_mut();
                path.clear();
                model.visit_mut(&mut path, &mut |_, param| {
                    let entry = if param.is_buffer() { None } else { entries.next() };
                    let grad = if param.is_frozen() { None } else { grads.of(param) };
                    if let (Some(entry), Some(grad)) = (entry.filter(|e| e.group == number), grad) {
                        of_group.push(Slot { value: param.value_mut(), grad, moments: &mut entry.moments });
                    }
                    Ok(())
                })?;
                if let Some(device) = of_group.first().map(|slot| slot.grad.device().clone()) {
                    update(device.optim(), &mut of_group, now)?;
                }
                slots = emptied(of_group);
            }
            Ok(())
        });
        (self.path, self.slots) = (path, slots);
        done
    }

    /// Brings the entries into the order of the model's walk; before the first step, makes those that lack.
    fn arrange(&mut self, model: &dyn Parameters, count: usize, path: &mut String) -> Result<()> {
        // A rule without moments has nothing that a new model could lack.
        let fresh = self.steps == 0 || count == 0;
        let (entries, groups) = (&mut self.entries, &self.groups);
        let (mut at, mut wrong) = (0, Ok(()));
        path.clear();
        model.visit(path, &mut |name, param| {
            if param.is_buffer() || wrong.is_err() {
                return;
            }
            // A loaded state may be in another order; from the first step on it is the model's.
            if let Some(found) = entries[at..].iter().position(|e| e.name == name) {
                entries.swap(at, at + found);
            } else if fresh {
                match zeros_like(param, count) {
                    Ok(moments) => {
                        entries.insert(at, Entry { name: name.to_owned(), group: groups.of(name), moments });
                    }
                    Err(error) => wrong = Err(error),
                }
            }
            let fits = |moments: &[Tensor]| {
                moments.len() == count && moments.iter().all(|m| m.shape() == param.shape())
            };
            match entries.get(at) {
                Some(entry) if entry.name == name && fits(&entry.moments) => {}
                _ if wrong.is_err() => {}
                _ => {
                    wrong = Err(Error::other(format!(
                        "the optimizer holds no moments for the parameter `{name}` {:?}; use a new optimizer for a new model",
                        param.shape()
                    )));
                }
            }
            at += 1;
        });
        wrong
    }

    /// Compares the groups with the model's names.
    fn assign(&mut self, model: &dyn Parameters) -> Result<()> {
        let mut names = Vec::new();
        model.visit(&mut String::new(), &mut |name, param| {
            if !param.is_buffer() {
                names.push(name.to_owned());
            }
        });
        self.groups.check(names.iter().map(String::as_str))?;
        for entry in &mut self.entries {
            entry.group = self.groups.of(&entry.name);
        }
        self.grouped = true;
        Ok(())
    }

    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = |e: &Entry| {
            let name = e.name.clone();
            let moments = e.moments.clone();
            ORDINALS.iter().zip(moments).map(move |(ordinal, moment)| (format!("{name}.{ordinal}"), moment))
        };
        self.entries.iter().flat_map(named).collect()
    }

    pub fn load(&mut self, state: &[(String, Tensor)], steps: u64, count: usize) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::other(format!(
                "the optimizer's state {what}; give the optimizer that it was saved from"
            )))
        };
        let ordinals = &ORDINALS[..count.min(ORDINALS.len())];
        let mut entries = Vec::new();
        for (key, _) in state {
            let Some(name) = ordinals.first().and_then(|first| key.strip_suffix(first)?.strip_suffix('.'))
            else {
                continue;
            };
            let moment = |ordinal: &&str| {
                let of = |(key, _): &&(String, Tensor)| {
                    key.strip_prefix(name).and_then(|k| k.strip_prefix('.')) == Some(*ordinal)
                };
                state.iter().find(of).map(|(_, moment)| moment.clone())
            };
            let Some(moments) = ordinals.iter().map(moment).collect::<Option<Vec<_>>>() else {
                return wrong(format!("lacks a moment of `{name}`"));
            };
            entries.push(Entry { name: name.into(), group: 0, moments });
        }
        if entries.len() * count != state.len() {
            return wrong(format!(
                "holds {} tensors for {} parameters of {count} moments",
                state.len(),
                entries.len()
            ));
        }
        (self.entries, self.steps, self.grouped) = (entries, steps, false);
        Ok(())
    }
}

/// What is the same in every rule: [`Optimizer`](super::Optimizer) by its `base`, and groups.
macro_rules! rule {
    ($rule:ident) => {
        impl $rule {
            /// With parameters whose names fit `pattern`, in which `*` stands for any characters, in a group of their
            /// own. A parameter belongs to the first group that fits; the first step is an error if a pattern fits none.
            ///
            /// ```
            /// use forge_core::optim::{Adam, Group, Lion, Optimizer, RmsProp, Sgd};
            /// use forge_core::{nn::{Init, Linear, Module}, Cx, Parameters, Tensor};
            /// let mut model = Linear::new(&Init::new(0), 1, 1)?;
            /// let before = model.named_values();
            /// let cx = Cx::train(0, 0);
            /// let grads = model.forward(&cx, &Tensor::new(&[1.0f32], &[1, 1])?)?.sum_all()?.backward(cx)?;
            /// let still = || Group::new().rate(0.0);
            /// Sgd::new(0.5).group("b*", still()).step(&mut model, &grads)?;
            /// Adam::new(0.5).group("bias", still()).step(&mut model, &grads)?;
            /// Lion::new(0.5).group("*s", still()).step(&mut model, &grads)?;
            /// RmsProp::new(0.5).group("bias", still()).step(&mut model, &grads)?;
            /// let after = model.named_values();
            /// assert_ne!(before[0].1.item()?, after[0].1.item()?);
            /// assert_eq!(before[1].1.item()?, after[1].1.item()?);
            /// assert!(Sgd::new(0.5).group("norm*", still()).step(&mut model, &grads).is_err()); // there is none
            /// # Ok::<(), forge_core::Error>(())
            /// ```
            pub fn group(mut self, pattern: impl Into<String>, group: $crate::optim::Group) -> Self {
                self.base.group(pattern.into(), group);
                self
            }
        }

        impl $crate::optim::Optimizer for $rule {
            fn step(
                &mut self,
                model: &mut dyn $crate::Parameters,
                grads: &$crate::Grads,
            ) -> $crate::Result<()> {
                self.update(model, grads)
            }

            fn learning_rate(&self) -> f64 {
                self.base.lr
            }

            fn set_learning_rate(&mut self, lr: f64) {
                self.base.lr = lr;
            }

            fn steps(&self) -> u64 {
                self.base.steps
            }

            fn state(&self) -> Vec<(String, $crate::Tensor)> {
                self.base.state()
            }

            fn load_state(&mut self, state: &[(String, $crate::Tensor)], steps: u64) -> $crate::Result<()> {
                let count = self.moments();
                self.base.load(state, steps, count)
            }
        }
    };
}
pub(super) use rule;
