use crate::backend::Binary;
use crate::{Result, Tensor};

/// The greatest element of each row, `[…, n]` to `[…, 1]`; n is at least 1.
pub fn max(x: &Tensor) -> Result<Tensor> {
    let axis = x.rank() - 1;
    let mut best = x.clone();
    loop {
        // Halves that overlap by one where the number is odd.
        let n = best.shape()[axis];
        if n <= 1 {
            return Ok(best);
        }
        let half = n.div_ceil(2);
        best = best.narrow(axis, 0, half)?.binary(Binary::Maximum, &best.narrow(axis, n - half, half)?)?;
    }
}

/// x - ln Σ eˣ of each row, `[…, n]`, without overflow.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = (x - max(x)?)?;
    let total = shifted.exp()?.sum(&[x.rank() - 1], true)?;
    shifted - total.log()?
}

/// eˣ / Σ eˣ of each row, `[…, n]`, without overflow; 0 where a row is -∞ throughout.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let top = max(x)?.clamp(f64::from(f32::MIN), f64::INFINITY)?;
    let e = (x - top)?.exp()?;
    // At least 1 where a row has a finite element.
    let total = e.sum(&[x.rank() - 1], true)?.clamp(f64::from(f32::MIN_POSITIVE), f64::INFINITY)?;
    e / total
}
