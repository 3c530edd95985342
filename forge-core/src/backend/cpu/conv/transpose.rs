//! The transposed convolution: from places to images, and its gradients the other way.

use super::forward::Operands;
use super::geometry::Geometry;
use super::weight_gradient;
use super::{Arriving, CpuConv, Gradients, SLACK, backward, bias_gradient, bias_of, forward, is_relu, pack};
use crate::backend::ConvArgs;
use crate::backend::cpu::channels_last::{Image, build};
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, lanes};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::{Result, Tensor};

/// Image `n` of what stands at places, with margins.
fn places<T: Float>(g: &Geometry, x: &Image<T>, n: usize, out: &mut [T]) {
    for (y, row) in out.chunks_exact_mut(g.place_row()).enumerate() {
        x.row(n, y, g.within_margins(row));
    }
}

impl CpuConv {
    pub(super) fn transpose<T: Float>(&self, args: &ConvArgs) -> Result<Tensor> {
        let g = Geometry::transposed(args, lanes::<T>());
        let packed = self.backward_weights::<T>(args, &g)?;
        let bias = args.bias.as_ref().map(Tensor::packed).transpose()?;
        let bias = bias_of::<T>(bias.as_ref())?;
        let x = Image::<T>::of("conv", &args.x)?;
        let [height, width] = g.image;
        build::<T>(&args.x, [g.batch, g.inputs(), height, width], |out| {
            let (out, size) = (Shared::new(out), g.plain_image());
            parallel_if(g.batch * g.multiply_adds(), g.batch, |n| {
                let mut copy = Scratch::<T>::new(&self.memory, g.place_image());
                let columns = g.folded(g.image[1], g.channels[0], g.backward_folds());
                let mut folded = Scratch::<T>::new(&self.memory, columns);
                places(&g, &x, n, copy.as_mut());
                // SAFETY: image n's own part of the result; the others were made for this geometry.
                let y = unsafe {
                    let y = out.part(n * size, size);
                    let all = backward::Operands {
                        grad: copy.as_ref().as_ptr(),
                        weights: packed.as_ref().as_ptr(),
                        bias: bias.map_or(std::ptr::null(), <[T]>::as_ptr),
                        folded: folded.as_mut().as_mut_ptr(),
                    };
                    backward::spread(&g, 1, all, y.as_mut_ptr());
                    y
                };
                if is_relu(args) {
                    T::dispatch(forward::Relu(y));
                }
            });
            Ok(())
        })
    }

    /// Gradients of x, weight and bias.
    pub(super) fn transpose_backward<T: Float>(
        &self,
        args: &ConvArgs,
        result: Option<&Tensor>,
        grad: &Tensor,
        [need_x, need_weight, need_bias]: [bool; 3],
    ) -> Result<Gradients> {
        let g = Geometry::transposed(args, lanes::<T>());
        let arriving = Arriving::<T>::new(grad, result)?;
        let x = Image::<T>::of("conv", &args.x)?;
        let packed = if need_x { Some(self.forward_weights::<T>(args, &g)?) } else { None };
        let (shards, floats) = (g.shards(), g.packed_gradient());
        let mut d_weight = Scratch::<T>::new(&self.memory, if need_weight { shards * floats } else { 0 });
        let mut d_bias = Scratch::<T>::zeros(&self.memory, shards * g.inputs());
        let (weight_at, bias_at) = (Shared::new(d_weight.as_mut()), Shared::new(d_bias.as_mut()));
        let pass = |dx: Option<Shared<T>>| {
            parallel_if(g.batch * g.multiply_adds(), shards, |s| {
                let images = g.images(s);
                let mut padded = Scratch::<T>::new(&self.memory, g.padded_image());
                let mut at_places = Scratch::<T>::new(&self.memory, g.place_image() + SLACK);
                let columns = g.folded(g.places[1], g.channels[1], g.forward_folds());
                let mut folded = Scratch::<T>::new(&self.memory, if need_x { columns } else { 0 });
                // SAFETY: this shard's own part.
                let sums = unsafe { bias_at.part(s * g.inputs(), g.inputs()) };
                for n in images.clone() {
                    let [top, left] = g.corner();
                    padded.as_mut().fill(T::default());
                    let rows = padded.as_mut().chunks_exact_mut(g.padded[1] * g.inputs()).skip(top);
                    for (y, row) in rows.take(g.image[0]).enumerate() {
                        let row = &mut row[left * g.inputs()..(left + g.image[1]) * g.inputs()];
                        arriving.row(n, y, g.image[0], row, sums);
                    }
                    if let (Some(dx), Some(packed)) = (dx, &packed) {
                        let (from, weights) = (padded.as_ref().as_ptr(), packed.as_ref().as_ptr());
                        // SAFETY: image n's own part of the result.
                        unsafe {
                            let to = dx.part(n * g.result(), g.result()).as_mut_ptr();
                            let folded = folded.as_mut().as_mut_ptr();
                            let all = Operands { padded: from, weights, bias: std::ptr::null(), folded };
                            forward::gather(&g, all, to);
                        }
                    }
                    if need_weight {
                        places(&g, &x, n, &mut at_places.as_mut()[..g.place_image()]);
                        let operands = (padded.as_ref().as_ptr(), at_places.as_ref().as_ptr());
                        let out = weight_at.get().wrapping_add(s * floats);
                        // SAFETY: one image and its places; `out` is this shard's own.
                        unsafe { backward::correlate(&g, 1, operands, n > images.start, out) };
                    }
                }
            });
        };
        let dx = match need_x {
            true => {
                let [rows, columns] = g.places;
                Some(build::<T>(&args.x, [g.batch, g.outputs(), rows, columns], |out| {
                    pass(Some(Shared::new(out)));
                    Ok(())
                })?)
            }
            false => {
                pass(None);
                None
            }
        };
        Ok([
            dx,
            if need_weight {
                Some(weight_gradient(args, d_weight, floats, |sums, out| pack::unpack(&g, sums, out))?)
            } else {
                None
            },
            if need_bias { bias_gradient(args, d_bias)? } else { None },
        ])
    }
}
