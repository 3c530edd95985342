//! A few columns beyond the last full register, as dot products: a register of its own would be mostly empty.

use crate::backend::cpu::simd::{Elementary, Float, Kernel, Rows, sums};
use crate::backend::cpu::tile::Part;

/// `out[row, column] = start[row, column] + Σ a[row, i] · weights[column, i]` over the elements of all parts, which lie
/// side by side and are whole registers.
pub struct Thin<T> {
    pub rows: usize,
    pub columns: usize,
    /// Columns of the weights: one, two or four, and no more than a quarter of a register.
    pub width: usize,
    /// Floats of a column of the weights.
    pub depth: usize,
    /// Their left operands.
    pub parts: [Part<T>; 2],
    pub weights: *const T,
    /// Null for 0.
    pub start: *const T,
    pub out: *mut T,
    /// Floats from row to row of `start` and `out`.
    pub row: usize,
}

impl<T: Float> Kernel<T> for &Thin<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        // SAFETY: the maker vouches for the operands. As many results at a time as a register has lanes.
        unsafe {
            match (V::N, self.width) {
                (16, 1) => self.groups::<V, 16, 1>(),
                (16, 2) => self.groups::<V, 8, 2>(),
                (16, _) => self.groups::<V, 4, 4>(),
                (8, 1) => self.groups::<V, 8, 1>(),
                (8, _) => self.groups::<V, 4, 2>(),
                (4, _) => self.groups::<V, 4, 1>(),
                _ => unreachable!("of two lanes, no column is few"),
            }
        }
    }
}

impl<T: Float> Thin<T> {
    #[inline(always)]
    unsafe fn groups<V: Elementary<Float = T>, const R: usize, const C: usize>(&self) {
        debug_assert!(R * C == V::N && C == self.width);
        for first in (0..self.rows).step_by(R) {
            let here = R.min(self.rows - first);
            // SAFETY: the rows from the first on are there; behind the last, that one comes again.
            unsafe {
                let zero = V::splat(T::default());
                let mut products = [[zero; C]; R];
                let mut weights = self.weights;
                for part in &self.parts {
                    let row: [usize; R] = std::array::from_fn(|r| (first + r.min(here - 1)) * part.a_row);
                    let mut a = part.a;
                    for _ in 0..part.outer {
                        for i in (0..part.k).step_by(V::N) {
                            let mut w = [zero; C];
                            for (c, w) in w.iter_mut().enumerate() {
                                *w = V::load(weights.wrapping_add(c * self.depth));
                            }
                            for (products, row) in products.iter_mut().zip(row) {
                                let x = V::load(a.wrapping_add(row + i));
                                for (product, w) in products.iter_mut().zip(w) {
                                    *product = x.mul_add(w, *product);
                                }
                            }
                            weights = weights.wrapping_add(V::N);
                        }
                        a = a.wrapping_offset(part.a_outer);
                    }
                }
                let mut all: Rows<V> = [zero; 16];
                for (all, product) in all.iter_mut().zip(products.as_flattened()) {
                    *all = *product;
                }
                let mut lanes = [T::default(); 16];
                sums(all).store(lanes.as_mut_ptr());
                for (r, lanes) in lanes.chunks_exact(C).take(here).enumerate() {
                    for (c, sum) in lanes.iter().take(self.columns).enumerate() {
                        let at = (first + r) * self.row + c;
                        let start = if self.start.is_null() { T::default() } else { *self.start.add(at) };
                        *self.out.add(at) = start + *sum;
                    }
                }
            }
        }
    }
}
