//! The activation at the end of a coarse operation.

use crate::backend::{Keep, Saved, Unary};
use crate::{Result, Tensor};

/// What the activation's derivative is computed from.
#[derive(Debug)]
struct Kept(Option<Tensor>);

pub fn forward(activation: Option<Unary>, x: Tensor, keep: bool) -> Result<(Tensor, Option<Saved>)> {
    let (y, kept) = match activation {
        None => (x, None),
        Some(op) => {
            let y = x.unary(op)?;
            let kept = match op.kind.keep() {
                Keep::Input => Some(x),
                Keep::Output => Some(y.clone()),
                Keep::Nothing => None,
            };
            (y, kept)
        }
    };
    let bytes = kept.as_ref().map_or(0, |t| t.count() * t.dtype().size());
    Ok((y, keep.then(|| Saved::new(Kept(kept), bytes))))
}

pub fn backward(activation: Option<Unary>, saved: Saved, grad: Tensor) -> Result<Tensor> {
    let Kept(kept) = saved.take()?;
    let Some(op) = activation else { return Ok(grad) };
    let (device, kept) = (grad.device().clone(), kept.as_ref().unwrap_or(&grad));
    Tensor::build(&device, grad.dtype(), *grad.dims(), |out| {
        device.unary_grad(op, kept.arg(), grad.arg(), out)
    })
}
