//! Forward: each row of places as one product for each block of out channels.

use super::geometry::Geometry;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use crate::backend::cpu::tile::{Part, Product};

/// One image's result from its padded channels-last pixels.
///
/// # Safety
/// `padded` points at [`Geometry::padded_image`] floats, `weights` at what [`super::pack::forward`] made, `bias` at the
/// biases of all out channels or nowhere, `out` at [`Geometry::result`] floats.
pub unsafe fn image<T: Float>(
    g: &Geometry,
    padded: *const T,
    weights: *const T,
    bias: *const T,
    out: *mut T,
) {
    let Geometry { groups, channels: [inputs, outputs], window, places, .. } = *g;
    let [rows, columns] = window.kernel;
    let pixel = g.inputs();
    let padded_row = g.padded[1] * pixel;
    // A row of the kernel is one stretch of floats, or each of its elements is.
    let (steps, depth) = if g.rows_are_whole() { (1, columns * inputs) } else { (columns, inputs) };
    for y in 0..places[0] {
        let mut weights = weights;
        for group in 0..groups {
            for block in g.blocks(outputs) {
                let channel = group * outputs + block.first;
                let to = out.wrapping_add(y * places[1] * g.outputs() + channel);
                for step in 0..steps {
                    let from = y * window.stride[0] * padded_row
                        + step * window.dilation[1] * pixel
                        + group * inputs;
                    let part = Part {
                        outer: rows,
                        a_outer: (window.dilation[0] * padded_row) as isize,
                        b_outer: (columns * inputs * block.width) as isize,
                        k: depth,
                        a: padded.wrapping_add(from),
                        a_row: window.stride[1] * pixel,
                        a_step: 1,
                        b: weights.wrapping_add(step * inputs * block.width),
                        b_step: block.width,
                    };
                    let (start, start_row) = match (step, bias.is_null()) {
                        (0, true) => (std::ptr::null(), 0),
                        (0, false) => (bias.wrapping_add(channel), 0),
                        _ => (to.cast_const(), g.outputs()),
                    };
                    T::dispatch(Product {
                        rows: places[1],
                        columns: block.count,
                        start,
                        start_row,
                        parts: [part, Part::none()],
                        out: to,
                        out_row: g.outputs(),
                    });
                }
                weights = weights.wrapping_add(g.taps() * inputs * block.width);
            }
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
