//! From places back to images: the gradient of an image, or a transposed convolution, and the gradient of the weights.

use super::fold;
use super::geometry::{Block, Geometry};
use super::tile::{Correlation, Pixels};
use crate::backend::cpu::simd::{Elementary, Float, Kernel, load, store};

/// The places of some images and the weights.
#[derive(Clone, Copy)]
pub struct Operands<T> {
    /// [`Geometry::place_image`] floats each, with zeros in the margins.
    pub grad: *const T,
    /// What [`super::pack::backward`] made.
    pub weights: *const T,
    /// A float for each channel of the image, or null.
    pub bias: *const T,
    /// Room for [`Geometry::folded`] floats of a row of the image.
    pub folded: *mut T,
}

/// What the places of some images give to their pixels.
///
/// # Safety
/// The operands are as they say, of as many images; `out` points at the floats of those, not padded.
pub unsafe fn spread<T: Float>(g: &Geometry, images: usize, all: Operands<T>, out: *mut T) {
    for n in 0..images {
        let of = Operands { grad: all.grad.wrapping_add(n * g.place_image()), ..all };
        // SAFETY: the caller's promise.
        unsafe { spread_one(g, of, out.wrapping_add(n * g.plain_image())) };
    }
}

unsafe fn spread_one<T: Float>(g: &Geometry, all: Operands<T>, out: *mut T) {
    let inputs = g.channels[0];
    let mut weights = all.weights;
    for group in 0..g.groups {
        for block in g.blocks(inputs, g.backward_folds()) {
            let channel = group * inputs + block.first;
            let bias = if all.bias.is_null() { all.bias } else { all.bias.wrapping_add(channel) };
            let of = Operands { grad: all.grad.wrapping_add(group * g.channels[1]), weights, bias, ..all };
            let rows = Rows { g, of, tap: g.channels[1] * block.width, block };
            for y in 0..g.image[0] {
                let to = out.wrapping_add(y * g.image[1] * g.inputs() + channel);
                // SAFETY: the caller's promise, for the channels of this block.
                unsafe { if g.slides_back() { rows.slide(y, to) } else { rows.step(y, to) } }
            }
            weights = weights.wrapping_add(g.taps() / block.folds * rows.tap);
        }
    }
}

/// Rows of an image, for one block of its channels.
struct Rows<'a, T> {
    g: &'a Geometry,
    /// From the first place's channels of the group on. Packed weights run from the last element of the kernel to the
    /// first.
    of: Operands<T>,
    /// Floats of weights of one element, or of one row of elements that are folded.
    tap: usize,
    block: Block,
}

impl<T: Float> Rows<'_, T> {
    /// The row of places from which row `row` of the kernel sees row `y` of the image.
    fn seen_from(&self, y: usize, row: usize) -> Option<usize> {
        let (window, places) = (&self.g.window, self.g.places[0]);
        let from = (y + window.padding[0][0]).checked_sub(row * window.dilation[0])?;
        let place = from / window.stride[0];
        (from % window.stride[0] == 0 && place < places).then_some(place)
    }

    /// The weights of one element of the kernel.
    fn weight(&self, row: usize, column: usize) -> *const T {
        let [rows, columns] = self.g.window.kernel;
        let before = ((rows - 1 - row) * columns + columns - 1 - column) / self.block.folds;
        self.of.weights.wrapping_add(before * self.tap)
    }

    /// Row `y`, all of the kernel in one sweep.
    unsafe fn slide(&self, y: usize, out: *mut T) {
        let (g, window) = (self.g, &self.g.window);
        let [kernel_rows, kernel_columns] = window.kernel;
        // From the last row of the kernel that sees the image's row to the first, places go down.
        let (mut first, mut outer) = (None, 0);
        for (row, place) in (0..kernel_rows).rev().filter_map(|row| Some((row, self.seen_from(y, row)?))) {
            first.get_or_insert((row, place));
            outer += 1;
        }
        let (row, place) = first.unwrap_or((0, 0));
        let reach = window.dilation[1] * (kernel_columns - 1);
        let start = (g.margins()[0] + window.padding[1][0] - reach) * g.outputs();
        let folds = self.block.folds;
        let [inner, k] = g.stretches(g.channels[1], folds);
        let pixels = Pixels {
            count: g.image[1],
            columns: self.block.count,
            start: self.of.bias,
            start_row: 0,
            outer,
            x_outer: window.dilation[0] * g.place_row(),
            weight_outer: kernel_columns / folds * self.tap,
            inner,
            x_inner: window.dilation[1] * g.outputs(),
            k,
            x: self.of.grad.wrapping_add(place * g.place_row() + start),
            x_row: g.outputs(),
            weight: self.weight(row, kernel_columns - 1),
            out,
            out_row: g.inputs(),
        };
        // SAFETY: the caller's promise.
        unsafe { fold::sweep(&pixels, &self.block, window.dilation[1], self.of.folded) };
    }

    /// Row `y`, one element of the kernel after the other.
    unsafe fn step(&self, y: usize, out: *mut T) {
        let (g, window) = (self.g, &self.g.window);
        let pixels = |count: usize, start: *const T, start_row: usize, out: *mut T| Pixels {
            count,
            columns: self.block.count,
            start,
            start_row,
            outer: 0,
            x_outer: 0,
            weight_outer: 0,
            inner: 1,
            x_inner: 0,
            k: g.channels[1],
            x: self.of.grad,
            x_row: g.outputs(),
            weight: self.of.weights,
            out,
            out_row: window.stride[1] * g.inputs(),
        };
        T::dispatch(&Pixels { out_row: g.inputs(), ..pixels(g.image[1], self.of.bias, 0, out) });
        for row in 0..window.kernel[0] {
            let Some(place) = self.seen_from(y, row) else { continue };
            for column in 0..window.kernel[1] {
                if let Some(Stretch { first, count, place: x }) = stretches(g, column) {
                    let to = out.wrapping_add(first * g.inputs());
                    T::dispatch(&Pixels {
                        outer: 1,
                        x: self.of.grad.wrapping_add(place * g.place_row() + x * g.outputs()),
                        weight: self.weight(row, column),
                        ..pixels(count, to.cast_const(), window.stride[1] * g.inputs(), to)
                    });
                }
            }
        }
    }
}

/// Columns of the image, a stride apart, that one column of the kernel sees from neighbouring places.
struct Stretch {
    /// The first column.
    first: usize,
    count: usize,
    /// The place from which the first is seen.
    place: usize,
}

/// All that the kernel's column sees: at most one stretch, since places are a stride apart.
fn stretches(g: &Geometry, column: usize) -> Option<Stretch> {
    let (stride, padding) = (g.window.stride[1], g.window.padding[1][0]);
    let shift = column * g.window.dilation[1];
    // Place p sees column p · stride + shift - padding.
    let place = padding.saturating_sub(shift).div_ceil(stride);
    let first = (place * stride + shift).checked_sub(padding)?;
    if place >= g.places[1] || first >= g.image[1] {
        return None;
    }
    let count = (g.places[1] - place).min((g.image[1] - first).div_ceil(stride));
    Some(Stretch { first, count, place })
}

/// The packed weight gradients of some images, added to `out` or not.
///
/// # Safety
/// `padded` points at as many padded images, `grad` at as many gradients of places with margins and, behind them, at as
/// many floats as two registers have; `out` at all packed gradients.
pub unsafe fn correlate<T: Float>(
    g: &Geometry,
    images: usize,
    (padded, grad): (*const T, *const T),
    add: bool,
    out: *mut T,
) {
    let Geometry { channels: [inputs, outputs], window, places, .. } = *g;
    let pixel = g.inputs();
    let padded_row = g.padded[1] * pixel;
    let [steps, depth] = g.stretches(inputs, 1);
    // Sweeps for each block, and how many floats of weights each gives.
    let banded = steps == 1 && Correlation::<T>::takes_bands(g.lanes, window.kernel[0], depth);
    let (sweeps, rows) = if banded { (1, 3 * depth) } else { (window.kernel[0], depth) };
    let mut out = out;
    for group in 0..g.groups {
        for block in g.gradient_blocks() {
            for row in 0..sweeps {
                for step in 0..steps {
                    let from = row * window.dilation[0] * padded_row
                        + step * window.dilation[1] * pixel
                        + group * inputs;
                    let channel = group * outputs + block.first;
                    T::dispatch(Correlation {
                        rows,
                        band: banded.then_some(window.dilation[0] * padded_row),
                        columns: block.count,
                        add,
                        counts: [images, places[0], places[1]],
                        x: padded.wrapping_add(from),
                        x_steps: [g.padded_image(), window.stride[0] * padded_row, window.stride[1] * pixel],
                        grad: grad.wrapping_add(g.margins()[0] * g.outputs() + channel),
                        grad_steps: [g.place_image(), g.place_row(), g.outputs()],
                        out,
                    });
                    out = out.wrapping_add(rows * block.width);
                }
            }
        }
    }
}

/// Keeps the gradient where the result is positive, and sums it over its pixels.
pub struct Gradient<'a, T> {
    /// `[pixels, channels]`
    pub grad: &'a mut [T],
    /// The result of a relu, of the same size, or nothing.
    pub result: Option<&'a [T]>,
    /// `[channels]`
    pub sums: &'a mut [T],
}

impl<T: Float> Kernel<T> for Gradient<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let channels = self.sums.len();
        let Gradient { grad, result, sums } = self;
        for (i, sums) in sums.chunks_mut(V::N).enumerate() {
            let (first, n) = (i * V::N, sums.len());
            // SAFETY: each pointer is to n floats of its slice: of a pixel's channels, or of the sums.
            unsafe {
                let zero = V::splat(T::default());
                let mut sum = load::<V>(sums.as_ptr(), n);
                for at in (first..grad.len()).step_by(channels) {
                    let to = &mut grad[at..at + n];
                    let mut d = load::<V>(to.as_ptr(), n);
                    if let Some(result) = result {
                        let y = load::<V>(result[at..at + n].as_ptr(), n);
                        // Where the result is 0 nothing passes, and NaN does, as in the relu's own derivative.
                        d = y.if_greater(zero, d, y.mul(d));
                        store(d, to.as_mut_ptr(), n);
                    }
                    sum = sum.add(d);
                }
                store(sum, sums.as_mut_ptr(), n);
            }
        }
    }
}
