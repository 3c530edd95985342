use super::tape::Tape;
use super::{Param, ParamId};
use crate::{Result, Tensor};
use std::sync::Arc;

/// Gradients by parameter and by tracked input.
pub struct Grads {
    /// Kept so that a tensor of another pass is told apart from one of this.
    tape: Arc<Tape>,
    leaves: Vec<Option<Tensor>>,
    params: Vec<(ParamId, u32)>,
    updates: Vec<(ParamId, Tensor)>,
}

impl Grads {
    pub(super) fn new(
        tape: Arc<Tape>,
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
    pub fn norm(&self) -> Result<f64> {
        let grads: Vec<&Tensor> =
            self.params.iter().filter_map(|(_, leaf)| self.leaves[*leaf as usize].as_ref()).collect();
        match grads.first() {
            None => Ok(0.0),
            Some(first) => Ok(first.device().optim().sum_of_squares(&grads)?.sqrt()),
        }
    }

    /// Scales all parameter gradients so that their norm is at most `limit`, and gives the norm before.
    ///
    /// Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013; with
    /// PyTorch's 1e-6 in the denominator.
    pub fn clip_norm(&mut self, limit: f64) -> Result<f64> {
        let norm = self.norm()?;
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            for (_, leaf) in &self.params {
                if let Some(grad) = &mut self.leaves[*leaf as usize] {
                    *grad = grad.mul_scalar(factor)?;
                }
            }
        }
        Ok(norm)
    }
}
