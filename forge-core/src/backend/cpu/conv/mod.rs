//! Convolutions over channels-last images, directly: no matrix of windows is ever made.
//!
//! A row of places is one product of pixels with packed weights, since a row of the kernel lies over neighbouring floats
//! of a padded image; with groups or a dilation, each element of the kernel is a product of its own. Transposed
//! convolutions are left to the composed family.

mod backward;
mod forward;
mod geometry;
mod pack;

use super::channels_last::{Image, Pixels, build};
use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Float, lanes};
use super::sums::AddShards;
use super::threads::{Shared, parallel_if};
use super::{elements, elements_mut};
use crate::backend::composed::activation;
use crate::backend::{Composed, Conv, ConvArgs, Saved, UnaryKind};
use crate::{DType, Result, Tensor};
use geometry::Geometry;
use std::sync::Arc;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuConv {
    memory: Arc<FreeList>,
}

/// What forward keeps: the result of a relu.
#[derive(Debug)]
struct Kept {
    result: Option<Tensor>,
}

/// The weight gradients of a convolution with more floats than this are summed over the whole batch by one task for each
/// row of the kernel; smaller ones by each shard of the batch for itself.
const LARGE: usize = 1 << 16;
/// Floats behind a buffer that whole registers may be read from.
const SLACK: usize = 64;

/// Whether the kernels take a call.
fn taken(args: &ConvArgs) -> bool {
    args.x.dtype().is_float() && args.x.count() > 0 && args.output.iter().all(|n| *n > 0)
}

/// Whether the activation is done in the same pass.
fn is_relu(args: &ConvArgs) -> bool {
    args.activation.is_some_and(|a| a.kind == UnaryKind::Relu)
}

impl CpuConv {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuConv { memory: memory.clone() }
    }

    fn forward<T: Float>(&self, args: &ConvArgs) -> Result<Tensor> {
        let g = Geometry::new(args, lanes::<T>());
        let weight = args.weight.packed()?;
        let mut packed = Scratch::<T>::new(&self.memory, g.packed(g.channels[0], g.channels[1]));
        pack::forward(&g, elements("conv", weight.arg().memory)?, packed.as_mut());
        let bias = args.bias.as_ref().map(Tensor::packed).transpose()?;
        let bias = bias.as_ref().map(|b| elements::<T>("conv", b.arg().memory)).transpose()?;
        let x = Image::<T>::of("conv", &args.x)?;
        let whole = if g.padded == g.image { x.whole() } else { None };
        // Without whole pixels to read from, each shard of work has a padded image of its own.
        let shards = g.batch;
        let mut copies =
            Scratch::<T>::new(&self.memory, if whole.is_some() { 0 } else { shards * g.padded_image() });
        let copies = Shared::new(copies.as_mut());
        let [height, width] = g.places;
        build::<T>(&args.x, [g.batch, g.outputs(), height, width], |out| {
            let out = Shared::new(out);
            parallel_if(g.batch * g.multiply_adds(), shards, |n| {
                let result = g.result();
                // SAFETY: image n's own parts of the copies and of the result, which both hold `batch` images.
                unsafe {
                    let padded = match whole {
                        Some(pixels) => pixels[n * g.padded_image()..].as_ptr(),
                        None => {
                            let copy = copies.part(n * g.padded_image(), g.padded_image());
                            let [rows, columns] = g.window.padding;
                            x.padded(n, [rows[0], columns[0]], g.padded[1], copy);
                            copy.as_ptr()
                        }
                    };
                    let bias = bias.map_or(std::ptr::null(), <[T]>::as_ptr);
                    let y = out.part(n * result, result);
                    forward::image(&g, padded, packed.as_ref().as_ptr(), bias, y.as_mut_ptr());
                    if is_relu(args) {
                        T::dispatch(forward::Relu(y));
                    }
                }
            });
            Ok(())
        })
    }

    fn backward<T: Float>(
        &self,
        args: &ConvArgs,
        result: Option<&Tensor>,
        grad: &Tensor,
        [need_x, need_weight, need_bias]: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let g = Geometry::new(args, lanes::<T>());
        let (grad, result) =
            (Image::<T>::of("conv", grad)?, result.map(|r| Image::<T>::of("conv", r)).transpose()?);
        let result = result.as_ref().and_then(Image::whole);
        let margins = backward::margins(&g);
        let row = (margins[0] + g.places[1] + margins[1]) * g.outputs();
        let each = g.places[0] * row;
        let mut grads = Scratch::<T>::new(&self.memory, g.batch * each + SLACK);
        let mut sums = Scratch::<T>::zeros(&self.memory, g.batch * g.outputs());
        let (grads_at, sums_at) = (Shared::new(grads.as_mut()), Shared::new(sums.as_mut()));
        // The gradient of each image's result, channels last, through the relu, with margins; and its sums.
        let prepare = |n: usize| {
            // SAFETY: image n's own parts.
            let (out, sums) =
                unsafe { (grads_at.part(n * each, each), sums_at.part(n * g.outputs(), g.outputs())) };
            for (y, out) in out.chunks_exact_mut(row).enumerate() {
                let (before, inside) = (margins[0] * g.outputs(), g.places[1] * g.outputs());
                out[..before].fill(T::default());
                out[before + inside..].fill(T::default());
                let inside = &mut out[before..before + inside];
                grad.row(n, y, inside);
                let from = (n * g.places[0] + y) * inside.len();
                let result = result.map(|r| &r[from..from + inside.len()]);
                T::dispatch(backward::Gradient { grad: inside, result, sums });
            }
        };
        let work = g.batch * g.multiply_adds();
        let dx = match need_x {
            false => {
                parallel_if(work, g.batch, prepare);
                None
            }
            true => {
                let weight = args.weight.packed()?;
                let mut packed = Scratch::<T>::new(&self.memory, g.packed(g.channels[1], g.channels[0]));
                pack::backward(&g, elements("conv", weight.arg().memory)?, packed.as_mut());
                let [height, width] = g.image;
                Some(build::<T>(&args.x, [g.batch, g.inputs(), height, width], |out| {
                    let (out, size) = (Shared::new(out), height * width * g.inputs());
                    parallel_if(work, g.batch, |n| {
                        prepare(n);
                        // SAFETY: image n's own part of the result; its gradient was just prepared.
                        unsafe {
                            let grad = grads_at.part(n * each, each).as_ptr();
                            let weights = packed.as_ref().as_ptr();
                            backward::image(&g, grad, weights, out.part(n * size, size).as_mut_ptr());
                        }
                    });
                    Ok(())
                })?)
            }
        };
        let d_weight = match need_weight {
            true => Some(self.weight_gradient(args, &g, grads.as_ref(), each)?),
            false => None,
        };
        let d_bias = match (need_bias, &args.bias) {
            (true, Some(bias)) => {
                T::dispatch(AddShards { all: sums.as_mut(), each: g.outputs() });
                let (device, sums) = (bias.device().clone(), &sums.as_ref()[..g.outputs()]);
                Some(Tensor::build(&device, T::DTYPE, *bias.dims(), |out| {
                    elements_mut("conv", out)?.copy_from_slice(sums);
                    Ok(())
                })?)
            }
            _ => None,
        };
        Ok([dx, d_weight, d_bias])
    }

    /// From the prepared gradients of all images, `each` floats apart.
    fn weight_gradient<T: Float>(
        &self,
        args: &ConvArgs,
        g: &Geometry,
        grads: &[T],
        each: usize,
    ) -> Result<Tensor> {
        let x = Image::<T>::of("conv", &args.x)?;
        let pixels = match x.whole() {
            Some(whole) if g.padded == g.image => Pixels::Borrowed(whole),
            _ => {
                let mut copies = Scratch::<T>::new(&self.memory, g.batch * g.padded_image());
                let at = Shared::new(copies.as_mut());
                let [rows, columns] = g.window.padding;
                parallel_if(g.batch * g.multiply_adds(), g.batch, |n| {
                    // SAFETY: image n's own part.
                    let copy = unsafe { at.part(n * g.padded_image(), g.padded_image()) };
                    x.padded(n, [rows[0], columns[0]], g.padded[1], copy);
                });
                Pixels::Copied(copies)
            }
        };
        let floats = g.packed(g.channels[0], g.channels[1]);
        let large = floats > LARGE;
        let shards = if large { 1 } else { g.shards() };
        let mut sums = Scratch::<T>::new(&self.memory, shards * floats);
        let at = Shared::new(sums.as_mut());
        let kernel_rows = g.window.kernel[0];
        let operands =
            |n: usize| (pixels.as_ref()[n * g.padded_image()..].as_ptr(), grads[n * each..].as_ptr());
        let work = g.batch * g.multiply_adds();
        if large {
            parallel_if(work, kernel_rows, |row| {
                for n in 0..g.batch {
                    // SAFETY: operands of image n; this task alone writes this row of the kernel.
                    unsafe { backward::weights(g, operands(n), row, n == 0, at.get()) };
                }
            });
        } else {
            parallel_if(work, shards, |s| {
                let images = g.images(s);
                let out = at.get().wrapping_add(s * floats);
                for n in images.clone() {
                    for row in 0..kernel_rows {
                        // SAFETY: operands of image n; `out` is this shard's own.
                        unsafe { backward::weights(g, operands(n), row, n == images.start, out) };
                    }
                }
            });
            T::dispatch(AddShards { all: sums.as_mut(), each: floats });
        }
        let device = args.x.device().clone();
        Tensor::build(&device, T::DTYPE, *args.weight.dims(), |out| {
            pack::unpack(g, &sums.as_ref()[..floats], elements_mut("conv", out)?);
            Ok(())
        })
    }
}

impl Conv for CpuConv {
    fn conv(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.conv(args, keep);
        }
        let y = float!("conv", args.x.dtype(), T => self.forward::<T>(args))?;
        if args.activation.is_some() && !is_relu(args) {
            return activation::forward(args.activation, y, keep);
        }
        // The result is held by the tape in any case, and shares its memory.
        let saved = keep.then(|| Saved::new(Kept { result: is_relu(args).then(|| y.clone()) }, 0));
        Ok((y, saved))
    }

    fn conv_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        if !taken(args) {
            return Composed.conv_backward(args, saved, grad, needs);
        }
        let (result, grad) = match args.activation.is_some() && !is_relu(args) {
            true => (None, activation::backward(args.activation, saved, grad)?),
            false => (saved.take::<Kept>()?.result, grad),
        };
        float!("conv", args.x.dtype(), T => self.backward::<T>(args, result.as_ref(), &grad, *needs))
    }

    fn conv_transpose(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        Composed.conv_transpose(args, keep)
    }

    fn conv_transpose_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        Composed.conv_transpose_backward(args, saved, grad, needs)
    }
}
