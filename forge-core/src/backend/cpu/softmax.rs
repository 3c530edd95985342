//! Softmax in a few passes over each row, in place, a register at a time.

use super::simd::{Elementary, Float, Kernel};
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
                T::dispatch(Rows { rows: out, results: None, size, log });
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
                T::dispatch(Rows { rows: out, results: Some(y), size, log });
                Ok(())
            })
        })?;
        out.last_back("softmax", axis)
    }
}

/// Rows in place. Forward they hold the input; backward, with the results of forward, the gradient of these.
struct Rows<'a, T> {
    rows: &'a mut [T],
    results: Option<&'a [T]>,
    size: usize,
    log: bool,
}

impl<T: Float> Kernel<T> for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Rows { rows, results, size, log } = self;
        let rows = rows.chunks_exact_mut(size);
        // SAFETY: the caller's promise.
        unsafe {
            match results {
                None => rows.for_each(|row| forward::<V>(row, log)),
                Some(y) => rows.zip(y.chunks_exact(size)).for_each(|(row, y)| backward::<V>(y, row, log)),
            }
        }
    }
}

/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn forward<V: Elementary>(row: &mut [V::Float], log: bool) {
    // SAFETY: the caller's promise; registers are read from and written to the first floats of a chunk of the row, as many
    // as it has.
    unsafe {
        let lowest = <V::Float as Scalar>::from_f64(f64::NEG_INFINITY);
        let mut top = V::splat(lowest);
        let whole = row.chunks_exact(V::N);
        // A NaN is passed over here: its own exponential makes the whole row NaN.
        let rest = whole.remainder().iter().fold(lowest, |top, &v| if v > top { v } else { top });
        whole.for_each(|chunk| top = V::load(chunk.as_ptr()).max(top));
        let mut lanes = [lowest; 16];
        top.store(lanes.as_mut_ptr());
        // The largest exponent is 0, so that none overflows.
        let top = V::splat(lanes.iter().fold(rest, |top, &v| if v > top { v } else { top }));
        let mut total = V::splat(V::Float::zero());
        let mut powers = [V::Float::zero(); 16];
        for chunk in row.chunks_mut(V::N) {
            let n = chunk.len();
            let x = V::load_first(chunk.as_ptr(), n).sub(top);
            let power = x.exp();
            let (kept, to) = if log { (x, powers.as_mut_ptr()) } else { (power, chunk.as_mut_ptr()) };
            power.store_first(to, n);
            total = total.add(V::load_first(to, n));
            kept.store_first(chunk.as_mut_ptr(), n);
        }
        let total = V::splat(total.sum());
        let total = if log { total.log() } else { total };
        for chunk in row.chunks_mut(V::N) {
            let n = chunk.len();
            let x = V::load_first(chunk.as_ptr(), n);
            let y = if log { x.sub(total) } else { x.div(total) };
            y.store_first(chunk.as_mut_ptr(), n);
        }
    }
}

/// `row` holds the gradient of the result and becomes that of the input.
///
/// # Safety
/// The processor has the instructions of `V`; `y` is as long as `row`.
#[inline(always)]
unsafe fn backward<V: Elementary>(y: &[V::Float], row: &mut [V::Float], log: bool) {
    // SAFETY: the caller's promise; registers are read and written as in `forward`.
    unsafe {
        let mut total = V::splat(V::Float::zero());
        for (chunk, y) in row.chunks(V::N).zip(y.chunks(V::N)) {
            let g = V::load_first(chunk.as_ptr(), chunk.len());
            total = total.add(if log { g } else { g.mul(V::load_first(y.as_ptr(), y.len())) });
        }
        let total = V::splat(total.sum());
        for (chunk, y) in row.chunks_mut(V::N).zip(y.chunks(V::N)) {
            let n = chunk.len();
            let (g, y) = (V::load_first(chunk.as_ptr(), n), V::load_first(y.as_ptr(), n));
            let grad = if log { g.sub(y.exp().mul(total)) } else { y.mul(g.sub(total)) };
            grad.store_first(chunk.as_mut_ptr(), n);
        }
    }
}
