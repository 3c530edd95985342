//! The register tiles of convolutions: up to fourteen rows of two registers, whose sums stay in registers over all of the
//! kernel, or over all pixels.
//!
//! More rows of fewer registers than in the tile of other products: a weight is read once for fourteen pixels, since the
//! weights of a layer do not fit the nearest cache, while pixels do.

use crate::backend::cpu::simd::{Elementary, Float, Kernel, Lanes, Rows, load, transpose};
use crate::backend::cpu::tile::{add_products, are_few, products};

/// Registers of a row.
pub const REGISTERS: usize = 2;

/// Rows of the largest tile: as many as leave registers for a broadcast and for the other operand.
const fn most<V: Lanes>() -> usize {
    if V::TILE >= 6 { 14 } else { 6 }
}

/// Cuts `rows` into tiles of nearly one size and calls `$tile::<V, rows of the tile, registers>(first row)`.
macro_rules! tiles {
    ($rows:expr, $registers:expr, |$first:ident| $self:ident.$tile:ident) => {{
        let rows = $rows;
        let count = rows.div_ceil(most::<V>());
        for i in 0..count {
            let $first = i * rows / count;
            let size = (i + 1) * rows / count - $first;
            // SAFETY: the rows are within the operands'.
            unsafe {
                tiles!(@each size, $registers, $self, $tile, $first,
                    [1 2 3 4 5 6] [7 8 9 10 11 12 13 14]);
            }
        }
    }};
    (@each $size:ident, $registers:expr, $self:ident, $tile:ident, $first:ident, [$($n:literal)*] [$($m:literal)*]) => {
        match ($size, $registers) {
            $(($n, 1) => $self.$tile::<V, $n, 1>($first),
              ($n, _) => $self.$tile::<V, $n, 2>($first),)*
            // Only where there are so many registers, so that the others do not carry the code.
            $(($m, 1) if most::<V>() >= $m => $self.$tile::<V, $m, 1>($first),
              ($m, _) if most::<V>() >= $m => $self.$tile::<V, $m, 2>($first),)*
            _ => {}
        }
    };
}

/// `out[pixel, column] = start[pixel, column] + Σ x · weight` over the elements of the kernel and their channels.
pub struct Pixels<T> {
    pub count: usize,
    /// Up to two registers.
    pub columns: usize,
    /// What sums start from, `start_row` floats from pixel to pixel; null for 0.
    pub start: *const T,
    pub start_row: usize,
    /// Rows of the kernel, or of those that are seen.
    pub outer: usize,
    pub x_outer: usize,
    pub weight_outer: usize,
    /// Stretches of neighbouring floats in a row of the kernel.
    pub inner: usize,
    pub x_inner: usize,
    /// Floats of a stretch.
    pub k: usize,
    pub x: *const T,
    /// Floats from pixel to pixel of `x`.
    pub x_row: usize,
    /// A row of registers for each float of a stretch, and stretch after stretch.
    pub weight: *const T,
    pub out: *mut T,
    pub out_row: usize,
}

/// Through a pointer: a copy of so many words, read back in wide registers, would delay each row of places.
impl<T: Float> Kernel<T> for &Pixels<T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        tiles!(self.count, self.columns.div_ceil(V::N), |first| self.tile);
    }
}

impl<T: Float> Pixels<T> {
    #[inline(always)]
    unsafe fn tile<V: Lanes<Float = T>, const R: usize, const NV: usize>(&self, first: usize) {
        let (x_row, last) = (self.x_row, self.columns - (NV - 1) * V::N);
        // SAFETY: the maker of the kernel vouches for its operands, and this tile is part of them.
        unsafe {
            let mut sums = [[V::splat(T::default()); NV]; R];
            if !self.start.is_null() {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let from = self.start.wrapping_add((first + r) * self.start_row);
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let from = from.wrapping_add(v * V::N);
                        *sum = if v + 1 < NV { V::load(from) } else { V::load_first(from, last) };
                    }
                }
            }
            let x = self.x.wrapping_add(first * x_row);
            for o in 0..self.outer {
                let weight = self.weight.wrapping_add(o * self.weight_outer);
                for i in 0..self.inner {
                    let x = x.wrapping_add(o * self.x_outer + i * self.x_inner);
                    let weight = weight.wrapping_add(i * self.k * NV * V::N);
                    products(&mut sums, (x, x_row, 1), (weight, NV * V::N), self.k);
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                let out = self.out.wrapping_add((first + r) * self.out_row);
                for (v, sum) in sums.into_iter().enumerate() {
                    if v + 1 < NV || last == V::N {
                        sum.store(out.wrapping_add(v * V::N));
                    } else {
                        sum.store_first(out.wrapping_add(v * V::N), last);
                    }
                }
            }
        }
    }
}

/// `out[row, column] = Σ x[pixel, row] · grad[pixel, column]` over the pixels of some images, added to what stands there
/// or not.
pub struct Correlation<T> {
    /// Floats of `x` that lie side by side.
    pub rows: usize,
    /// Floats from one band of so many to the next, where there are three bands, as [`Correlation::takes_bands`] says.
    pub band: Option<usize>,
    /// Up to two registers; `grad` is read in whole ones.
    pub columns: usize,
    pub add: bool,
    /// Images, rows of places, places of a row.
    pub counts: [usize; 3],
    pub x: *const T,
    /// Floats from one to the next of each.
    pub x_steps: [usize; 3],
    pub grad: *const T,
    pub grad_steps: [usize; 3],
    /// In whole registers.
    pub out: *mut T,
}

impl<T: Float> Kernel<T> for Correlation<T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        match (self.band, self.columns.div_ceil(V::N)) {
            // SAFETY: there are three bands of three floats.
            (Some(band), 1) if most::<V>() >= 9 => unsafe { self.bands::<V, 9, 1, 3>(0, band) },
            // SAFETY: as above.
            (Some(band), _) if most::<V>() >= 9 => unsafe { self.bands::<V, 9, 2, 3>(0, band) },
            // SAFETY: the columns are as few as that.
            _ if are_few(self.columns, V::N) => unsafe {
                match self.columns {
                    1 => self.few::<V, 1>(),
                    2 => self.few::<V, 2>(),
                    _ if V::N >= 16 => self.few::<V, 4>(),
                    _ => unreachable!("of fewer lanes, no more are few"),
                }
            },
            (_, registers) => tiles!(self.rows, registers, |first| self.tile),
        }
    }
}

impl<T: Float> Correlation<T> {
    /// Whether the rows of a kernel are taken in one sweep: three rows of three floats, as over images of one channel. A
    /// row for itself would have too few sums to keep the processor busy.
    pub fn takes_bands(lanes: usize, kernel_rows: usize, floats: usize) -> bool {
        lanes * size_of::<T>() >= 64 && kernel_rows == 3 && floats == 3
    }

    /// `C` columns; three are taken as four, of which the last is not kept.
    #[inline(always)]
    unsafe fn few<V: Lanes<Float = T>, const C: usize>(&self) {
        let mut first = 0;
        while first < self.rows {
            // SAFETY: the rows from the first on are there.
            first += V::N
                * unsafe {
                    match (self.rows - first).div_ceil(V::N) {
                        1 => self.across::<V, 1, C>(first),
                        2 | 3 => self.across::<V, 2, C>(first),
                        _ => self.across::<V, 4, C>(first),
                    }
                };
        }
    }

    /// `NV` registers of rows, the last of which may be a part of one. Gives their number.
    #[inline(always)]
    unsafe fn across<V: Lanes<Float = T>, const NV: usize, const C: usize>(&self, first: usize) -> usize {
        let ([images, rows, places], [x_image, x_row, x_place]) = (self.counts, self.x_steps);
        let [grad_image, grad_row, grad_place] = self.grad_steps;
        let last = V::N.min(self.rows - first - (NV - 1) * V::N);
        // SAFETY: the maker of the kernel vouches for its operands; `grad` is read in whole registers in any case.
        unsafe {
            let mut sums = [[V::splat(T::default()); NV]; C];
            for n in 0..images {
                for y in 0..rows {
                    let mut x = self.x.wrapping_add(n * x_image + y * x_row + first);
                    let mut grad = self.grad.wrapping_add(n * grad_image + y * grad_row);
                    for _ in 0..places {
                        let mut of_x = [V::splat(T::default()); NV];
                        for (v, of_x) in of_x.iter_mut().enumerate() {
                            let from = x.wrapping_add(v * V::N);
                            *of_x = if v + 1 < NV { V::load(from) } else { load::<V>(from, last) };
                        }
                        for (c, sums) in sums.iter_mut().enumerate() {
                            let factor = V::splat(*grad.wrapping_add(c));
                            for (sum, x) in sums.iter_mut().zip(of_x) {
                                *sum = x.mul_add(factor, *sum);
                            }
                        }
                        x = x.wrapping_add(x_place);
                        grad = grad.wrapping_add(grad_place);
                    }
                }
            }
            for v in 0..NV {
                let mut square: Rows<V> = [V::splat(T::default()); 16];
                for (c, sums) in sums.iter().enumerate().take(self.columns) {
                    square[c] = sums[v];
                }
                transpose(&mut square);
                let here = if v + 1 < NV { V::N } else { last };
                for (i, row) in square[..V::N].iter().enumerate() {
                    if i < here {
                        let to = self.out.wrapping_add((first + v * V::N + i) * V::N);
                        if self.add { V::load(to).add(*row) } else { *row }.store(to);
                    }
                }
            }
        }
        NV
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<Float = T>, const R: usize, const NV: usize>(&self, first: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.bands::<V, R, NV, 1>(first, 0) }
    }

    /// A tile whose rows are `BANDS` times as many floats side by side.
    #[inline(always)]
    unsafe fn bands<V: Lanes<Float = T>, const R: usize, const NV: usize, const BANDS: usize>(
        &self,
        first: usize,
        band: usize,
    ) {
        let out = self.out.wrapping_add(first * NV * V::N);
        let ([images, rows, places], [x_image, x_row, x_place]) = (self.counts, self.x_steps);
        let [grad_image, grad_row, grad_place] = self.grad_steps;
        // SAFETY: the maker of the kernel vouches for its operands, and this tile is part of them.
        unsafe {
            let mut sums = [[V::splat(T::default()); NV]; R];
            if self.add {
                for (i, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
                    *sum = V::load(out.wrapping_add(i * V::N));
                }
            }
            for n in 0..images {
                for y in 0..rows {
                    let mut x = self.x.wrapping_add(n * x_image + y * x_row + first);
                    let mut grad = self.grad.wrapping_add(n * grad_image + y * grad_row);
                    for _ in 0..places {
                        add_products::<V, R, NV>(&mut sums, grad, |r| {
                            x.wrapping_add(r / (R / BANDS) * band + r % (R / BANDS))
                        });
                        x = x.wrapping_add(x_place);
                        grad = grad.wrapping_add(grad_place);
                    }
                }
            }
            for (i, sum) in sums.as_flattened().iter().enumerate() {
                sum.store(out.wrapping_add(i * V::N));
            }
        }
    }
}
