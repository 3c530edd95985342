//! The register tile that all products run in: a few rows times up to four registers, over strided operands.

use super::simd::{Elementary, Float, Kernel, Lanes, lanes};
use std::hint::black_box;

/// Bytes of `b` that stay in the nearest cache while the rows of a product pass over them.
const NEAR: usize = 40 << 10;
/// Bytes of the widest register.
const LINE: usize = 64;
/// Rows of one tile of four registers: with no more of them, `b` is read once in any case.
const FEW: usize = 6;

/// One part of a sum of products: for `outer` blocks of depth `k`, `a[row · a_row + i · a_step] · b[i · b_step + column]`.
#[derive(Clone, Copy, Debug)]
pub struct Part<T> {
    /// Blocks, each `a_outer` and `b_outer` floats behind the one before.
    pub outer: usize,
    pub a_outer: isize,
    pub b_outer: isize,
    /// Products in a block.
    pub k: usize,
    pub a: *const T,
    pub a_row: usize,
    pub a_step: usize,
    pub b: *const T,
    pub b_step: usize,
}

impl<T> Part<T> {
    /// A single block: `a` is `[rows, k]`, `b` is `[k, columns]`.
    pub fn block(k: usize, a: *const T, a_row: usize, a_step: usize, b: *const T, b_step: usize) -> Self {
        Part { outer: 1, a_outer: 0, b_outer: 0, k, a, a_row, a_step, b, b_step }
    }

    /// Nothing.
    pub fn none() -> Self {
        let null = std::ptr::null();
        Part { outer: 0, a_outer: 0, b_outer: 0, k: 0, a: null, a_row: 0, a_step: 0, b: null, b_step: 0 }
    }
}

/// `out[row, column] = start[row, column] + Σ parts`, for up to four registers of columns and any number of rows.
///
/// Sums run in the order of k for every element, so a result does not depend on how rows are tiled; only a single row
/// is summed in four interleaved parts, which is a function of the shape.
pub struct Product<T> {
    pub rows: usize,
    /// Columns: any number up to four registers. `b` is read in whole registers.
    pub columns: usize,
    /// What sums start from; null for 0.
    pub start: *const T,
    /// Floats from row to row of `start`; 0 where all rows start alike.
    pub start_row: usize,
    pub parts: [Part<T>; 2],
    pub out: *mut T,
    pub out_row: usize,
}

/// Through a pointer: a copy of so many words, read back in wide registers, would take as long as a small product.
impl<T: Float> Kernel<T> for &Product<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        // SAFETY: the maker of a product vouches for its operands.
        unsafe {
            match self.columns.div_ceil(V::N) {
                0 => {}
                1 => self.registers::<V, 1>(),
                2 => self.registers::<V, 2>(),
                3 => self.registers::<V, 3>(),
                _ => self.registers::<V, 4>(),
            }
        }
    }
}

impl<T: Float> Product<T> {
    /// Runs it, and where `b` is larger than the nearest cache holds, one piece of its depth after the other.
    #[inline(always)]
    pub fn in_pieces(&self) {
        let depth: usize = self.parts.iter().map(|part| part.outer * part.k).sum();
        // Only a bound: to compute more would delay the many small products.
        if self.rows <= FEW || depth * (self.columns * size_of::<T>() + LINE) <= NEAR {
            T::dispatch(self);
        } else {
            self.pieces();
        }
    }

    #[inline(never)]
    fn pieces(&self) {
        let width = self.columns.next_multiple_of(lanes::<T>()) * size_of::<T>();
        let most = (NEAR / width).max(1);
        let (mut start, mut start_row) = (self.start, self.start_row);
        for part in self.parts.iter().filter(|part| part.outer * part.k > 0) {
            let pieces = (part.outer * part.k).div_ceil(most);
            // Whole blocks at a time, or blocks that are too deep by themselves in parts.
            let (blocks, k) = match part.k <= most {
                true => (part.outer.div_ceil(pieces).min(most / part.k), part.k),
                false => (1, part.k.div_ceil(part.k.div_ceil(most))),
            };
            for block in (0..part.outer).step_by(blocks) {
                for from in (0..part.k).step_by(k) {
                    let (a, b) = (block as isize * part.a_outer, block as isize * part.b_outer);
                    let piece = Part {
                        outer: blocks.min(part.outer - block),
                        k: k.min(part.k - from),
                        a: part.a.wrapping_offset(a).wrapping_add(from * part.a_step),
                        b: part.b.wrapping_offset(b).wrapping_add(from * part.b_step),
                        ..*part
                    };
                    T::dispatch(&Product { start, start_row, parts: [piece, Part::none()], ..*self });
                    (start, start_row) = (self.out.cast_const(), self.out_row);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn registers<V: Lanes<Float = T>, const NV: usize>(&self) {
        let most = most_rows::<V>(NV);
        let mut row = 0;
        while row < self.rows {
            let size = rows_of(most, self.rows - row);
            // SAFETY: the rows are within the product's.
            unsafe {
                // Only what may come, so that the others do not carry the code.
                match size {
                    12 if most == 12 => self.tile::<V, 12, NV>(row),
                    8 if most == 8 => self.tile::<V, 8, NV>(row),
                    6 if most >= 6 => self.tile::<V, 6, NV>(row),
                    4 if most >= 4 => self.tile::<V, 4, NV>(row),
                    3 => self.tile::<V, 3, NV>(row),
                    2 => self.tile::<V, 2, NV>(row),
                    _ => self.tile::<V, 1, NV>(row),
                }
            }
            row += size;
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<Float = T>, const R: usize, const NV: usize>(&self, row: usize) {
        // SAFETY: every element below is one of the product's operands.
        unsafe {
            let last = self.columns - (NV - 1) * V::N;
            let zero = V::splat(T::default());
            let mut acc = [[zero; NV]; R];
            if !self.start.is_null() {
                for (r, acc) in acc.iter_mut().enumerate() {
                    let start = self.start.add((row + r) * self.start_row);
                    for (v, sum) in acc.iter_mut().enumerate() {
                        let from = start.add(v * V::N);
                        *sum = if v + 1 < NV { V::load(from) } else { V::load_first(from, last) };
                    }
                }
            }
            for part in &self.parts {
                let (mut a, mut b) = (part.a.wrapping_add(row * part.a_row), part.b);
                for _ in 0..part.outer {
                    dot::<V, R, NV>(&mut acc, part, a, b);
                    (a, b) = (a.wrapping_offset(part.a_outer), b.wrapping_offset(part.b_outer));
                }
            }
            for (r, acc) in acc.iter().enumerate() {
                let out = self.out.add((row + r) * self.out_row);
                for (v, sum) in acc.iter().enumerate() {
                    if v + 1 < NV || last == V::N {
                        sum.store(out.add(v * V::N));
                    } else {
                        sum.store_first(out.add(v * V::N), last);
                    }
                }
            }
        }
    }
}

/// One block of a part.
#[inline(always)]
unsafe fn dot<V: Lanes, const R: usize, const NV: usize>(
    acc: &mut [[V; NV]; R],
    part: &Part<V::Float>,
    a: *const V::Float,
    b: *const V::Float,
) {
    let (a_row, a_step, b_step) = (part.a_row, part.a_step, part.b_step);
    let (mut a, mut b, mut k) = (a, b, part.k);
    // SAFETY: the part's elements are readable.
    unsafe {
        if R == 1 {
            // One row has too few sums to hide the latency of a product: k is split four ways.
            let mut more = [[V::splat(V::Float::default()); NV]; 3];
            while k >= 4 {
                for v in 0..NV {
                    let product = |j: usize, sum: V| {
                        V::splat(*a.add(j * a_step)).mul_add(V::load(b.add(j * b_step + v * V::N)), sum)
                    };
                    acc[0][v] = product(0, acc[0][v]);
                    more[0][v] = product(1, more[0][v]);
                    more[1][v] = product(2, more[1][v]);
                    more[2][v] = product(3, more[2][v]);
                }
                a = a.wrapping_add(4 * a_step);
                b = b.wrapping_add(4 * b_step);
                k -= 4;
            }
            for v in 0..NV {
                acc[0][v] = acc[0][v].add(more[0][v]).add(more[1][v].add(more[2][v]));
            }
        }
        // Steps that are constants are a part of the addresses.
        match (a_row, a_step) {
            (_, 1) => products(acc, (a, a_row, 1), (b, b_step), k),
            (1, _) => products(acc, (a, 1, a_step), (b, b_step), k),
            _ => products(acc, (a, a_row, a_step), (b, b_step), k),
        }
    }
}

/// `acc[r, column] += Σ a[r · a_row + i · a_step] · b[i · b_step + column]` over `k` products.
///
/// # Safety
/// All of it can be read.
#[inline(always)]
pub unsafe fn products<V: Lanes, const R: usize, const NV: usize>(
    acc: &mut [[V; NV]; R],
    a: (*const V::Float, usize, usize),
    b: (*const V::Float, usize),
    k: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        // Several at a time, so that additions of pointers do not take the place of multiplications. With nearly all
        // registers in use they would be moved about instead.
        match R * NV <= 24 && V::TILE >= 6 {
            true => unrolled::<V, R, NV, 4>(acc, a, b, k),
            false => unrolled::<V, R, NV, 1>(acc, a, b, k),
        }
    }
}

/// The same, `U` products at a time.
#[inline(always)]
unsafe fn unrolled<V: Lanes, const R: usize, const NV: usize, const U: usize>(
    acc: &mut [[V; NV]; R],
    (a, a_row, a_step): (*const V::Float, usize, usize),
    (mut b, b_step): (*const V::Float, usize),
    k: usize,
) {
    // A pointer for every four rows: the processor adds small multiples of one register by itself.
    let mut of_four: [_; 4] = std::array::from_fn(|q| a.wrapping_add(4 * q * a_row));
    if R > 11 && U > 1 {
        // A compiler that knew how they hang together would keep a pointer for each row, more than there are registers for.
        of_four = black_box(of_four);
    }
    let mut left = k;
    // SAFETY: the caller's promise.
    unsafe {
        while left >= U {
            for u in 0..U {
                add_products::<V, R, NV>(acc, b.wrapping_add(u * b_step), |r| {
                    of_four[r / 4].wrapping_add(r % 4 * a_row + u * a_step)
                });
            }
            for pointer in &mut of_four {
                *pointer = pointer.wrapping_add(U * a_step);
            }
            b = b.wrapping_add(U * b_step);
            left -= U;
        }
        for _ in 0..left {
            add_products::<V, R, NV>(acc, b, |r| of_four[r / 4].wrapping_add(r % 4 * a_row));
            for pointer in &mut of_four {
                *pointer = pointer.wrapping_add(a_step);
            }
            b = b.wrapping_add(b_step);
        }
    }
}

/// Adds a row of registers from memory to every row of sums, times the float that `factor` points at for that row.
///
/// # Safety
/// All of it can be read.
#[inline(always)]
pub unsafe fn add_products<V: Lanes, const R: usize, const NV: usize>(
    sums: &mut [[V; NV]; R],
    row: *const V::Float,
    factor: impl Fn(usize) -> *const V::Float,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut w = [V::splat(V::Float::default()); NV];
        for (v, w) in w.iter_mut().enumerate() {
            *w = V::load(row.wrapping_add(v * V::N));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = V::splat(*factor(r));
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = value.mul_add(w, *sum);
            }
        }
    }
}

/// Whether so many columns beyond the last full register would leave another one mostly empty: then they are had in another
/// way.
pub fn are_few(columns: usize, lanes: usize) -> bool {
    columns > 0 && 4 * columns <= lanes
}

/// Rows of the largest tile of so many registers a row: enough sums to hide the latency of a product, in no more registers
/// than there are.
#[inline(always)]
const fn most_rows<V: Lanes>(registers: usize) -> usize {
    let most = 4 * V::TILE / registers;
    if most < 12 { most } else { 12 }
}

/// Rows of the next tile when `left` are left, for tiles of at most `most` rows: from a short list, so that few kernels
/// are compiled, and never a single one behind others.
#[inline(always)]
fn rows_of(most: usize, left: usize) -> usize {
    for size in [12, 8, 6, 4, 3, 2] {
        if size <= most.min(left) && size + 1 != left && (size != 8 || most == 8) {
            return size;
        }
    }
    1
}
