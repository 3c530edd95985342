//! The convolution with what follows it, some images at a time: relu and maxima are taken while places are still in a cache,
//! row by row or, by tiles, image by image, and their gradients made from a gradient of places that never is in memory as a
//! whole.

use super::forward::Operands;
use super::geometry::Geometry;
use super::winograd::Squares;
use super::{Arriving, CpuConv, Gradients, Kept, SLACK, backward, bias_gradient, bias_of, forward, is_relu};
use super::{pack, weight_gradient};
use crate::backend::cpu::channels_last::{Image, build};
use crate::backend::cpu::pool::{Backward, Forward, Spans};
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, lanes};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::backend::{ConvArgs, Parts};
use crate::{Result, Tensor};
use std::ops::Range;

/// Tasks that a batch is cut into, at least, if it has so many images.
const TASKS: usize = 16;

/// The images as sweeps read them: with margins, or where tiles look for the ends themselves, without.
struct Source<'a, T> {
    x: Image<'a, T>,
    g: &'a Geometry,
    margins: bool,
    /// Floats of an image.
    each: usize,
    /// All images, if they lie so already.
    whole: Option<&'a [T]>,
}

impl<'a, T: Float> Source<'a, T> {
    fn new(x: &'a Tensor, g: &'a Geometry, squares: Option<&Squares>) -> Result<Self> {
        let x = Image::<T>::of("conv", x)?;
        let margins = squares.is_none() && g.padded != g.image;
        let whole = if margins { None } else { x.whole() };
        let each = if margins { g.padded_image() } else { g.plain_image() };
        Ok(Source { x, g, margins, each, whole })
    }

    /// Floats that copies of so many images need.
    fn copies(&self, images: usize) -> usize {
        if self.whole.is_some() { 0 } else { images * self.each }
    }

    /// Some images, if need be copied to `room`.
    fn images(&self, images: Range<usize>, room: &mut [T]) -> *const T {
        if let Some(whole) = self.whole {
            return whole[images.start * self.each..].as_ptr();
        }
        for (n, copy) in images.zip(room.chunks_exact_mut(self.each)) {
            match self.margins {
                true => self.x.padded(n, self.g.corner(), self.g.padded[1], copy),
                false => self.x.image(n, copy),
            }
        }
        room.as_ptr()
    }
}

impl CpuConv {
    /// With `parts`, the largest of each part of the places; their positions are kept if asked for.
    pub(super) fn forward<T: Float>(
        &self,
        args: &ConvArgs,
        parts: Option<&Parts>,
        keep: bool,
    ) -> Result<(Tensor, Kept<T>)> {
        let g = Geometry::new(args, lanes::<T>());
        let squares = g.squares().map(|[there, _]| there);
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
        let bias = || bias.map_or(std::ptr::null(), <[T]>::as_ptr);
        let source = Source::<T>::new(&args.x, &g, squares.as_ref())?;
        let spans = parts.map(|parts| Spans::of_maxima(*parts, g.places));
        let [rows, columns] = spans.as_ref().map_or(g.places, Spans::counts);
        let each = rows * columns * g.outputs();
        let kept = if keep && spans.is_some() { each } else { 0 };
        let mut positions = Scratch::<T>::new(&self.memory, g.batch * kept);
        let at = Shared::new(positions.as_mut());
        // Several images to a task, but enough tasks for some threads.
        let together = squares.as_ref().map_or(1, |squares| squares.images().min((g.batch / TASKS).max(1)));
        let y = build::<T>(&args.x, [g.batch, g.outputs(), rows, columns], |out| {
            let out = Shared::new(out);
            parallel_if(g.batch * g.multiply_adds(), g.batch.div_ceil(together), |shard| {
                let images = shard * together..((shard + 1) * together).min(g.batch);
                let (first, count) = (images.start, images.len());
                let mut copies = Scratch::<T>::new(&self.memory, source.copies(count));
                let pixels = source.images(images, copies.as_mut());
                let weights = packed.as_ref().as_ptr();
                // SAFETY: these images' own parts of the result, and of the positions or none.
                let (y, at) =
                    unsafe { (out.part(first * each, count * each), at.part(first * kept, count * kept)) };
                match (&squares, &spans) {
                    (Some(squares), None) => {
                        // SAFETY: `y` has room for the images' places; the operands were made for these sizes.
                        unsafe {
                            squares.sweep(&self.memory, count, (pixels, weights), bias(), y.as_mut_ptr())
                        };
                    }
                    (Some(squares), Some(spans)) => {
                        let mut places = Scratch::<T>::new(&self.memory, count * g.result());
                        let to = places.as_mut().as_mut_ptr();
                        // SAFETY: as above.
                        unsafe { squares.sweep(&self.memory, count, (pixels, weights), bias(), to) };
                        let mut at = at.chunks_mut(kept.max(1));
                        for (x, y) in places.as_ref().chunks_exact(g.result()).zip(y.chunks_exact_mut(each)) {
                            T::dispatch(Forward {
                                spans,
                                parts: 0..rows,
                                channels: 0..g.outputs(),
                                pixel: g.outputs(),
                                x,
                                x_from: 0,
                                x_pixel: g.outputs(),
                                y,
                                at: at.next().unwrap_or_default(),
                            });
                        }
                    }
                    (None, _) => {
                        let columns = g.folded(g.places[1], g.channels[1], g.forward_folds());
                        let mut folded = Scratch::<T>::new(&self.memory, columns);
                        let folded = folded.as_mut().as_mut_ptr();
                        let all = Operands { padded: pixels, weights, bias: bias(), folded };
                        // SAFETY: as above, for one image.
                        unsafe { self.one(&g, all, spans.as_ref(), y, at) };
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

    /// One image by sweeps over its rows.
    ///
    /// # Safety
    /// The operands are those of the geometry; `y` has room for the places or their maxima, and `at` for the positions of
    /// these or for none.
    unsafe fn one<T: Float>(
        &self,
        g: &Geometry,
        all: Operands<T>,
        spans: Option<&Spans>,
        y: &mut [T],
        at: &mut [T],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(spans) = spans else { return forward::gather(g, all, y.as_mut_ptr()) };
            let mut rows = Scratch::<T>::new(&self.memory, forward::room(g, spans));
            forward::Maxima { g, spans, rows: rows.as_mut(), y, at }.take(all);
        }
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
        let squares = g.squares();
        let arriving = Arriving::<T>::new(grad, kept.result.as_ref())?;
        let source = Source::<T>::new(&args.x, &g, squares.as_ref().map(|[there, _]| there))?;
        let spans = parts.map(|parts| Spans::of_maxima(*parts, g.places));
        let positions = kept.positions.as_ref().map_or(&[][..], Scratch::as_ref);
        let packed = if need_x { Some(self.backward_weights::<T>(args, &g)?) } else { None };
        let floats = match &squares {
            Some([there, _]) => there.gradient_floats(),
            None => g.packed_gradient(),
        };
        let shards = g.shards();
        let mut d_weight = Scratch::<T>::new(&self.memory, if need_weight { shards * floats } else { 0 });
        let mut d_bias = Scratch::<T>::zeros(&self.memory, shards * g.outputs());
        let (weight_at, bias_at) = (Shared::new(d_weight.as_mut()), Shared::new(d_bias.as_mut()));
        let together = squares.as_ref().map_or(1, |[there, _]| there.images());
        let pass = |dx: Option<Shared<T>>| {
            parallel_if(g.batch * g.multiply_adds(), shards, |s| {
                let images = g.images(s);
                let chunk = g.images_in_cache().max(together).min(images.len());
                let mut grads = Scratch::<T>::new(&self.memory, chunk * g.place_image() + SLACK);
                let copied = if need_weight { source.copies(chunk) } else { 0 };
                let mut copies = Scratch::<T>::new(&self.memory, copied);
                let columns = g.folded(g.image[1], g.channels[0], g.backward_folds());
                let mut folded = Scratch::<T>::new(&self.memory, if need_x { columns } else { 0 });
                // SAFETY: this shard's own part.
                let sums = unsafe { bias_at.part(s * g.outputs(), g.outputs()) };
                for first in images.clone().step_by(chunk) {
                    let here = first..(first + chunk).min(images.end);
                    for (n, grad) in here.clone().zip(grads.as_mut().chunks_exact_mut(g.place_image())) {
                        match &spans {
                            None => rows_of_places(&g, &arriving, n, grad, sums),
                            Some(spans) => self.scatter(&g, &arriving, (spans, positions), n, grad, sums),
                        }
                    }
                    let grad = grads.as_ref().as_ptr();
                    let places = grad.wrapping_add(g.margins()[0] * g.outputs());
                    if let (Some(dx), Some(packed)) = (dx, &packed) {
                        let (size, weights) = (g.plain_image(), packed.as_ref().as_ptr());
                        // SAFETY: these images' own part of the result, and their gradients with margins.
                        unsafe {
                            let to = dx.part(first * size, here.len() * size).as_mut_ptr();
                            let bias = std::ptr::null();
                            if let Some([_, back]) = &squares {
                                back.sweep(&self.memory, here.len(), (places, weights), bias, to);
                            } else {
                                let folded = folded.as_mut().as_mut_ptr();
                                let all = backward::Operands { grad, weights, bias, folded };
                                backward::spread(&g, here.len(), all, to);
                            }
                        }
                    }
                    if need_weight {
                        let pixels = source.images(here.clone(), copies.as_mut());
                        let (out, add) = (weight_at.get().wrapping_add(s * floats), first > images.start);
                        // SAFETY: so many images and their gradients; `out` is this shard's own.
                        unsafe {
                            if let Some([there, _]) = &squares {
                                let grad = (places, [g.place_image(), g.place_row()]);
                                there.correlate(&self.memory, here.len(), pixels, grad, add, out);
                            } else {
                                backward::correlate(&g, here.len(), (pixels, grad), add, out);
                            }
                        }
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
        let unpack = |sums: &[T], out: &mut [T]| match &squares {
            Some([there, _]) => there.gradient(&self.memory, sums, out),
            None => pack::unpack(&g, sums, out),
        };
        Ok([
            dx,
            if need_weight { Some(weight_gradient(args, d_weight, floats, unpack)?) } else { None },
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
