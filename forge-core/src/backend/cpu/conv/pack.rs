//! Weights in the order in which products read them.

use super::geometry::Geometry;
use crate::backend::cpu::simd::Float;

/// `[group][block of out channels][kernel rows][kernel columns][in channels][width]`, from `[out channels, in channels,
/// kernel…]`; columns beyond the last are 0.
pub fn forward<T: Float>(g: &Geometry, weight: &[T], out: &mut [T]) {
    each(g, |group, block, tap, input, output, at| {
        let row = (group * g.channels[1] + output) * g.channels[0] + input;
        out[at] = match block {
            true => weight[row * g.taps() + tap],
            false => T::default(),
        };
    });
}

/// The gradient's `[out channels, in channels, kernel…]` from the packed order.
pub fn unpack<T: Float>(g: &Geometry, packed: &[T], weight: &mut [T]) {
    each(g, |group, real, tap, input, output, at| {
        if real {
            let row = (group * g.channels[1] + output) * g.channels[0] + input;
            weight[row * g.taps() + tap] = packed[at];
        }
    });
}

/// Calls `each(group, whether the column is real, element of the kernel, in channel, out channel, index)`.
fn each(g: &Geometry, mut each: impl FnMut(usize, bool, usize, usize, usize, usize)) {
    let mut at = 0;
    for group in 0..g.groups {
        for block in g.blocks(g.channels[1]) {
            for tap in 0..g.taps() {
                for input in 0..g.channels[0] {
                    for column in 0..block.width {
                        each(group, column < block.count, tap, input, block.first + column, at);
                        at += 1;
                    }
                }
            }
        }
    }
}

/// For the gradient of x: `[group][block of in channels][kernel rows][kernel columns][out channels][width]`, rows and
/// columns of the kernel from the last to the first.
pub fn backward<T: Float>(g: &Geometry, weight: &[T], out: &mut [T]) {
    let taps = g.taps();
    let mut at = 0;
    for group in 0..g.groups {
        for block in g.blocks(g.channels[0]) {
            for tap in (0..taps).rev() {
                for output in 0..g.channels[1] {
                    let row = (group * g.channels[1] + output) * g.channels[0] + block.first;
                    for column in 0..block.width {
                        out[at] = match column < block.count {
                            true => weight[(row + column) * taps + tap],
                            false => T::default(),
                        };
                        at += 1;
                    }
                }
            }
        }
    }
}
