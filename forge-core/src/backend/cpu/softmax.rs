//! Softmax in a few passes over each row, in place, a register at a time.

use super::simd::{Elementary, Float, Kernel, Lanes, constant, load, store};
use super::{elements, elements_mut, turn};
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
                turn::copy(from, x.layout(), out, &Layout::contiguous(*x.dims()));
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
                turn::copy(from, g.layout(), out, &Layout::contiguous(*g.dims()));
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
            let behind = Behind::<V>::of(size);
            match results {
                None => rows.for_each(|row| forward(row, behind, log)),
                Some(y) => rows.zip(y.chunks_exact(size)).for_each(|(row, y)| backward::<V>(y, row, log)),
            }
        }
    }
}

/// -∞ in the lanes of a row's last register that are behind its end, 0 in the others.
#[derive(Clone, Copy)]
pub struct Behind<V>(V);

impl<V: Elementary> Behind<V> {
    /// For rows of `size` elements.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    #[inline(always)]
    pub unsafe fn of(size: usize) -> Self {
        let mut lanes = [<V::Float as Scalar>::from_f64(f64::NEG_INFINITY); 16];
        let used = if size.is_multiple_of(V::N) { V::N } else { size % V::N };
        lanes[..used].fill(V::Float::zero());
        // SAFETY: no register has more than 16 lanes; the caller's promise.
        Behind(unsafe { V::load(lanes.as_ptr()) })
    }

    /// The register at `at` of a row, with -∞ behind its end.
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub unsafe fn load(self, row: &[V::Float], at: usize) -> V {
        let from = row.as_ptr().wrapping_add(at);
        // SAFETY: `at` lies within the row; the caller's promise.
        unsafe {
            if at + V::N <= row.len() {
                V::load(from)
            } else {
                V::load_first(from, row.len() - at).add(self.0)
            }
        }
    }

    /// The largest element of a row, -∞ of none. A NaN is passed over: its own exponential makes a whole row NaN.
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub unsafe fn top(self, row: &[V::Float]) -> V::Float {
        // SAFETY: registers are those of the row; the caller's promise.
        unsafe {
            let mut tops = [constant::<V>(f64::NEG_INFINITY); 4];
            let mut at = 0;
            while at + 4 * V::N <= row.len() {
                for (k, top) in tops.iter_mut().enumerate() {
                    *top = V::load(row.as_ptr().add(at + k * V::N)).max(*top);
                }
                at += 4 * V::N;
            }
            while at < row.len() {
                tops[0] = self.load(row, at).max(tops[0]);
                at += V::N;
            }
            largest(tops[0].max(tops[1]).max(tops[2].max(tops[3])))
        }
    }

    /// `Σ e^(x - top)` of a row.
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub unsafe fn total(self, row: &[V::Float], top: V) -> V::Float {
        // SAFETY: registers are those of the row; the caller's promise.
        unsafe {
            let mut totals = [constant::<V>(0.0); 2];
            let mut at = 0;
            while at + 2 * V::N <= row.len() {
                for (k, total) in totals.iter_mut().enumerate() {
                    *total = total.add(V::load(row.as_ptr().add(at + k * V::N)).sub(top).exp());
                }
                at += 2 * V::N;
            }
            while at < row.len() {
                totals[0] = totals[0].add(self.load(row, at).sub(top).exp());
                at += V::N;
            }
            totals[0].add(totals[1]).sum()
        }
    }

    /// Replaces x by e^(x - top) and gives their sum.
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub unsafe fn powers(self, row: &mut [V::Float], top: V) -> V::Float {
        // SAFETY: registers are those of the row; the caller's promise.
        unsafe {
            let mut total = constant::<V>(0.0);
            for at in (0..row.len()).step_by(V::N) {
                let power = self.load(row, at).sub(top).exp();
                total = total.add(power);
                store(power, row.as_mut_ptr().add(at), row.len() - at);
            }
            total.sum()
        }
    }
}

/// The largest lane.
#[inline(always)]
fn largest<V: Lanes>(register: V) -> V::Float {
    let mut lanes = [V::Float::zero(); 16];
    // SAFETY: no register has more than 16 lanes.
    unsafe { register.store(lanes.as_mut_ptr()) };
    let mut width = V::N;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = if lanes[i] > lanes[i + width] { lanes[i] } else { lanes[i + width] };
        }
    }
    lanes[0]
}

/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn forward<V: Elementary>(row: &mut [V::Float], behind: Behind<V>, log: bool) {
    // SAFETY: the caller's promise; registers are those of the row.
    unsafe {
        // The largest exponent is 0, so that none overflows.
        let top = V::splat(behind.top(row));
        let total = if log { behind.total(row, top) } else { behind.powers(row, top) };
        let total = V::splat(total);
        let log_total = if log { total.log() } else { total };
        for at in (0..row.len()).step_by(V::N) {
            let (to, n) = (row.as_mut_ptr().add(at), row.len() - at);
            let x = load::<V>(to, n);
            let y = if log { x.sub(top).sub(log_total) } else { x.div(total) };
            store(y, to, n);
        }
    }
}

/// `row` holds the gradient of the result and becomes that of the input.
///
/// # Safety
/// The processor has the instructions of `V`; `y` is as long as `row`.
#[inline(always)]
unsafe fn backward<V: Elementary>(y: &[V::Float], row: &mut [V::Float], log: bool) {
    // SAFETY: the caller's promise; registers are those of the rows.
    unsafe {
        let mut total = constant::<V>(0.0);
        for at in (0..row.len()).step_by(V::N) {
            let n = row.len() - at;
            let g = load::<V>(row.as_ptr().add(at), n);
            total = if log { total.add(g) } else { g.mul_add(load(y.as_ptr().add(at), n), total) };
        }
        let total = V::splat(total.sum());
        for at in (0..row.len()).step_by(V::N) {
            let n = row.len() - at;
            let (g, y) = (load::<V>(row.as_ptr().add(at), n), load::<V>(y.as_ptr().add(at), n));
            let grad = if log { y.exp().neg_mul_add(total, g) } else { y.mul(g.sub(total)) };
            store(grad, row.as_mut_ptr().add(at), n);
        }
    }
}
