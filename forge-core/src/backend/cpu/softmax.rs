//! Softmax in a few passes over each row, in place.

use super::{elements, elements_mut, map};
use crate::backend::{Scalar, Softmax};
use crate::layout::Layout;
use crate::{DType, Result, Tensor};

/// The family in loops of its own.
#[derive(Clone, Copy, Debug)]
pub struct CpuSoftmax;

impl Softmax for CpuSoftmax {
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        let x = x.with_last("softmax", axis)?;
        let size = x.shape()[x.rank() - 1].max(1);
        let out = Tensor::build(x.device(), x.dtype(), *x.dims(), |out| {
            float!("softmax", x.dtype(), T => {
                let (from, out) = (elements::<T>("softmax", x.arg().memory)?, elements_mut::<T>("softmax", out)?);
                map::copy(from, x.layout(), out, &Layout::contiguous(*x.dims()), |v| v);
                out.chunks_exact_mut(size).for_each(|row| forward(row, log));
                Ok(())
            })
        })?;
        out.last_back("softmax", axis)
    }

    fn softmax_backward(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        let (y, g) = (y.with_last("softmax", axis)?.packed()?, g.with_last("softmax", axis)?);
        let size = y.shape()[y.rank() - 1].max(1);
        let out = Tensor::build(g.device(), g.dtype(), *g.dims(), |out| {
            float!("softmax", g.dtype(), T => {
                let y = elements::<T>("softmax", y.arg().memory)?;
                let (from, out) = (elements::<T>("softmax", g.arg().memory)?, elements_mut::<T>("softmax", out)?);
                map::copy(from, g.layout(), out, &Layout::contiguous(*g.dims()), |v| v);
                let rows = y.chunks_exact(size).zip(out.chunks_exact_mut(size));
                rows.for_each(|(y, row)| backward(y, row, log));
                Ok(())
            })
        })?;
        out.last_back("softmax", axis)
    }
}

fn forward<T: Scalar>(row: &mut [T], log: bool) {
    let top = row.iter().fold(row[0], |m, &v| if m > v || m.is_nan() { m } else { v });
    // The largest exponent is 0, so that none overflows.
    row.iter_mut().for_each(|v| *v = *v - top);
    if log {
        let total = total(row.len(), |i| row[i].exp()).ln();
        row.iter_mut().for_each(|v| *v = *v - total);
    } else {
        row.iter_mut().for_each(|v| *v = v.exp());
        let total = total(row.len(), |i| row[i]);
        row.iter_mut().for_each(|v| *v = *v / total);
    }
}

/// `row` holds the gradient of the result and becomes that of the input.
fn backward<T: Scalar>(y: &[T], row: &mut [T], log: bool) {
    if log {
        let total = total(row.len(), |i| row[i]);
        row.iter_mut().zip(y).for_each(|(g, &y)| *g = *g - y.exp() * total);
    } else {
        let shared = total(row.len(), |i| row[i] * y[i]);
        row.iter_mut().zip(y).for_each(|(g, &y)| *g = y * (*g - shared));
    }
}

/// A sum in eight lanes.
#[inline(always)]
fn total<T: Scalar>(n: usize, term: impl Fn(usize) -> T) -> T {
    let mut lanes = [T::zero(); 8];
    for start in (0..n).step_by(8) {
        for (k, lane) in lanes.iter_mut().enumerate().take(n - start) {
            *lane = *lane + term(start + k);
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
