//! Sums over one slice, in four running registers.

use crate::backend::Scalar;
use crate::backend::cpu::simd::{Elementary, Lanes, constant, constant_first, load, narrow, wide};

#[inline(always)]
fn all<V: Lanes>([a, b, c, d]: [V; 4]) -> f64 {
    wide(a.add(b).add(c.add(d)).sum())
}

/// Mean and variance of a slice that is not empty. The distances are taken from the mean, and what rounding left of their
/// sum mends both: the corrected two-pass algorithm of Chan, Golub and LeVeque, *The American Statistician* 37 (1983).
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn moments<V: Elementary>(x: &[V::Float]) -> [f64; 2] {
    let (from, len) = (x.as_ptr(), x.len());
    let count = len as f64;
    // SAFETY: `at` stays within the slice; the caller's promise.
    unsafe {
        let zero = constant::<V>(0.0);
        let mut sums = [zero; 4];
        let mut at = 0;
        while at + 4 * V::N <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(V::load(from.add(at + k * V::N)));
            }
            at += 4 * V::N;
        }
        while at < len {
            sums[0] = sums[0].add(load(from.add(at), len - at));
            at += V::N;
        }
        let near = narrow::<V::Float>(all(sums) / count);
        let middle = V::splat(near);
        let (mut sums, mut squares) = ([zero; 4], [zero; 4]);
        let mut at = 0;
        while at + 4 * V::N <= len {
            for k in 0..4 {
                let d = V::load(from.add(at + k * V::N)).sub(middle);
                sums[k] = sums[k].add(d);
                squares[k] = d.mul_add(d, squares[k]);
            }
            at += 4 * V::N;
        }
        while at < len {
            let d = load::<V>(from.add(at), len - at).sub(constant_first(near, len - at));
            sums[0] = sums[0].add(d);
            squares[0] = d.mul_add(d, squares[0]);
            at += V::N;
        }
        mended(near, all(sums), all(squares), count)
    }
}

/// Mean and variance of `count` elements whose distances from `near` have these sums.
#[inline(always)]
pub fn mended<T: Scalar>(near: T, sum: f64, squares: f64, count: f64) -> [f64; 2] {
    let shift = sum / count;
    let variance = squares / count - shift * shift;
    // An infinite mean has no distance that is a number.
    let mean = if shift.is_nan() { near.to_f64() } else { near.to_f64() + shift };
    [mean, if variance < 0.0 { 0.0 } else { variance }]
}

/// `Σ g` and `Σ g (x - mean)`.
///
/// # Safety
/// The slices have one length, and the processor the instructions of `V`.
#[inline(always)]
pub unsafe fn products<V: Elementary>(x: &[V::Float], g: &[V::Float], mean: V::Float) -> [f64; 2] {
    let (x, g, len) = (x.as_ptr(), g.as_ptr(), g.len());
    // SAFETY: `at` stays within the slices; the caller's promise.
    unsafe {
        let (zero, middle) = (constant::<V>(0.0), V::splat(mean));
        let (mut sums, mut products) = ([zero; 4], [zero; 4]);
        let mut at = 0;
        while at + 4 * V::N <= len {
            for k in 0..4 {
                let g = V::load(g.add(at + k * V::N));
                let d = V::load(x.add(at + k * V::N)).sub(middle);
                sums[k] = sums[k].add(g);
                products[k] = g.mul_add(d, products[k]);
            }
            at += 4 * V::N;
        }
        while at < len {
            let g = load::<V>(g.add(at), len - at);
            let d = load::<V>(x.add(at), len - at).sub(constant_first(mean, len - at));
            sums[0] = sums[0].add(g);
            products[0] = g.mul_add(d, products[0]);
            at += V::N;
        }
        [all(sums), all(products)]
    }
}
