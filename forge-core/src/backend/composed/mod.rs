//! Every family in terms of the required primitives: right on any device, and what a fast version is compared with.

pub(crate) mod activation;
mod attention;
pub(crate) mod conv;
mod gru;
mod loss;
mod lstm;
mod norm;
mod optim;
mod pool;
mod sequence;
mod softmax;

use super::{
    AdamStep, Conv, ConvArgs, GruArgs, GruOut, LionStep, LstmArgs, LstmOut, Norm, NormArgs, NormOut, Optim,
    Pool, PoolArgs, RmsPropStep, Rnn, Saved, SgdStep, Slot, Softmax,
};
use crate::{Result, Tensor};

/// The families, composed.
///
/// What a family of [`Backend`](super::Backend) is where a backend does not override it.
///
/// ```
/// use forge_core::{backend::{Backend, Composed, Cpu, Softmax}, Tensor};
/// let x = Tensor::new(&[1.0f64, 2.0, 4.0], &[3])?;
/// let (fast, composed) = (Cpu::new().softmax().softmax(&x, 0, false)?, Composed.softmax(&x, 0, false)?);
/// assert!((fast - composed)?.abs()?.max_all()?.item()? < 1e-15);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Composed;

impl Conv for Composed {
    fn conv(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        conv::forward(args, keep)
    }

    fn conv_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        conv::backward(args, saved, grad, needs)
    }

    fn conv_transpose(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        conv::transpose_forward(args, keep)
    }

    fn conv_transpose_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        conv::transpose_backward(args, saved, grad, needs)
    }
}

impl Norm for Composed {
    fn norm(&self, args: &NormArgs, keep: bool) -> Result<(NormOut, Option<Saved>)> {
        norm::forward(args, keep)
    }

    fn norm_backward(
        &self,
        args: &NormArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        norm::backward(args, saved.take()?, grad, needs)
    }
}

impl Pool for Composed {
    fn pool(&self, args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        pool::forward(args, keep)
    }

    fn pool_backward(&self, args: &PoolArgs, saved: Saved, grad: Tensor) -> Result<Tensor> {
        pool::backward(args, saved.take()?, grad)
    }
}

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

impl Softmax for Composed {
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        softmax::forward(x, axis, log)
    }

    fn softmax_backward(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        softmax::backward(y, g, axis, log)
    }
}

impl Optim for Composed {
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::adam(slot, step))
    }

    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::sgd(slot, step))
    }

    fn rmsprop(&self, slots: &mut [Slot], step: RmsPropStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::rmsprop(slot, step))
    }

    fn lion(&self, slots: &mut [Slot], step: LionStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| optim::lion(slot, step))
    }

    fn scale(&self, x: &mut Tensor, factor: f64) -> Result<()> {
        *x = x.detach().mul_scalar(factor)?;
        Ok(())
    }

    fn clamp(&self, x: &mut Tensor, limit: f64) -> Result<()> {
        *x = optim::clamp(x, limit)?;
        Ok(())
    }

    fn average(&self, average: &mut Tensor, x: &Tensor, keep: f64) -> Result<()> {
        *average = ((&*average * keep)? + (x * (1.0 - keep))?)?;
        Ok(())
    }

    fn sum_of_squares(&self, tensors: &mut dyn Iterator<Item = &Tensor>) -> Result<f64> {
        let mut total = 0.0;
        for tensor in tensors {
            total += tensor.detach().to_dtype(crate::DType::F64)?.square()?.sum_all()?.item()?;
        }
        Ok(total)
    }
}
