//! Products with few rows or few columns.

use super::Matrix;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use std::ops::Range;

/// Dot products of each of a few rows with each of many, all of `k` floats side by side.
pub struct Dots<T> {
    pub few: (Matrix<T>, usize),
    pub many: (Matrix<T>, Range<usize>),
    pub k: usize,
    pub factor: T,
    pub out: *mut T,
    /// Floats from result to result along the few and along the many.
    pub steps: (usize, usize),
    /// Added to the results, or null; and its floats from result to result.
    pub bias: *const T,
    pub bias_steps: (usize, usize),
}

impl<T: Float> Kernel<T> for Dots<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        // SAFETY: the maker vouches for operands and output.
        unsafe {
            for i in 0..self.few.1 {
                let mut j = self.many.1.start;
                // Eight streams from memory come quicker than four, where there are registers for sixteen sums.
                while V::TILE >= 6 && j + 8 <= self.many.1.end {
                    self.rows::<V, 8>(i, j);
                    j += 8;
                }
                while j + 4 <= self.many.1.end {
                    self.rows::<V, 4>(i, j);
                    j += 4;
                }
                while j < self.many.1.end {
                    self.rows::<V, 1>(i, j);
                    j += 1;
                }
            }
        }
    }
}

impl<T: Float> Dots<T> {
    /// Row `i` of the few with `R` of the many: each sum in two registers, so that one need not wait for the other.
    #[inline(always)]
    unsafe fn rows<V: Elementary<Float = T>, const R: usize>(&self, i: usize, j: usize) {
        // SAFETY: the caller's rows are there.
        unsafe {
            let w_row = self.many.0.row;
            let x = self.few.0.at.add(i * self.few.0.row);
            let w = self.many.0.at.add(j * w_row);
            let zero = V::splat(T::default());
            let (mut even, mut odd) = ([zero; R], [zero; R]);
            let mut k = 0;
            while k + 2 * V::N <= self.k {
                let (first, second) = (V::load(x.add(k)), V::load(x.add(k + V::N)));
                for (r, (even, odd)) in even.iter_mut().zip(&mut odd).enumerate() {
                    let w = w.add(r * w_row + k);
                    *even = first.mul_add(V::load(w), *even);
                    *odd = second.mul_add(V::load(w.add(V::N)), *odd);
                }
                k += 2 * V::N;
            }
            while k < self.k {
                let count = V::N.min(self.k - k);
                let x = V::load_first(x.add(k), count);
                for (r, even) in even.iter_mut().enumerate() {
                    *even = x.mul_add(V::load_first(w.add(r * w_row + k), count), *even);
                }
                k += count;
            }
            for (r, (even, odd)) in even.into_iter().zip(odd).enumerate() {
                let mut sum = even.add(odd).sum() * self.factor;
                if !self.bias.is_null() {
                    sum = sum + *self.bias.add(i * self.bias_steps.0 + (j + r) * self.bias_steps.1);
                }
                *self.out.add(i * self.steps.0 + (j + r) * self.steps.1) = sum;
            }
        }
    }
}
