//! Backward: the gradients of the image and of the weights.

use super::geometry::Geometry;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use crate::backend::cpu::tile::{Part, Product};

/// Margins at the left and right of each row of the result's gradient, so that a row of the flipped kernel may begin and
/// end outside.
pub fn margins(g: &Geometry) -> [usize; 2] {
    if !slides(g) {
        return [0, 0];
    }
    let left = g.window.padding[1][0];
    [(g.window.kernel[1] - 1).saturating_sub(left), (g.image[1] + left).saturating_sub(g.places[1])]
}

/// Whether the flipped kernel slides over whole rows of the result's gradient.
fn slides(g: &Geometry) -> bool {
    g.window.stride == [1, 1] && g.rows_are_whole()
}

/// One image's gradient of x.
///
/// # Safety
/// `grad` points at `[places + margins, out channels]` rows of the result's gradient, with zeros in the margins;
/// `weights` at what [`super::pack::backward`] made; `out` at the floats of one image, not padded.
pub unsafe fn image<T: Float>(g: &Geometry, grad: *const T, weights: *const T, out: *mut T) {
    let Geometry { groups, channels: [inputs, outputs], window, places, .. } = *g;
    let (pixel, margins) = (g.inputs(), margins(g));
    let grad_row = (margins[0] + places[1] + margins[1]) * g.outputs();
    let [kernel_rows, kernel_columns] = window.kernel;
    for y in 0..g.image[0] {
        // The kernel's rows that see this row of the image, and the row of places from which each does.
        let seen_by = |row: usize| -> Option<usize> {
            let from = (y + window.padding[0][0]).checked_sub(row * window.dilation[0])?;
            let place = from / window.stride[0];
            (from % window.stride[0] == 0 && place < places[0]).then_some(place)
        };
        let mut weights = weights;
        for group in 0..groups {
            for block in g.blocks(inputs) {
                let to = out.wrapping_add(y * g.image[1] * pixel + group * inputs + block.first);
                let tap = outputs * block.width;
                // Packed weights run from the last element of the kernel to the first.
                let weight = |row: usize, column: usize| {
                    let flipped = (kernel_rows - 1 - row) * kernel_columns + kernel_columns - 1 - column;
                    weights.wrapping_add(flipped * tap)
                };
                let product =
                    |rows: usize, start: bool, part: Part<T>, out: *mut T, out_row: usize| Product {
                        rows,
                        columns: block.count,
                        start: if start { out.cast_const() } else { std::ptr::null() },
                        start_row: out_row,
                        parts: [part, Part::none()],
                        out,
                        out_row,
                    };
                if slides(g) {
                    // From the last row of the kernel that sees the image's row to the first, places go down.
                    let seeing = (0..kernel_rows).rev().filter_map(|row| Some((row, seen_by(row)?)));
                    let (mut first, mut outer) = (None, 0);
                    for (row, place) in seeing {
                        first.get_or_insert((row, place));
                        outer += 1;
                    }
                    let (row, place) = first.unwrap_or((0, 0));
                    let start = (margins[0] + window.padding[1][0] + 1 - kernel_columns) * g.outputs();
                    let part = Part {
                        outer,
                        a_outer: (window.dilation[0] * grad_row) as isize,
                        b_outer: (kernel_columns * tap) as isize,
                        k: kernel_columns * outputs,
                        a: grad.wrapping_add(place * grad_row + start),
                        a_row: g.outputs(),
                        a_step: 1,
                        b: weight(row, kernel_columns - 1),
                        b_step: block.width,
                    };
                    T::dispatch(product(g.image[1], false, part, to, pixel));
                } else {
                    T::dispatch(product(g.image[1], false, Part::none(), to, pixel));
                    for row in 0..kernel_rows {
                        let Some(place) = seen_by(row) else { continue };
                        for column in 0..kernel_columns {
                            if let Some(stretch) = stretches(g, column) {
                                let Stretch { first, count, place: x } = stretch;
                                let a = place * grad_row + x * g.outputs() + group * outputs;
                                let part = Part::block(
                                    outputs,
                                    grad.wrapping_add(a),
                                    g.outputs(),
                                    1,
                                    weight(row, column),
                                    block.width,
                                );
                                let to = to.wrapping_add(first * pixel);
                                T::dispatch(product(count, true, part, to, window.stride[1] * pixel));
                            }
                        }
                    }
                }
                weights = weights.wrapping_add(g.taps() * tap);
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

/// Adds one image's share of the packed weight gradients of the kernel's row `row`, for one group and block; overwrites
/// them where `first`.
///
/// # Safety
/// `padded` points at a padded image, `grad` at its result's gradient with margins, `out` at all packed gradients.
pub unsafe fn weights<T: Float>(
    g: &Geometry,
    (padded, grad): (*const T, *const T),
    row: usize,
    first: bool,
    out: *mut T,
) {
    let Geometry { channels: [inputs, outputs], window, places, .. } = *g;
    let (pixel, columns) = (g.inputs(), window.kernel[1]);
    let margins = margins(g);
    let grad_row = (margins[0] + places[1] + margins[1]) * g.outputs();
    let (steps, depth) = if g.rows_are_whole() { (1, columns * inputs) } else { (columns, inputs) };
    let mut out = out;
    for group in 0..g.groups {
        for block in g.blocks(outputs) {
            for step in 0..steps {
                let from = row * window.dilation[0] * g.padded[1] * pixel
                    + step * window.dilation[1] * pixel
                    + group * inputs;
                let part = Part {
                    outer: places[0],
                    a_outer: (window.stride[0] * g.padded[1] * pixel) as isize,
                    b_outer: grad_row as isize,
                    k: places[1],
                    a: padded.wrapping_add(from),
                    a_row: 1,
                    a_step: window.stride[1] * pixel,
                    b: grad.wrapping_add(margins[0] * g.outputs() + group * outputs + block.first),
                    b_step: g.outputs(),
                };
                let to = out.wrapping_add((row * columns + step) * inputs * block.width);
                T::dispatch(Product {
                    rows: depth,
                    columns: block.width,
                    start: if first { std::ptr::null() } else { to.cast_const() },
                    start_row: block.width,
                    parts: [part, Part::none()],
                    out: to,
                    out_row: block.width,
                });
            }
            out = out.wrapping_add(g.taps() * inputs * block.width);
        }
    }
}

/// Keeps the gradient where the result is positive, and sums it over the pixels of a row.
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
        for (p, pixel) in self.grad.chunks_exact_mut(channels).enumerate() {
            let result = self.result.map(|r| &r[p * channels..(p + 1) * channels]);
            for (i, grad) in pixel.chunks_mut(V::N).enumerate() {
                let (at, n) = (i * V::N, grad.len());
                // SAFETY: each pointer is to n floats of its slice, which has `channels`.
                unsafe {
                    let mut d = V::load_first(grad.as_ptr(), n);
                    if let Some(result) = result {
                        let zero = V::splat(T::default());
                        let y = V::load_first(result[at..at + n].as_ptr(), n);
                        // Where the result is 0 nothing passes, and NaN does, as in the relu's own derivative.
                        d = y.if_greater(zero, d, y.mul(d));
                        d.store_first(grad.as_mut_ptr(), n);
                    }
                    let sums = &mut self.sums[at..at + n];
                    V::load_first(sums.as_ptr(), n).add(d).store_first(sums.as_mut_ptr(), n);
                }
            }
        }
    }
}
