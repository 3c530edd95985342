use super::Parameters;
use super::tape::{Tape, accumulate};
use super::{Param, ParamId};
use crate::backend::Shared;
use crate::{Error, Result, Tensor, profile};
use std::cell::RefCell;

/// Gradients by parameter and by tracked input.
///
/// ```
/// use forge_core::{Cx, Param, Tensor};
/// let weight = Param::new(Tensor::new(&[3.0f64, 4.0], &[2])?);
/// let cx = Cx::train(0, 0);
/// let x = cx.track(&Tensor::new(&[6.0f64, 8.0], &[2])?)?;
/// let mut grads = (&x * cx.param(&weight))?.sum_all()?.backward(cx)?;
/// assert_eq!(grads.wrt(&x).unwrap().to_vec::<f64>()?, [3.0, 4.0]);
/// assert_eq!(grads.of(&weight).unwrap().to_vec::<f64>()?, [6.0, 8.0]);
/// grads.scale(2.0)?;
/// assert_eq!(grads.norm()?, 20.0); // √(12² + 16²)
/// assert_eq!(grads.clip_norm(5.0)?, 20.0); // the norm before
/// assert!((grads.norm()? - 5.0).abs() < 1e-6);
/// grads.clip_value(1.0)?;
/// assert_eq!(grads.of(&weight).unwrap().to_vec::<f64>()?, [1.0, 1.0]);
/// assert!(grads.update_of(&weight).is_none()); // only buffers are updated by a pass
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Grads {
    /// Kept so that a tensor of another pass is told apart from one of this.
    tape: Shared<Tape>,
    leaves: Vec<Option<Tensor>>,
    params: Vec<(ParamId, u32)>,
    updates: Vec<(ParamId, Tensor)>,
}

impl Grads {
    pub(super) fn new(
        tape: Shared<Tape>,
        leaves: Vec<Option<Tensor>>,
        params: Vec<(ParamId, u32)>,
        updates: Vec<(ParamId, Tensor)>,
    ) -> Self {
        Grads { tape, leaves, params, updates }
    }

    /// The last value that the forward pass asked for, of a buffer.
    pub fn update_of(&self, buffer: &Param) -> Option<&Tensor> {
        self.updates.iter().rev().find(|(id, _)| *id == buffer.id()).map(|(_, value)| value)
    }

    /// Writes the values that the forward pass asked for to a model's buffers. The optimizer's step does that, too; in
    /// gradient accumulation it is done after each micro-batch, so that the next one goes on from there.
    ///
    /// ```
    /// use forge_core::{nn::{BatchNorm, Init, Module}, Cx, Parameters, Tensor};
    /// let mut norm = BatchNorm::new(&Init::new(0), 1)?;
    /// let cx = Cx::train(0, 0);
    /// let y = norm.forward(&cx, &Tensor::new(&[8.0f32, 12.0], &[2, 1])?)?;
    /// y.sum_all()?.backward(cx)?.write_buffers(&mut norm)?;
    /// let values = norm.named_values();
    /// let (_, mean) = values.iter().find(|(name, _)| name == "running_mean").unwrap();
    /// assert_eq!(mean.to_vec::<f32>()?, [1.0]); // 0.9 · 0 + 0.1 · 10
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a value's shape is no longer the buffer's.
    pub fn write_buffers(&self, model: &mut dyn Parameters) -> Result<()> {
        if self.updates.is_empty() {
            return Ok(());
        }
        // One string serves every step of this thread.
        thread_local!(static NAME: RefCell<String> = const { RefCell::new(String::new()) });
        let mut name = NAME.take();
        name.clear();
        let written = model.visit_mut(&mut name, &mut |name, param| match self.update_of(param) {
            Some(value) => param.set(value).map_err(|e| e.within(name)),
            None => Ok(()),
        });
        NAME.set(name);
        written
    }

    /// Adds the gradients of a later pass over the same model: gradient accumulation. Gradients by input
    /// ([`Grads::wrt`]) stay those of this pass. Values for buffers are the later ones.
    ///
    /// ```
    /// use forge_core::{nn::{Init, Linear, Module}, Cx, Tensor};
    /// let model = Linear::new(&Init::new(0), 1, 1)?;
    /// let pass = |x: &[f32], part: usize| {
    ///     let cx = Cx::train(0, 0).part(part);
    ///     let x = Tensor::new(x, &[x.len(), 1])?;
    ///     model.forward(&cx, &x)?.mse(&x)?.backward(cx)
    /// };
    /// let mut halves = pass(&[1.0], 0)?;
    /// halves.add(pass(&[2.0], 1)?)?;
    /// halves.scale(0.5)?; // the mean of two micro-batches: the gradients of one batch of both
    /// assert!((halves.norm()? - pass(&[1.0, 2.0], 0)?.norm()?).abs() < 1e-6);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When two gradients of a parameter differ in shape.
    pub fn add(&mut self, mut later: Grads) -> Result<()> {
        let _stage = profile::stage("gradients");
        for (id, leaf) in later.params.drain(..) {
            let Some(gradient) = later.leaves.get_mut(leaf as usize).and_then(Option::take) else { continue };
            let known = self.params.iter().find(|(known, _)| *known == id).map(|(_, leaf)| *leaf as usize);
            match known.and_then(|leaf| self.leaves.get_mut(leaf)) {
                Some(Some(sum)) if sum.shape() != gradient.shape() => {
                    return Err(Error::shape(
                        "add",
                        format!(
                            "gradients of {:?} and {:?} for one parameter",
                            sum.shape(),
                            gradient.shape()
                        ),
                    ));
                }
                Some(slot) => accumulate(slot, gradient)?,
                None => {
                    self.params.push((id, self.leaves.len() as u32));
                    self.leaves.push(Some(gradient));
                }
            }
        }
        self.updates.append(&mut later.updates);
        Ok(())
    }

    /// Multiplies all parameter gradients by a number.
    ///
    /// # Errors
    /// When a device fails.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        self.each(|grad| {
            let device = grad.device().clone();
            device.optim().scale(grad, factor)
        })
    }

    /// The gradient of a parameter, if it took part.
    pub fn of(&self, param: &Param) -> Option<&Tensor> {
        let (_, leaf) = self.params.iter().find(|(id, _)| *id == param.id())?;
        self.leaves[*leaf as usize].as_ref()
    }

    /// The gradient of an input that [`Cx::track`](super::Cx::track) made a leaf.
    pub fn wrt(&self, input: &Tensor) -> Option<&Tensor> {
        let track = input.track()?;
        track.is_of(&self.tape).then(|| self.leaves[track.value() as usize].as_ref())?
    }

    /// √ of the sum of squares of all parameter gradients, accumulated in f64.
    ///
    /// # Errors
    /// When a device fails.
    pub fn norm(&self) -> Result<f64> {
        let mut grads =
            self.params.iter().filter_map(|(_, leaf)| self.leaves[*leaf as usize].as_ref()).peekable();
        match grads.peek() {
            None => Ok(0.0),
            Some(first) => Ok(first.device().clone().optim().sum_of_squares(&mut grads)?.sqrt()),
        }
    }

    /// Scales all parameter gradients so that their norm is at most `limit`, and gives the norm before.
    ///
    /// Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013; with
    /// PyTorch's 1e-6 in the denominator.
    ///
    /// # Errors
    /// When a device fails.
    pub fn clip_norm(&mut self, limit: f64) -> Result<f64> {
        let _stage = profile::stage("gradients");
        let norm = self.norm()?;
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            self.scale(factor)?;
        }
        Ok(norm)
    }

    /// Clips every element of all parameter gradients to [-limit, limit]. NaN stays NaN.
    ///
    /// # Errors
    /// When `limit` is not above 0.
    pub fn clip_value(&mut self, limit: f64) -> Result<()> {
        if limit.is_nan() || limit <= 0.0 {
            return Err(Error::argument("clip_value", format!("limit {limit} is not above 0")));
        }
        self.each(|grad| {
            let device = grad.device().clone();
            device.optim().clamp(grad, limit)
        })
    }

    fn each(&mut self, change: impl Fn(&mut Tensor) -> Result<()>) -> Result<()> {
        let _stage = profile::stage("gradients");
        for (_, leaf) in &self.params {
            if let Some(Some(grad)) = self.leaves.get_mut(*leaf as usize) {
                change(grad)?;
            }
        }
        Ok(())
    }
}

/// The lists go back to the tape, which keeps their room for a later pass.
impl Drop for Grads {
    fn drop(&mut self) {
        self.leaves.clear();
        self.params.clear();
        self.updates.clear();
        let mut arena = self.tape.lock();
        arena.slots = std::mem::take(&mut self.leaves);
        arena.params = std::mem::take(&mut self.params);
        arena.updates = std::mem::take(&mut self.updates);
    }
}
