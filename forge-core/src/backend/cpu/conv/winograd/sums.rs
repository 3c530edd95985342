//! The matrices of F(2 × 2, 3 × 3), as sums and differences.

use crate::backend::cpu::simd::{Lanes, constant};

/// One dimension of a transform of squares.
pub trait Sums<const I: usize, const O: usize> {
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn of<V: Lanes>(numbers: [V; I]) -> [V; O];
}

/// `Bᵀ`: pixels.
pub struct OfPixels;
/// `G`: elements of the kernel.
pub struct OfTaps;
/// `Aᵀ`: places, from the products of both.
pub struct ToPlaces;
/// `A`: the gradient of places.
pub struct OfPlaces;
/// `Gᵀ`: the gradient of the elements of the kernel.
pub struct ToTaps;

impl Sums<4, 4> for OfPixels {
    #[inline(always)]
    unsafe fn of<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 4] {
        [a.sub(c), b.add(c), c.sub(b), b.sub(d)]
    }
}

impl Sums<3, 4> for OfTaps {
    #[inline(always)]
    unsafe fn of<V: Lanes>([a, b, c]: [V; 3]) -> [V; 4] {
        // SAFETY: the caller's promise.
        let half = unsafe { constant::<V>(0.5) };
        let (outer, inner) = (a.add(c).mul(half), b.mul(half));
        [a, outer.add(inner), outer.sub(inner), c]
    }
}

impl Sums<4, 2> for ToPlaces {
    #[inline(always)]
    unsafe fn of<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 2] {
        [a.add(b.add(c)), b.sub(c).sub(d)]
    }
}

impl Sums<2, 4> for OfPlaces {
    #[inline(always)]
    unsafe fn of<V: Lanes>([a, b]: [V; 2]) -> [V; 4] {
        // SAFETY: the caller's promise.
        let zero = unsafe { V::splat(V::Float::default()) };
        [a, a.add(b), a.sub(b), zero.sub(b)]
    }
}

impl Sums<4, 3> for ToTaps {
    #[inline(always)]
    unsafe fn of<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        let half = unsafe { constant::<V>(0.5) };
        let sum = b.add(c).mul(half);
        [a.add(sum), b.sub(c).mul(half), sum.add(d)]
    }
}

/// Both dimensions of a square.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn square<S: Sums<I, O>, V: Lanes, const I: usize, const O: usize>(d: [[V; I]; I]) -> [[V; O]; O] {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(V::Float::default());
        let mut half = [[zero; O]; I];
        for (half, row) in half.iter_mut().zip(d) {
            *half = S::of(row);
        }
        let mut all = [[zero; O]; O];
        for x in 0..O {
            let mut column = [zero; I];
            for (number, half) in column.iter_mut().zip(&half) {
                *number = half[x];
            }
            for (all, sum) in all.iter_mut().zip(S::of(column)) {
                all[x] = sum;
            }
        }
        all
    }
}
