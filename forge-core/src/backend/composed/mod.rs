//! Every family in terms of the required primitives: right on any device, and what a fast version is compared with.

mod gru;
mod lstm;
mod optim;
mod sequence;

use super::{AdamStep, GruArgs, GruOut, LstmArgs, LstmOut, Optim, Rnn, Saved, SgdStep, Slot};
use crate::{Result, Tensor};

/// The families, composed.
#[derive(Clone, Copy, Debug)]
pub struct Composed;

impl Rnn for Composed {
    fn lstm(&self, args: &LstmArgs, keep: bool) -> Result<(LstmOut, Option<Saved>)> {
        lstm::forward(args, keep)
    }

    fn lstm_backward(
        &self,
        args: &LstmArgs,
        saved: Saved,
        grads: LstmOut<Option<Tensor>>,
        needs: &[bool; 7],
    ) -> Result<[Option<Tensor>; 7]> {
        lstm::backward(args, saved.take()?, grads, needs)
    }

    fn gru(&self, args: &GruArgs, keep: bool) -> Result<(GruOut, Option<Saved>)> {
        gru::forward(args, keep)
    }

    fn gru_backward(
        &self,
        args: &GruArgs,
        saved: Saved,
        grads: GruOut<Option<Tensor>>,
        needs: &[bool; 6],
    ) -> Result<[Option<Tensor>; 6]> {
        gru::backward(args, saved.take()?, grads, needs)
    }
}

impl Optim for Composed {
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::adam(slot, step))
    }

    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::sgd(slot, step))
    }

    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64> {
        let mut total = 0.0;
        for tensor in tensors {
            total += tensor.detach().to_dtype(crate::DType::F64)?.square()?.sum_all()?.item()?;
        }
        Ok(total)
    }
}
