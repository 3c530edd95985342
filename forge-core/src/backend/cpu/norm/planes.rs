//! Passes over `[batch, channels, space]`, either in this order or with the channels side by side, `[batch, space,
//! channels]`, in blocks that stay in the nearest cache.

use super::slice;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, Lanes, constant, load, narrow, store, wide};
use std::ops::Range;

/// Elements of a block of one channel.
const PIECE: usize = 4096;
/// Rows of a block of all channels.
const ROWS: usize = 128;
/// Elements of a shard.
const SHARD: usize = 1 << 15;
/// Registers of channels that are worked on together.
const WIDE: usize = 4;

/// Sizes, and the order in memory.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub batch: usize,
    pub channels: usize,
    pub space: usize,
    /// Whether the channels lie side by side.
    pub last: bool,
}

impl Planes {
    /// Number of pieces that the space of one element of the batch is cut into.
    pub fn pieces(&self) -> usize {
        self.space.div_ceil(if self.last { ROWS } else { PIECE })
    }

    /// The part of the space that piece `piece` is.
    pub fn piece(&self, piece: usize) -> Range<usize> {
        let size = self.space.div_ceil(self.pieces());
        piece * size..self.space.min((piece + 1) * size)
    }

    /// Blocks: pieces of one channel, or of all.
    pub fn blocks(&self) -> usize {
        self.batch * self.pieces() * if self.last { 1 } else { self.channels }
    }

    /// Numbers that each block gives: one for each of its channels.
    pub fn per_block(&self) -> usize {
        if self.last { self.channels } else { 1 }
    }

    /// Where the number of a piece and a channel stands among those of all blocks.
    pub fn at(&self, batch: usize, piece: usize, channel: usize) -> usize {
        match self.last {
            true => (batch * self.pieces() + piece) * self.channels + channel,
            false => (batch * self.channels + channel) * self.pieces() + piece,
        }
    }

    /// Number of shards, and the blocks of shard `shard`.
    pub fn shards(&self) -> usize {
        self.blocks().div_ceil(self.shard_blocks())
    }

    /// Blocks of one shard.
    fn shard_blocks(&self) -> usize {
        (SHARD / (self.space.div_ceil(self.pieces()) * self.per_block())).max(1)
    }

    /// The blocks of shard `shard`.
    pub fn shard(&self, shard: usize) -> Range<usize> {
        let size = self.shard_blocks();
        shard * size..self.blocks().min((shard + 1) * size)
    }

    /// The elements of block `block`.
    pub fn elements(&self, block: usize) -> Range<usize> {
        let (pieces, each) = (self.pieces(), self.per_block());
        let (start, piece) = (block / pieces * self.space * each, self.piece(block % pieces));
        start + piece.start * each..start + piece.end * each
    }

    /// The elements of some blocks.
    pub fn elements_of(&self, blocks: &Range<usize>) -> Range<usize> {
        self.elements(blocks.start).start..self.elements(blocks.end - 1).end
    }

    /// The first channel of a block, and the element of the batch that it is from.
    fn place(&self, block: usize) -> [usize; 2] {
        let block = block / self.pieces();
        if self.last { [block, 0] } else { [block / self.channels, block % self.channels] }
    }
}

/// Numbers of each channel, either the same for all elements of the batch or for each its own.
#[derive(Clone, Copy)]
pub struct Factors<'a, T> {
    /// `[factors, 1 or batch, channels]`
    pub all: &'a [T],
    pub per_batch: bool,
}

impl<T: Float> Factors<'_, T> {
    /// Those of kind `kind` from the first channel of a block on.
    fn of(&self, planes: &Planes, kind: usize, block: usize) -> &[T] {
        let [batch, channel] = planes.place(block);
        let rows = if self.per_batch { planes.batch } else { 1 };
        let row = kind * rows + if self.per_batch { batch } else { 0 };
        &self.all[row * planes.channels + channel..(row + 1) * planes.channels]
    }
}

/// Register `k` of `NV`, of which the last has `last` lanes.
#[inline(always)]
unsafe fn take<V: Lanes, const NV: usize>(from: *const V::Float, k: usize, last: usize) -> V {
    // SAFETY: the caller has as many floats there.
    unsafe { if k + 1 < NV { V::load(from.add(k * V::N)) } else { load(from.add(k * V::N), last) } }
}

/// See [`take`].
#[inline(always)]
unsafe fn put<V: Lanes, const NV: usize>(value: V, to: *mut V::Float, k: usize, last: usize) {
    // SAFETY: the caller has room for as many floats there.
    unsafe { if k + 1 < NV { value.store(to.add(k * V::N)) } else { store(value, to.add(k * V::N), last) } }
}

/// Calls a function of so many registers for all channels that are left.
macro_rules! by_registers {
    ($channels:expr, $V:ident, |$first:ident, $last:ident, $NV:ident| $body:expr) => {
        for $first in (0..$channels).step_by(WIDE * $V::N) {
            let registers = ($channels - $first).div_ceil($V::N).min(WIDE);
            let $last = ($channels - $first - (registers - 1) * $V::N).min($V::N);
            match registers {
                1 => {
                    const $NV: usize = 1;
                    $body
                }
                2 => {
                    const $NV: usize = 2;
                    $body
                }
                3 => {
                    const $NV: usize = 3;
                    $body
                }
                _ => {
                    const $NV: usize = WIDE;
                    $body
                }
            }
        }
    };
}

/// Mean and variance of each channel of each block; the mean in two parts, since what rounding takes from a large one is
/// much beside the variance when blocks are put together.
pub struct Moments<'a, T> {
    pub planes: Planes,
    pub blocks: Range<usize>,
    pub x: &'a [T],
    /// The mean rounded, what is left of it, and the variance.
    pub out: [&'a mut [T]; 3],
}

impl<T: Float> Kernel<T> for Moments<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Moments { planes, blocks, x, mut out } = self;
        let each = planes.per_block();
        for (number, block) in blocks.enumerate() {
            let x = &x[planes.elements(block)];
            // SAFETY: the caller's promise; a block has `each` channels, its rows as many floats, as have the results.
            unsafe {
                if !planes.last {
                    let [mean, variance] = slice::moments::<V>(x);
                    out[0][number] = narrow(mean);
                    out[1][number] = narrow(if mean.is_finite() { mean - wide(out[0][number]) } else { 0.0 });
                    out[2][number] = narrow(variance);
                    continue;
                }
                let to = out.each_mut().map(|out| out[number * each..].as_mut_ptr());
                by_registers!(each, V, |first, last, NV| {
                    let to = to.map(|to| to.add(first));
                    moments_of_columns::<V, NV>(x.as_ptr().add(first), x.len() / each, each, last, to);
                });
            }
        }
    }
}

/// As [`slice::moments`], of `NV` registers of columns.
#[inline(always)]
unsafe fn moments_of_columns<V: Elementary, const NV: usize>(
    x: *const V::Float,
    rows: usize,
    step: usize,
    last: usize,
    [mean, left, variance]: [*mut V::Float; 3],
) {
    // SAFETY: the caller has `rows` rows there, `step` floats from one to the next.
    unsafe {
        let (zero, share) = (constant::<V>(0.0), constant::<V>(1.0 / rows as f64));
        let mut sums = [[zero; NV]; 2];
        for row in 0..rows {
            for (k, sum) in sums[row % 2].iter_mut().enumerate() {
                *sum = sum.add(take::<V, NV>(x.add(row * step), k, last));
            }
        }
        let mut near = [zero; NV];
        for k in 0..NV {
            near[k] = sums[0][k].add(sums[1][k]).mul(share);
        }
        let (mut sums, mut squares) = ([zero; NV], [zero; NV]);
        for row in 0..rows {
            for k in 0..NV {
                let d = take::<V, NV>(x.add(row * step), k, last).sub(near[k]);
                sums[k] = sums[k].add(d);
                squares[k] = d.mul_add(d, squares[k]);
            }
        }
        for k in 0..NV {
            let shift = sums[k].mul(share);
            put::<V, NV>(near[k], mean, k, last);
            // An infinite mean has no distance that is a number.
            put::<V, NV>(shift.if_ordered(shift, zero), left, k, last);
            let found = shift.neg_mul_add(shift, squares[k].mul(share));
            put::<V, NV>(zero.max(found), variance, k, last);
        }
    }
}

/// `Σ g` and `Σ g (x - mean)` of each channel of each block.
pub struct Products<'a, T> {
    pub planes: Planes,
    pub blocks: Range<usize>,
    pub x: &'a [T],
    pub g: &'a [T],
    /// The mean.
    pub mean: Factors<'a, T>,
    pub sums: &'a mut [T],
    pub products: &'a mut [T],
}

impl<T: Float> Kernel<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Products { planes, blocks, x, g, mean, sums, products } = self;
        let each = planes.per_block();
        let out = sums.chunks_exact_mut(each).zip(products.chunks_exact_mut(each));
        for (block, (sums, products)) in blocks.zip(out) {
            let (mean, range) = (mean.of(&planes, 0, block), planes.elements(block));
            let (x, g) = (&x[range.clone()], &g[range]);
            // SAFETY: as above.
            unsafe {
                if !planes.last {
                    let found = slice::products::<V>(x, g, mean[0]);
                    [sums[0], products[0]] = found.map(narrow);
                    continue;
                }
                let to = [sums.as_mut_ptr(), products.as_mut_ptr()];
                by_registers!(each, V, |first, last, NV| {
                    let from = [x.as_ptr().add(first), g.as_ptr().add(first)];
                    let (to, mean) = (to.map(|to| to.add(first)), mean.as_ptr().add(first));
                    products_of_columns::<V, NV>(from, mean, x.len() / each, each, last, to);
                });
            }
        }
    }
}

#[inline(always)]
unsafe fn products_of_columns<V: Elementary, const NV: usize>(
    [x, g]: [*const V::Float; 2],
    mean: *const V::Float,
    rows: usize,
    step: usize,
    last: usize,
    to: [*mut V::Float; 2],
) {
    // SAFETY: the caller has `rows` rows there, `step` floats from one to the next.
    unsafe {
        let zero = constant::<V>(0.0);
        let mut middle = [zero; NV];
        for (k, middle) in middle.iter_mut().enumerate() {
            *middle = take::<V, NV>(mean, k, last);
        }
        let (mut sums, mut products) = ([zero; NV], [zero; NV]);
        for row in 0..rows {
            for k in 0..NV {
                let d = take::<V, NV>(x.add(row * step), k, last).sub(middle[k]);
                let g = take::<V, NV>(g.add(row * step), k, last);
                sums[k] = sums[k].add(g);
                products[k] = g.mul_add(d, products[k]);
            }
        }
        for k in 0..NV {
            put::<V, NV>(sums[k], to[0], k, last);
            put::<V, NV>(products[k], to[1], k, last);
        }
    }
}

/// `(x - mean) · factor + addend`; with `g` in place of nothing, `g · factor + ((x - mean) · of_x + addend)`.
pub struct Apply<'a, T> {
    pub planes: Planes,
    pub blocks: Range<usize>,
    pub x: &'a [T],
    /// Gradients, or nothing.
    pub g: &'a [T],
    /// Mean, factor, addend, and of gradients the factor of x.
    pub factors: Factors<'a, T>,
    /// Room for the elements of the blocks.
    pub out: &'a mut [T],
}

impl<T: Float> Kernel<T> for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        // SAFETY: the caller's promise.
        unsafe { if self.g.is_empty() { self.each::<V, 3>() } else { self.each::<V, 4>() } }
    }
}

impl<T: Float> Apply<'_, T> {
    #[inline(always)]
    unsafe fn each<V: Elementary<Float = T>, const F: usize>(self) {
        let Apply { planes, blocks, x, g, factors, out } = self;
        let (each, mut rest) = (planes.per_block(), out);
        for block in blocks {
            let range = planes.elements(block);
            let (out, others) = rest.split_at_mut(range.len());
            rest = others;
            let x = &x[range.clone()];
            let g = if F == 4 { &g[range] } else { x };
            let mut of = [&[][..]; F];
            for (kind, of) in of.iter_mut().enumerate() {
                *of = factors.of(&planes, kind, block);
            }
            // SAFETY: as above; `out` is as long as `x`.
            unsafe {
                if !planes.last {
                    let of = of.map(|of| V::splat(of[0]));
                    for at in (0..x.len()).step_by(V::N) {
                        let n = x.len() - at;
                        let (x, g) = (load(x.as_ptr().add(at), n), load(g.as_ptr().add(at), n));
                        store(value::<V, F>(x, g, of), out.as_mut_ptr().add(at), n);
                    }
                    continue;
                }
                by_registers!(each, V, |first, last, NV| {
                    let mut registers = [[V::splat(T::zero()); F]; NV];
                    for (k, registers) in registers.iter_mut().enumerate() {
                        for (register, of) in registers.iter_mut().zip(of) {
                            *register = take::<V, NV>(of.as_ptr().add(first), k, last);
                        }
                    }
                    for row in (first..x.len()).step_by(each) {
                        let (x, g) = (x.as_ptr().add(row), g.as_ptr().add(row));
                        for (k, of) in registers.into_iter().enumerate() {
                            let (x, g) = (take::<V, NV>(x, k, last), take::<V, NV>(g, k, last));
                            put::<V, NV>(value::<V, F>(x, g, of), out.as_mut_ptr().add(row), k, last);
                        }
                    }
                });
            }
        }
    }
}

#[inline(always)]
fn value<V: Elementary, const F: usize>(x: V, g: V, of: [V; F]) -> V {
    let d = x.sub(of[0]);
    if F == 4 { g.mul_add(of[1], d.mul_add(of[F - 1], of[2])) } else { d.mul_add(of[1], of[2]) }
}
