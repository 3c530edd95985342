//! Panels of the right operand.

use super::Matrix;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use crate::backend::cpu::turn::{Turn, pays};

/// Copies `[depth, columns]` of a matrix, times a factor, to rows of whole registers, whose rest is 0.
pub struct Pack<T> {
    pub b: Matrix<T>,
    pub depth: usize,
    pub columns: usize,
    pub padded: usize,
    pub factor: T,
    pub to: *mut T,
}

impl<T: Float> Kernel<T> for Pack<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Pack { b, depth, columns, padded, factor, to } = self;
        // SAFETY: the maker vouches for the matrix and for `depth · padded` writable floats.
        unsafe {
            if b.column == 1 {
                let by = V::splat(factor);
                for i in 0..depth {
                    for v in (0..padded).step_by(V::N) {
                        let from = b.at.add(i * b.row + v);
                        let count = V::N.min(columns - v);
                        let values = if count == V::N { V::load(from) } else { V::load_first(from, count) };
                        values.mul(by).store(to.add(i * padded + v));
                    }
                }
                return;
            }
            if b.row == 1 && pays(depth, columns) {
                return T::dispatch(&Turn {
                    rows: depth,
                    columns,
                    padded,
                    from: b.at,
                    from_step: b.column,
                    to,
                    to_step: padded,
                    factor: Some(factor),
                });
            }
            if columns < padded {
                for i in 0..depth {
                    V::splat(T::default()).store(to.add((i + 1) * padded - V::N));
                }
            }
            // Columns lie far apart: each is read to its end before the next.
            for j in 0..columns {
                let (from, to) = (b.at.add(j * b.column), to.add(j));
                (0..depth).for_each(|i| *to.add(i * padded) = *from.add(i * b.row) * factor);
            }
        }
    }
}
