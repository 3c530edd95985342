//! Weights in the order in which products read them.

use super::geometry::{Block, Geometry};
use crate::backend::cpu::simd::Float;

/// `[group][block of out channels][kernel rows][kernel columns][in channels][width]`, from `[out channels, in channels,
/// kernel…]`; columns beyond the last are 0. Folded columns of the kernel are a part of the width.
pub fn forward<T: Float>(g: &Geometry, weight: &[T], out: &mut [T]) {
    each(g, g.blocks(g.channels[1], g.forward_folds()), |group, real, tap, input, output, at| {
        let row = (group * g.channels[1] + output) * g.channels[0] + input;
        out[at] = if real { weight[row * g.taps() + tap] } else { T::default() };
    });
}

/// The gradient's `[out channels, in channels, kernel…]` from the packed order, in which nothing is folded.
pub fn unpack<T: Float>(g: &Geometry, packed: &[T], weight: &mut [T]) {
    each(g, g.gradient_blocks(), |group, real, tap, input, output, at| {
        if real {
            let row = (group * g.channels[1] + output) * g.channels[0] + input;
            weight[row * g.taps() + tap] = packed[at];
        }
    });
}

/// Calls `each(group, whether the column is real, element of the kernel, in channel, out channel, index)`.
fn each(
    g: &Geometry,
    blocks: impl Iterator<Item = Block> + Clone,
    mut each: impl FnMut(usize, bool, usize, usize, usize, usize),
) {
    let mut at = 0;
    for group in 0..g.groups {
        for block in blocks.clone() {
            for tap in (0..g.taps()).step_by(block.folds) {
                for input in 0..g.channels[0] {
                    floats(&block).for_each(|(fold, column)| {
                        each(group, fold < block.folds, tap + fold, input, block.first + column, at);
                        at += 1;
                    });
                }
            }
        }
    }
}

/// For each float of a block's registers: which column of the kernel, beyond the last for those that are 0, and which
/// channel of the block.
fn floats(block: &Block) -> impl Iterator<Item = (usize, usize)> + use<> {
    let Block { count, width, .. } = *block;
    (0..width.div_ceil(count))
        .flat_map(move |fold| (0..count.min(width - fold * count)).map(move |c| (fold, c)))
}

/// For the gradient of x: `[group][block of in channels][kernel rows][kernel columns][out channels][width]`, rows and
/// columns of the kernel from the last to the first. Folded columns of the kernel are a part of the width.
pub fn backward<T: Float>(g: &Geometry, weight: &[T], out: &mut [T]) {
    let taps = g.taps();
    let mut at = 0;
    for group in 0..g.groups {
        for block in g.blocks(g.channels[0], g.backward_folds()) {
            for tap in (0..taps).rev().step_by(block.folds) {
                for output in 0..g.channels[1] {
                    let row = (group * g.channels[1] + output) * g.channels[0] + block.first;
                    floats(&block).for_each(|(fold, column)| {
                        out[at] = match fold < block.folds {
                            true => weight[(row + column) * taps + tap - fold],
                            false => T::default(),
                        };
                        at += 1;
                    });
                }
            }
        }
    }
}
