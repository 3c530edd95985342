use crate::backend::Reduce;
use crate::{Result, Tensor};

pub fn forward(x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
    // The largest exponent is 0, so that none overflows.
    let x = (x - x.reduced("softmax", Reduce::Max, &[axis], true)?)?;
    let e = x.exp()?;
    let total = e.sum(&[axis], true)?;
    if log { x - total.log()? } else { e / total }
}

pub fn backward(y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
    if log {
        return g - (y.exp()? * g.sum(&[axis], true)?);
    }
    let shared = (g * y)?.sum(&[axis], true)?;
    y * (g - &shared)?
}
