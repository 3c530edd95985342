//! From images to places: each row of places as one sweep for each block of channels.

use super::fold;
use super::geometry::{Block, Geometry};
use super::tile::Pixels;
use crate::backend::cpu::pool::{Forward, Spans};
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use std::ops::Range;

/// One image and the weights, as [`sweeps`] takes them.
#[derive(Clone, Copy)]
pub struct Operands<T> {
    /// [`Geometry::padded_image`] floats.
    pub padded: *const T,
    /// What [`super::pack::forward`] made.
    pub weights: *const T,
    /// The biases of all channels at a place, or null.
    pub bias: *const T,
    /// Room for [`Geometry::folded`] floats of a row of places.
    pub folded: *mut T,
}

/// One block of channels at the places.
#[derive(Clone, Copy)]
struct Sweep<'a, T> {
    g: &'a Geometry,
    block: Block,
    /// The first channel among those of all groups.
    channel: usize,
    /// Those of this block, with the image from the group's first channel on.
    of: Operands<T>,
}

/// All blocks of all groups.
fn sweeps<T: Float>(g: &Geometry, all: Operands<T>) -> impl Iterator<Item = Sweep<'_, T>> + Clone {
    let [inputs, outputs] = g.channels;
    let folds = g.forward_folds();
    let weights = g.packed(inputs, outputs, folds) / g.groups;
    (0..g.groups).flat_map(move |group| {
        g.blocks(outputs, folds).map(move |block| {
            let channel = group * outputs + block.first;
            // The blocks before this one are full.
            let before = group * weights + g.taps() * inputs * block.first;
            let of = Operands {
                padded: all.padded.wrapping_add(group * inputs),
                weights: all.weights.wrapping_add(before),
                bias: if all.bias.is_null() { all.bias } else { all.bias.wrapping_add(channel) },
                ..all
            };
            Sweep { g, block, channel, of }
        })
    })
}

impl<T: Float> Sweep<'_, T> {
    /// Row `y` of places, `out_row` floats from place to place.
    ///
    /// # Safety
    /// The operands are those of the geometry; `out` has room for the row.
    unsafe fn row(&self, y: usize, out: *mut T, out_row: usize) {
        let Geometry { channels: [inputs, _], window, places, .. } = *self.g;
        let pixel = self.g.inputs();
        let padded_row = self.g.padded[1] * pixel;
        let folds = self.block.folds;
        let [inner, k] = self.g.stretches(inputs, folds);
        let pixels = Pixels {
            count: places[1],
            columns: self.block.count,
            start: self.of.bias,
            start_row: 0,
            outer: window.kernel[0],
            x_outer: window.dilation[0] * padded_row,
            weight_outer: window.kernel[1] / folds * inputs * self.block.width,
            inner,
            x_inner: window.dilation[1] * pixel,
            k,
            x: self.of.padded.wrapping_add(y * window.stride[0] * padded_row),
            x_row: window.stride[1] * pixel,
            weight: self.of.weights,
            out,
            out_row,
        };
        // SAFETY: the caller's promise.
        unsafe { fold::sweep(&pixels, &self.block, window.dilation[1], self.of.folded) };
    }
}

/// What one image gives at the places of the kernel.
///
/// # Safety
/// The operands are as they say, and `out` points at [`Geometry::result`] floats.
pub unsafe fn gather<T: Float>(g: &Geometry, all: Operands<T>, out: *mut T) {
    for sweep in sweeps(g, all) {
        for y in 0..g.places[0] {
            // SAFETY: the caller's promise, for a row of this block's channels.
            unsafe {
                sweep.row(y, out.wrapping_add(y * g.places[1] * g.outputs() + sweep.channel), g.outputs())
            };
        }
    }
}

/// The largest of each part of what [`gather`] gives, whose rows are made shortly before they are looked at.
pub struct Maxima<'a, T> {
    pub g: &'a Geometry,
    pub spans: &'a Spans,
    /// Room for [`room`] floats.
    pub rows: &'a mut [T],
    /// `[rows, columns, channels]`
    pub y: &'a mut [T],
    /// Positions in the parts, of the size of `y`, or nothing.
    pub at: &'a mut [T],
}

/// Floats of the rows of places that a row of parts covers.
pub fn room(g: &Geometry, spans: &Spans) -> usize {
    let rows = (0..spans.counts()[0]).map(|r| spans.rows(r).len()).max().unwrap_or(0);
    rows * g.places[1] * g.outputs()
}

impl<T: Float> Maxima<'_, T> {
    /// # Safety
    /// The operands are as they say.
    pub unsafe fn take(mut self, all: Operands<T>) {
        let (g, sweeps) = (self.g, sweeps(self.g, all));
        // SAFETY: the caller's promise.
        unsafe {
            if g.groups > 1 {
                // The channels of one group may fill no register.
                return self.of(sweeps, 0, g.outputs());
            }
            // The weights of one block stay in a near cache.
            for sweep in sweeps {
                self.of(std::iter::once(sweep), sweep.channel, sweep.block.count);
            }
        }
    }

    /// Some channels, which the sweeps give.
    ///
    /// # Safety
    /// The sweeps' operands are those of the geometry, and the channels theirs.
    unsafe fn of<'s>(
        &mut self,
        sweeps: impl Iterator<Item = Sweep<'s, T>> + Clone,
        channel: usize,
        channels: usize,
    ) where
        T: 's,
    {
        let (g, row) = (self.g, self.g.places[1] * channels);
        let mut made: Range<usize> = 0..0;
        for r in 0..self.spans.counts()[0] {
            let wanted = self.spans.rows(r);
            let mut next = wanted.start;
            // What the part before has made already goes to the front. With padding and a dilation, a part may begin
            // before the one before it does.
            if next >= made.start && next < made.end {
                self.rows.copy_within((next - made.start) * row..(made.end - made.start) * row, 0);
                next = made.end;
            }
            for y in next..wanted.end {
                let to = &mut self.rows[(y - wanted.start) * row..][..row];
                for sweep in sweeps.clone() {
                    let to = to.as_mut_ptr().wrapping_add(sweep.channel - channel);
                    // SAFETY: the row has room for all these channels.
                    unsafe { sweep.row(y, to, channels) };
                }
            }
            T::dispatch(Forward {
                spans: self.spans,
                parts: r..r + 1,
                channels: channel..channel + channels,
                pixel: g.outputs(),
                x: &*self.rows,
                x_from: wanted.start,
                x_pixel: channels,
                y: &mut *self.y,
                at: &mut *self.at,
            });
            made = wanted;
        }
    }
}

/// max(x, 0) in place; NaN stays.
pub struct Relu<'a, T>(pub &'a mut [T]);

impl<T: Float> Kernel<T> for Relu<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        for chunk in self.0.chunks_mut(V::N) {
            // SAFETY: the chunk holds as many floats as are named.
            unsafe {
                let (zero, x) = (V::splat(T::default()), V::load_first(chunk.as_ptr(), chunk.len()));
                zero.if_greater(x, zero, x).store_first(chunk.as_mut_ptr(), chunk.len());
            }
        }
    }
}
