//! Layer normalisation: a row at a time, which is in the nearest cache from its first element to its last.

use super::slice::moments;
use crate::backend::Scalar;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, constant, load, narrow, store, wide};

/// Some rows of `columns` floats.
pub struct Forward<'a, T> {
    pub columns: usize,
    pub eps: f64,
    pub x: &'a [T],
    /// Weight, then bias, of a row.
    pub affine: &'a [T],
    pub y: &'a mut [T],
    pub mean: &'a mut [T],
    pub variance: &'a mut [T],
}

impl<T: Float> Kernel<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Forward { columns, eps, x, affine, y, mean, variance } = self;
        let (weight, bias) = affine.split_at(columns);
        let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
        for (((x, y), mean), variance) in rows.zip(mean).zip(variance) {
            // SAFETY: all rows hold `columns` floats; the caller's promise.
            unsafe {
                let found = moments::<V>(x).map(narrow);
                [*mean, *variance] = found;
                let (middle, scale) = (V::splat(found[0]), constant::<V>(scale_of(found[1], eps)));
                let mut at = 0;
                while at < columns {
                    let n = columns - at;
                    let d = load::<V>(x.as_ptr().add(at), n).sub(middle).mul(scale);
                    let w = load::<V>(weight.as_ptr().add(at), n);
                    let value = d.mul_add(w, load(bias.as_ptr().add(at), n));
                    store(value, y.as_mut_ptr().add(at), n);
                    at += V::N;
                }
            }
        }
    }
}

/// 1 / √(variance + eps)
#[inline(always)]
pub fn scale_of<T: Scalar>(variance: T, eps: f64) -> f64 {
    1.0 / (variance.to_f64() + eps).sqrt()
}

/// Some rows of `columns` floats.
pub struct Backward<'a, T> {
    pub columns: usize,
    pub eps: f64,
    pub x: &'a [T],
    pub g: &'a [T],
    pub weight: &'a [T],
    pub mean: &'a [T],
    pub variance: &'a [T],
    /// Room for the gradient of x.
    pub dx: &'a mut [T],
    /// Room for the gradients of weight and bias, one after the other.
    pub affine: &'a mut [T],
}

/// Rows that share one pass over the weights and their gradients.
const ROWS: usize = 4;

impl<T: Float> Kernel<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(mut self) {
        self.affine.fill(T::zero());
        let rows = self.mean.len();
        let whole = rows / ROWS * ROWS;
        // SAFETY: the rows are those of the slices; the caller's promise.
        unsafe {
            for first in (0..whole).step_by(ROWS) {
                self.rows::<V, ROWS>(first);
            }
            for first in whole..rows {
                self.rows::<V, 1>(first);
            }
        }
    }
}

impl<T: Float> Backward<'_, T> {
    #[inline(always)]
    unsafe fn rows<V: Elementary<Float = T>, const R: usize>(&mut self, first: usize) {
        let columns = self.columns;
        // SAFETY: row `first + r` is one of the slices', of which each holds `columns` floats.
        unsafe {
            let (x, g) = (self.x.as_ptr().add(first * columns), self.g.as_ptr().add(first * columns));
            let (weight, dx) = (self.weight.as_ptr(), self.dx.as_mut_ptr().add(first * columns));
            let (to_weight, to_bias) = (self.affine.as_mut_ptr(), self.affine.as_mut_ptr().add(columns));
            let zero = constant::<V>(0.0);
            let (mut middle, mut scale) = ([zero; R], [zero; R]);
            for r in 0..R {
                middle[r] = V::splat(self.mean[first + r]);
                scale[r] = constant(scale_of(self.variance[first + r], self.eps));
            }
            let (mut sums, mut along) = ([zero; R], [zero; R]);
            let mut at = 0;
            while at < columns {
                let n = columns - at;
                let w = load::<V>(weight.add(at), n);
                let mut of_weight = load::<V>(to_weight.add(at), n);
                let mut of_bias = load::<V>(to_bias.add(at), n);
                for r in 0..R {
                    let g = load::<V>(g.add(r * columns + at), n);
                    let d = load::<V>(x.add(r * columns + at), n).sub(middle[r]).mul(scale[r]);
                    of_weight = g.mul_add(d, of_weight);
                    of_bias = of_bias.add(g);
                    let g = g.mul(w);
                    sums[r] = sums[r].add(g);
                    along[r] = g.mul_add(d, along[r]);
                }
                store(of_weight, to_weight.add(at), n);
                store(of_bias, to_bias.add(at), n);
                at += V::N;
            }
            // The normalised elements have mean 0 and mean square 1, so their gradient loses its parts along 1 and them.
            let share = |sum: V| constant::<V>(wide(sum.sum()) / columns as f64);
            for r in 0..R {
                (sums[r], along[r]) = (share(sums[r]), share(along[r]));
            }
            for r in 0..R {
                let mut at = 0;
                while at < columns {
                    let n = columns - at;
                    let g = load::<V>(g.add(r * columns + at), n).mul(load(weight.add(at), n));
                    let d = load::<V>(x.add(r * columns + at), n).sub(middle[r]).mul(scale[r]);
                    let value = d.neg_mul_add(along[r], g.sub(sums[r])).mul(scale[r]);
                    store(value, dx.add(r * columns + at), n);
                    at += V::N;
                }
            }
        }
    }
}
