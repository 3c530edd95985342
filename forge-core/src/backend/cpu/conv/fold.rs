//! Few channels at the end: the columns of the kernel lie beside each other in the registers, so that these are full.
//!
//! A sweep over pixels gives, for each, its products with every column of the kernel; a place then gathers, from as many
//! neighbouring pixels as the kernel has columns, the sum that is its own. Seventeen channels under a kernel of three
//! columns take the time of twenty-one and a third instead of thirty-two.

use super::geometry::Block;
use super::tile::Pixels;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};

/// A row of places in the channels of a block, whose columns of the kernel are `apart` pixels from each other.
///
/// # Safety
/// The pixels' operands are there; for a folded block, `room` points at a register row of it for each pixel that the
/// places see.
pub unsafe fn sweep<T: Float>(pixels: &Pixels<T>, block: &Block, apart: usize, room: *mut T) {
    if block.folds == 1 {
        return T::dispatch(pixels);
    }
    let Pixels { count, start, out, out_row, .. } = *pixels;
    T::dispatch(&Pixels {
        count: count + apart * (block.folds - 1),
        columns: block.folds * block.count,
        start: std::ptr::null(),
        start_row: 0,
        out: room,
        out_row: block.width,
        ..*pixels
    });
    T::dispatch(Gather { count, block, apart, sums: room.cast_const(), start, out, out_row });
}

/// `out[place, column] = start[column] + Σ sums[place + j · apart, j, column]` over the columns j of the kernel.
struct Gather<'a, T> {
    count: usize,
    block: &'a Block,
    apart: usize,
    sums: *const T,
    /// Null for 0.
    start: *const T,
    out: *mut T,
    out_row: usize,
}

impl<T: Float> Kernel<T> for Gather<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Block { count: columns, width, folds, .. } = *self.block;
        // SAFETY: the maker vouches for sums and places; a folded block has fewer columns than a register.
        unsafe {
            let start = match self.start.is_null() {
                true => V::splat(T::default()),
                false => V::load_first(self.start, columns),
            };
            for place in 0..self.count {
                let mut sum = start;
                for j in 0..folds {
                    let from = self.sums.wrapping_add((place + j * self.apart) * width + j * columns);
                    sum = sum.add(V::load_first(from, columns));
                }
                sum.store_first(self.out.wrapping_add(place * self.out_row), columns);
            }
        }
    }
}
