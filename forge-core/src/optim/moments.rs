use crate::backend::Slot;
use crate::{Error, Grads, Param, Parameters, Result, Tensor};

/// First and second moments of every parameter, in the order of the model's walk.
#[derive(Debug, Default)]
pub struct Moments {
    entries: Vec<Entry>,
    pub steps: u64,
}

#[derive(Debug)]
struct Entry {
    name: String,
    first: Tensor,
    second: Tensor,
}

impl Moments {
    /// Calls `update` with a slot for each parameter that has a gradient and is not frozen.
    pub fn step(
        &mut self,
        model: &mut dyn Parameters,
        grads: &Grads,
        update: impl FnOnce(&mut [Slot], u64) -> Result<()>,
    ) -> Result<()> {
        let mut params: Vec<&mut Param> = Vec::with_capacity(self.entries.len());
        let fresh = self.steps == 0;
        let entries = &mut self.entries;
        model.visit_mut(&mut String::new(), &mut |name, param| {
            if param.is_buffer() {
                // A buffer has no moments; the forward pass has said what it becomes.
                return grads.update_of(param).map_or(Ok(()), |value| param.set(value));
            }
            let at = params.len();
            // A loaded state may be in another order; from the first step on it is the model's.
            if let Some(found) = entries[at..].iter().position(|e| e.name == name) {
                entries.swap(at, at + found);
            } else if fresh {
                let value = param.snapshot();
                let zeros = Tensor::zeros(value.shape(), value.dtype(), value.device())?;
                entries.push(Entry { name: name.to_owned(), first: zeros.clone(), second: zeros });
            }
            match entries.get(at) {
                Some(entry) if entry.name == name && entry.first.shape() == param.shape() => {}
                _ => {
                    return Err(Error::other(format!(
                        "the optimizer holds no moments for the parameter `{name}` {:?}; use a new optimizer for a new model",
                        param.shape()
                    )));
                }
            }
            params.push(param);
            Ok(())
        })?;
        let mut slots: Vec<Slot> = Vec::with_capacity(params.len());
        for (param, Entry { first, second, .. }) in params.into_iter().zip(entries) {
            let grad = if param.is_frozen() { None } else { grads.of(param) };
            if let Some(grad) = grad {
                slots.push(Slot { value: param.value_mut(), grad, first, second });
            }
        }
        self.steps += 1;
        update(&mut slots, self.steps)
    }

    pub fn state(&self) -> Vec<(String, Tensor)> {
        let both = |e: &Entry| {
            [(format!("{}.first", e.name), e.first.clone()), (format!("{}.second", e.name), e.second.clone())]
        };
        self.entries.iter().flat_map(both).collect()
    }

    pub fn load(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        let mut entries = Vec::new();
        for (key, first) in state {
            let Some(name) = key.strip_suffix(".first") else { continue };
            let second = state.iter().find(|(other, _)| other.strip_suffix(".second") == Some(name));
            let Some((_, second)) = second else {
                return Err(Error::other(format!(
                    "the optimizer's state lacks the second moment of `{name}`"
                )));
            };
            entries.push(Entry { name: name.into(), first: first.clone(), second: second.clone() });
        }
        if entries.len() * 2 != state.len() {
            return Err(Error::other("the optimizer's state holds more than pairs of moments"));
        }
        *self = Moments { entries, steps };
        Ok(())
    }
}
