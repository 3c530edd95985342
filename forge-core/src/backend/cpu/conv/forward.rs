//! From images to places: each row of places as one sweep for each block of channels.

use super::geometry::Geometry;
use super::tile::Pixels;
use crate::backend::cpu::simd::{Elementary, Float, Kernel};

/// What one image gives at the places of the kernel.
///
/// # Safety
/// `padded` points at [`Geometry::padded_image`] floats, `weights` at what [`super::pack::forward`] made, `bias` at the
/// biases of all channels at a place or nowhere, `out` at [`Geometry::result`] floats.
pub unsafe fn gather<T: Float>(
    g: &Geometry,
    padded: *const T,
    weights: *const T,
    bias: *const T,
    out: *mut T,
) {
    let Geometry { groups, channels: [inputs, outputs], window, places, .. } = *g;
    let pixel = g.inputs();
    let padded_row = g.padded[1] * pixel;
    let [inner, k] = g.stretches(inputs);
    let mut weights = weights;
    for group in 0..groups {
        for block in g.blocks(outputs) {
            let channel = group * outputs + block.first;
            for y in 0..places[0] {
                T::dispatch(Pixels {
                    count: places[1],
                    columns: block.count,
                    start: if bias.is_null() { bias } else { bias.wrapping_add(channel) },
                    start_row: 0,
                    outer: window.kernel[0],
                    x_outer: window.dilation[0] * padded_row,
                    weight_outer: window.kernel[1] * inputs * block.width,
                    inner,
                    x_inner: window.dilation[1] * pixel,
                    k,
                    x: padded.wrapping_add(y * window.stride[0] * padded_row + group * inputs),
                    x_row: window.stride[1] * pixel,
                    weight: weights,
                    out: out.wrapping_add(y * places[1] * g.outputs() + channel),
                    out_row: g.outputs(),
                });
            }
            weights = weights.wrapping_add(g.taps() * inputs * block.width);
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
