//! The convolution with what follows it, image by image: relu and maxima are taken while an image's places are still in a
//! cache, and its gradients made from a gradient of places that never is in memory as a whole.

use super::forward::Operands;
use super::geometry::Geometry;
use super::weight_gradient;
use super::{Arriving, CpuConv, Gradients, Kept, SLACK, backward, bias_gradient, bias_of, forward, is_relu};
use crate::backend::cpu::channels_last::{Image, build};
use crate::backend::cpu::pool::{Backward, Spans};
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, lanes};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::backend::{ConvArgs, Parts};
use crate::{Result, Tensor};

impl CpuConv {
    /// With `parts`, the largest of each part of the places; their positions are kept if asked for.
    pub(super) fn forward<T: Float>(
        &self,
        args: &ConvArgs,
        parts: Option<&Parts>,
        keep: bool,
    ) -> Result<(Tensor, Kept<T>)> {
        let g = Geometry::new(args, lanes::<T>());
        // In training weights change before they would serve again.
        let (own, of_weight);
        let packed: &Scratch<T> = match keep {
            true => {
                own = self.forward_weights::<T>(args, &g)?;
                &own
            }
            false => {
                of_weight = self.kept_weights::<T>(args, &g)?;
                &of_weight.all
            }
        };
        let bias = args.bias.as_ref().map(Tensor::packed).transpose()?;
        let bias = bias_of::<T>(bias.as_ref())?;
        let x = Image::<T>::of("conv", &args.x)?;
        let whole = if g.padded == g.image { x.whole() } else { None };
        let spans = parts.map(|parts| Spans::of_maxima(*parts, g.places));
        let [rows, columns] = spans.as_ref().map_or(g.places, Spans::counts);
        let each = rows * columns * g.outputs();
        let kept = if keep && spans.is_some() { each } else { 0 };
        let mut positions = Scratch::<T>::new(&self.memory, g.batch * kept);
        let at = Shared::new(positions.as_mut());
        let y = build::<T>(&args.x, [g.batch, g.outputs(), rows, columns], |out| {
            let out = Shared::new(out);
            parallel_if(g.batch * g.multiply_adds(), g.batch, |n| {
                let mut copy =
                    Scratch::<T>::new(&self.memory, if whole.is_some() { 0 } else { g.padded_image() });
                let padded = match whole {
                    Some(pixels) => pixels[n * g.padded_image()..].as_ptr(),
                    None => {
                        x.padded(n, g.corner(), g.padded[1], copy.as_mut());
                        copy.as_ref().as_ptr()
                    }
                };
                // SAFETY: image n's own part of the result.
                let y = unsafe { out.part(n * each, each) };
                let columns = g.folded(g.places[1], g.channels[1], g.forward_folds());
                let mut folded = Scratch::<T>::new(&self.memory, columns);
                let all = Operands {
                    padded,
                    weights: packed.as_ref().as_ptr(),
                    bias: bias.map_or(std::ptr::null(), <[T]>::as_ptr),
                    folded: folded.as_mut().as_mut_ptr(),
                };
                match &spans {
                    // SAFETY: `y` has room for the image's places; the operands were made for this geometry.
                    None => unsafe { forward::gather(&g, all, y.as_mut_ptr()) },
                    Some(spans) => {
                        let mut rows = Scratch::<T>::new(&self.memory, forward::room(&g, spans));
                        // SAFETY: image n's own part, or none; the operands were made for this geometry.
                        unsafe {
                            let at = at.part(n * kept, kept);
                            forward::Maxima { g: &g, spans, rows: rows.as_mut(), y: &mut *y, at }.take(all);
                        }
                    }
                }
                // Behind the maxima: the largest of what a relu leaves is what it leaves of the largest.
                if is_relu(args) {
                    T::dispatch(forward::Relu(y));
                }
            });
            Ok(())
        })?;
        let result = is_relu(args).then(|| y.clone());
        Ok((y, Kept { result, positions: (kept > 0).then_some(positions) }))
    }

    /// Gradients of x, weight and bias.
    pub(super) fn backward<T: Float>(
        &self,
        args: &ConvArgs,
        parts: Option<&Parts>,
        kept: Kept<T>,
        grad: &Tensor,
        [need_x, need_weight, need_bias]: [bool; 3],
    ) -> Result<Gradients> {
        let g = Geometry::new(args, lanes::<T>());
        let arriving = Arriving::<T>::new(grad, kept.result.as_ref())?;
        let x = Image::<T>::of("conv", &args.x)?;
        let whole = if g.padded == g.image { x.whole() } else { None };
        let spans = parts.map(|parts| Spans::of_maxima(*parts, g.places));
        let positions = kept.positions.as_ref().map_or(&[][..], Scratch::as_ref);
        let packed = if need_x { Some(self.backward_weights::<T>(args, &g)?) } else { None };
        let (shards, floats) = (g.shards(), g.packed_gradient());
        let mut d_weight = Scratch::<T>::new(&self.memory, if need_weight { shards * floats } else { 0 });
        let mut d_bias = Scratch::<T>::zeros(&self.memory, shards * g.outputs());
        let (weight_at, bias_at) = (Shared::new(d_weight.as_mut()), Shared::new(d_bias.as_mut()));
        let pass = |dx: Option<Shared<T>>| {
            parallel_if(g.batch * g.multiply_adds(), shards, |s| {
                let (images, chunk) = (g.images(s), g.images_in_cache().min(g.images(s).len()));
                let mut grads = Scratch::<T>::new(&self.memory, chunk * g.place_image() + SLACK);
                let copied = if need_weight && whole.is_none() { chunk * g.padded_image() } else { 0 };
                let mut copies = Scratch::<T>::new(&self.memory, copied);
                let columns = g.folded(g.image[1], g.channels[0], g.backward_folds());
                let mut folded = Scratch::<T>::new(&self.memory, if need_x { columns } else { 0 });
                // SAFETY: this shard's own part.
                let sums = unsafe { bias_at.part(s * g.outputs(), g.outputs()) };
                for first in images.clone().step_by(chunk) {
                    let count = chunk.min(images.end - first);
                    for i in 0..count {
                        let n = first + i;
                        let grad = &mut grads.as_mut()[i * g.place_image()..(i + 1) * g.place_image()];
                        match &spans {
                            None => rows_of_places(&g, &arriving, n, grad, sums),
                            Some(spans) => self.scatter(&g, &arriving, (spans, positions), n, grad, sums),
                        }
                        if let (Some(dx), Some(packed)) = (dx, &packed) {
                            let (size, weights) = (g.plain_image(), packed.as_ref().as_ptr());
                            // SAFETY: image n's own part of the result, and its gradient with margins.
                            unsafe {
                                let to = dx.part(n * size, size).as_mut_ptr();
                                let all = backward::Operands {
                                    grad: grad.as_ptr(),
                                    weights,
                                    bias: std::ptr::null(),
                                    folded: folded.as_mut().as_mut_ptr(),
                                };
                                backward::spread(&g, all, to);
                            }
                        }
                        if copied > 0 {
                            let copy = &mut copies.as_mut()[i * g.padded_image()..(i + 1) * g.padded_image()];
                            x.padded(n, g.corner(), g.padded[1], copy);
                        }
                    }
                    if need_weight {
                        let padded = match whole {
                            Some(pixels) => pixels[first * g.padded_image()..].as_ptr(),
                            None => copies.as_ref().as_ptr(),
                        };
                        let out = weight_at.get().wrapping_add(s * floats);
                        let operands = (padded, grads.as_ref().as_ptr());
                        // SAFETY: `count` images and their gradients; `out` is this shard's own.
                        unsafe { backward::correlate(&g, count, operands, first > images.start, out) };
                    }
                }
            });
        };
        let dx = match need_x {
            true => {
                let [height, width] = g.image;
                Some(build::<T>(&args.x, [g.batch, g.inputs(), height, width], |out| {
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
            if need_weight { Some(weight_gradient(args, &g, d_weight)?) } else { None },
            if need_bias { bias_gradient(args, d_bias)? } else { None },
        ])
    }

    /// The gradient of image `n`'s places from that of their maxima.
    fn scatter<T: Float>(
        &self,
        g: &Geometry,
        arriving: &Arriving<T>,
        (spans, positions): (&Spans, &[T]),
        n: usize,
        out: &mut [T],
        sums: &mut [T],
    ) {
        let [rows, columns] = spans.counts();
        let each = rows * columns * g.outputs();
        let mut pooled = Scratch::<T>::new(&self.memory, each);
        arriving.image(n, pooled.as_mut(), sums);
        if spans.are_a_partition() {
            for row in out.chunks_exact_mut(g.place_row()) {
                g.within_margins(row);
            }
        } else {
            out.fill(T::default());
        }
        T::dispatch(Backward {
            spans,
            channels: g.outputs(),
            width: g.place_row() / g.outputs(),
            grad: pooled.as_ref(),
            at: Some(&positions[n * each..(n + 1) * each]),
            dx: &mut out[g.margins()[0] * g.outputs()..],
        });
    }
}

/// The gradient of image `n`'s places, with margins.
fn rows_of_places<T: Float>(g: &Geometry, arriving: &Arriving<T>, n: usize, out: &mut [T], sums: &mut [T]) {
    for (y, row) in out.chunks_exact_mut(g.place_row()).enumerate() {
        arriving.row(n, y, g.places[0], g.within_margins(row), sums);
    }
}
