//! Products with few rows or few columns.

use super::Matrix;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, Rows, load, sums};
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
        // SAFETY: the maker vouches for operands and output; a register has as many lanes as are matched.
        unsafe {
            match (self.few.1, V::N) {
                (0..=2, _) => {
                    for i in 0..self.few.1 {
                        self.row::<V>(i);
                    }
                }
                (_, 16) => self.tiles::<V, 4, 4>(),
                (_, 8) => self.tiles::<V, 2, 4>(),
                (_, 4) => self.tiles::<V, 2, 2>(),
                _ => self.tiles::<V, 1, 2>(),
            }
        }
    }
}

impl<T: Float> Dots<T> {
    /// All results in tiles of `F` of the few times `M` of the many, as many as a register has lanes.
    #[inline(always)]
    unsafe fn tiles<V: Elementary<Float = T>, const F: usize, const M: usize>(&self) {
        for j in self.many.1.clone().step_by(M) {
            for i in (0..self.few.1).step_by(F) {
                // SAFETY: the tile begins within the operands.
                unsafe { self.tile::<V, F, M>(i, j) };
            }
        }
    }

    /// The tile from `i` and `j` on. Beyond the last row that row comes again, and what it gives is not written.
    #[inline(always)]
    unsafe fn tile<V: Elementary<Float = T>, const F: usize, const M: usize>(&self, i: usize, j: usize) {
        let (rows, columns) = (F.min(self.few.1 - i), M.min(self.many.1.end - j));
        let x: [*const T; F] = std::array::from_fn(|f| self.few.0.from(i + f.min(rows - 1), 0).at);
        let w: [*const T; M] = std::array::from_fn(|m| self.many.0.from(j + m.min(columns - 1), 0).at);
        // SAFETY: the rows are there.
        unsafe {
            let zero = V::splat(T::default());
            let mut products = [[zero; M]; F];
            for k in (0..self.k).step_by(V::N) {
                let n = self.k - k;
                let x = x.map(|x| load::<V>(x.add(k), n));
                let w = w.map(|w| load::<V>(w.add(k), n));
                for (products, x) in products.iter_mut().zip(x) {
                    for (product, w) in products.iter_mut().zip(w) {
                        *product = x.mul_add(w, *product);
                    }
                }
            }
            let mut all: Rows<V> = [zero; 16];
            for (of_all, product) in all.iter_mut().zip(products.as_flattened()) {
                *of_all = *product;
            }
            let lanes = self.added_up(all);
            for f in 0..rows {
                for m in 0..columns {
                    self.write(i + f, j + m, lanes[f * M + m]);
                }
            }
        }
    }

    /// Row `i` of the few with all of the many.
    #[inline(always)]
    unsafe fn row<V: Elementary<Float = T>>(&self, i: usize) {
        let Range { start: mut j, end } = self.many.1.clone();
        // SAFETY: the rows are there.
        unsafe {
            while j + V::N <= end {
                self.register::<V>(i, j);
                j += V::N;
            }
            // Eight streams from memory come quicker than four, where there are registers for sixteen sums.
            while V::TILE >= 6 && j + 8 <= end {
                self.each_summed::<V, 8>(i, j);
                j += 8;
            }
            while j + 4 <= end {
                self.each_summed::<V, 4>(i, j);
                j += 4;
            }
            while j < end {
                self.each_summed::<V, 1>(i, j);
                j += 1;
            }
        }
    }

    /// Row `i` of the few with as many of the many as a register has lanes.
    #[inline(always)]
    unsafe fn register<V: Elementary<Float = T>>(&self, i: usize, j: usize) {
        // SAFETY: the caller's rows are there.
        unsafe {
            let mut all: Rows<V> = [V::splat(T::default()); 16];
            match V::N {
                8.. if V::TILE >= 6 => self.fill::<V, 8>(&mut all, i, j),
                4.. => self.fill::<V, 4>(&mut all, i, j),
                _ => self.fill::<V, 2>(&mut all, i, j),
            }
            if self.steps.1 == 1 && self.bias.is_null() {
                return sums(all).mul(V::splat(self.factor)).store(self.out.add(i * self.steps.0 + j));
            }
            for (r, sum) in self.added_up(all)[..V::N].iter().enumerate() {
                self.write(i, j + r, *sum);
            }
        }
    }

    /// The products of such a register, `R` rows at a time.
    #[inline(always)]
    unsafe fn fill<V: Elementary<Float = T>, const R: usize>(&self, all: &mut Rows<V>, i: usize, j: usize) {
        for first in (0..V::N).step_by(R) {
            // SAFETY: the caller's rows are there.
            for (r, row) in unsafe { self.rows::<V, R>(i, j + first) }.into_iter().enumerate() {
                all[first + r] = row;
            }
        }
    }

    /// Row `i` of the few with `R` of the many.
    #[inline(always)]
    unsafe fn each_summed<V: Elementary<Float = T>, const R: usize>(&self, i: usize, j: usize) {
        // SAFETY: the caller's rows are there.
        unsafe {
            for (r, sums) in self.rows::<V, R>(i, j).into_iter().enumerate() {
                self.write(i, j + r, sums.sum() * self.factor);
            }
        }
    }

    /// Row `i` of the few times each of `R` of the many, lane by lane: each sum in two registers, so that one need not
    /// wait for the other.
    #[inline(always)]
    unsafe fn rows<V: Elementary<Float = T>, const R: usize>(&self, i: usize, j: usize) -> [V; R] {
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
            std::array::from_fn(|r| even[r].add(odd[r]))
        }
    }

    /// The sums of so many registers, times the factor.
    #[inline(always)]
    unsafe fn added_up<V: Elementary<Float = T>>(&self, all: Rows<V>) -> [T; 16] {
        let mut lanes = [T::default(); 16];
        // SAFETY: no register has more than sixteen lanes; the caller's registers are there.
        unsafe { sums(all).mul(V::splat(self.factor)).store(lanes.as_mut_ptr()) };
        lanes
    }

    #[inline(always)]
    unsafe fn write(&self, i: usize, j: usize, mut sum: T) {
        // SAFETY: the caller's result is one of the output's.
        unsafe {
            if !self.bias.is_null() {
                sum = sum + *self.bias.add(i * self.bias_steps.0 + j * self.bias_steps.1);
            }
            *self.out.add(i * self.steps.0 + j * self.steps.1) = sum;
        }
    }
}
