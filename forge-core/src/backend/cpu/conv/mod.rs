//! Convolutions over channels-last images: no matrix of windows is ever made.
//!
//! Kernels of three by three with many channels go by tiles of two by two places, in [`winograd`]. All others go directly: a row
//! of places is one sweep of packed weights over a padded image, in which a row of the kernel lies over neighbouring
//! floats; with groups or a dilation, each element of the kernel does. The transpose sweeps the kernel, turned round, over
//! the places; weight gradients are sums over pixels that stay in registers for many images.

mod backward;
mod convolution;
mod fold;
mod forward;
mod geometry;
mod pack;
mod tile;
mod transpose;
mod winograd;

use super::channels_last::Image;
use super::free_list::FreeList;
use super::pool::Spans;
use super::scratch::Scratch;
use super::simd::Float;
use super::sums::AddShards;
use super::{elements, elements_mut};
use crate::backend::composed::activation;
use crate::backend::{Composed, Conv, ConvArgs, Parts, Saved, UnaryKind};
use crate::{DType, Result, Tensor};
use geometry::Geometry;
use std::sync::Arc;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuConv {
    memory: Arc<FreeList>,
}

/// What forward keeps.
#[derive(Debug)]
struct Kept<T: Float> {
    /// The result, if it is a relu's. The tape holds it in any case, and shares its memory.
    result: Option<Tensor>,
    /// Where the maxima stand in their parts: `[batch, rows, columns, channels]`.
    positions: Option<Scratch<T>>,
}

impl<T: Float> Kept<T> {
    fn saved(self) -> Saved {
        let bytes = self.positions.as_ref().map_or(0, |p| p.as_ref().len() * T::DTYPE.size());
        Saved::new(self, bytes)
    }
}

/// Weights for sweeps from images to places, as they are kept for inference.
struct Packed<T: Float> {
    all: Scratch<T>,
    order: Order,
}

/// What their order depends on beside the weight.
#[derive(PartialEq)]
struct Order {
    groups: usize,
    folds: usize,
    in_tiles: bool,
}

/// Gradients of x, weight and bias.
type Gradients = [Option<Tensor>; 3];

/// Floats behind a buffer that whole registers may be read from.
const SLACK: usize = 64;

/// Whether the kernels take a call.
fn taken(args: &ConvArgs) -> bool {
    args.x.dtype().is_float() && args.x.count() > 0 && args.output.iter().all(|n| *n > 0)
}

/// Whether they take one with pooling behind it.
fn taken_with(args: &ConvArgs, parts: &Parts) -> bool {
    taken(args) && !has_other_activation(args) && Spans::of_maxima(*parts, args.output).taken()
}

/// Whether the activation is done in the same pass.
fn is_relu(args: &ConvArgs) -> bool {
    args.activation.is_some_and(|a| a.kind == UnaryKind::Relu)
}

/// Whether there is one that is done in a pass of its own.
fn has_other_activation(args: &ConvArgs) -> bool {
    args.activation.is_some() && !is_relu(args)
}

/// The gradient that arrives, on its way through the relu.
struct Arriving<'a, T> {
    grad: Image<'a, T>,
    /// The relu's result, channels last.
    result: Option<&'a [T]>,
}

impl<'a, T: Float> Arriving<'a, T> {
    fn new(grad: &'a Tensor, result: Option<&'a Tensor>) -> Result<Self> {
        let result = result.map(|r| Image::<T>::of("conv", r)).transpose()?;
        Ok(Arriving { grad: Image::of("conv", grad)?, result: result.as_ref().and_then(Image::whole) })
    }

    /// The whole of image `n`, `[rows, columns, channels]`; adds it to the sums over pixels, a float a channel.
    fn image(&self, n: usize, out: &mut [T], sums: &mut [T]) {
        self.grad.image(n, out);
        self.through(n * out.len(), out, sums);
    }

    /// Row `y` of `rows` of image `n`, `[columns, channels]`; adds it to the sums over pixels, a float a channel.
    fn row(&self, n: usize, y: usize, rows: usize, out: &mut [T], sums: &mut [T]) {
        self.grad.row(n, y, out);
        self.through((n * rows + y) * out.len(), out, sums);
    }

    /// Through the relu whose result stands from `from` on.
    fn through(&self, from: usize, out: &mut [T], sums: &mut [T]) {
        let result = self.result.map(|r| &r[from..from + out.len()]);
        T::dispatch(backward::Gradient { grad: out, result, sums });
    }
}

/// The gradient of the weights from those of the shards, `each` floats that lie behind each other, in an order that `unpack`
/// knows.
fn weight_gradient<T: Float>(
    args: &ConvArgs,
    mut shards: Scratch<T>,
    each: usize,
    unpack: impl Fn(&[T], &mut [T]),
) -> Result<Tensor> {
    T::dispatch(AddShards { all: shards.as_mut(), each });
    let device = args.weight.device().clone();
    Tensor::build(&device, T::DTYPE, *args.weight.dims(), |out| {
        unpack(&shards.as_ref()[..each], elements_mut("conv", out)?);
        Ok(())
    })
}

/// The gradient of the bias from those of the shards, which lie behind each other; `None` without a bias.
fn bias_gradient<T: Float>(args: &ConvArgs, mut shards: Scratch<T>) -> Result<Option<Tensor>> {
    let Some(bias) = &args.bias else { return Ok(None) };
    let each = bias.count();
    T::dispatch(AddShards { all: shards.as_mut(), each });
    let device = bias.device().clone();
    let sums = Tensor::build(&device, T::DTYPE, *bias.dims(), |out| {
        elements_mut("conv", out)?.copy_from_slice(&shards.as_ref()[..each]);
        Ok(())
    })?;
    Ok(Some(sums))
}

impl CpuConv {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuConv { memory: memory.clone() }
    }

    /// The weight's floats as `order` gives them, one after the other.
    fn ordered<T: Float>(
        &self,
        args: &ConvArgs,
        order: impl FnOnce(&[T]) -> Scratch<T>,
    ) -> Result<Scratch<T>> {
        let weight = args.weight.packed()?;
        Ok(order(elements("conv", weight.arg().memory)?))
    }

    /// Weights for sweeps from images to places.
    fn forward_weights<T: Float>(&self, args: &ConvArgs, g: &Geometry) -> Result<Scratch<T>> {
        self.ordered(args, |weight| match g.squares() {
            Some([there, _]) => there.weights(&self.memory, weight),
            None => {
                let floats = g.packed(g.channels[0], g.channels[1], g.forward_folds());
                let mut packed = Scratch::new(&self.memory, floats);
                pack::forward(g, weight, packed.as_mut());
                packed
            }
        })
    }

    /// Those, kept with the weight until someone writes to it.
    fn kept_weights<T: Float>(&self, args: &ConvArgs, g: &Geometry) -> Result<Arc<Packed<T>>> {
        let order = || Order { groups: g.groups, folds: g.forward_folds(), in_tiles: g.squares().is_some() };
        let pack = || Ok(Packed { all: self.forward_weights(args, g)?, order: order() });
        let kept = Tensor::panels([&args.weight], pack)?;
        if kept.order == order() { Ok(kept) } else { pack().map(Arc::new) }
    }

    /// Weights for sweeps from places to images.
    fn backward_weights<T: Float>(&self, args: &ConvArgs, g: &Geometry) -> Result<Scratch<T>> {
        self.ordered(args, |weight| match g.squares() {
            Some([_, back]) => back.weights_turned_round(&self.memory, weight),
            None => {
                let floats = g.packed(g.channels[1], g.channels[0], g.backward_folds());
                let mut packed = Scratch::new(&self.memory, floats);
                pack::backward(g, weight, packed.as_mut());
                packed
            }
        })
    }
}

/// The bias's floats, or a pointer to nothing.
fn bias_of<T: Float>(bias: Option<&Tensor>) -> Result<Option<&[T]>> {
    bias.map(|b| elements::<T>("conv", b.arg().memory)).transpose()
}

impl Conv for CpuConv {
    fn conv(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.conv(args, keep);
        }
        float!("conv", args.x.dtype(), T => {
            let (y, kept) = self.forward::<T>(args, None, keep)?;
            if has_other_activation(args) {
                return activation::forward(args.activation, y, keep);
            }
            Ok((y, keep.then(|| kept.saved())))
        })
    }

    fn conv_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<Gradients> {
        if !taken(args) {
            return Composed.conv_backward(args, saved, grad, needs);
        }
        float!("conv", args.x.dtype(), T => {
            if has_other_activation(args) {
                let grad = activation::backward(args.activation, saved, grad)?;
                return self.backward::<T>(args, None, Kept { result: None, positions: None }, &grad, *needs);
            }
            self.backward::<T>(args, None, saved.take()?, &grad, *needs)
        })
    }

    fn conv_max_pool(&self, args: &ConvArgs, parts: &Parts, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken_with(args, parts) {
            return Composed.conv_max_pool(args, parts, keep);
        }
        float!("conv", args.x.dtype(), T => {
            let (y, kept) = self.forward::<T>(args, Some(parts), keep)?;
            Ok((y, keep.then(|| kept.saved())))
        })
    }

    fn conv_max_pool_backward(
        &self,
        args: &ConvArgs,
        parts: &Parts,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<Gradients> {
        if !taken_with(args, parts) {
            return Composed.conv_max_pool_backward(args, parts, saved, grad, needs);
        }
        float!("conv", args.x.dtype(), T => self.backward::<T>(args, Some(parts), saved.take()?, &grad, *needs))
    }

    fn conv_transpose(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.conv_transpose(args, keep);
        }
        float!("conv", args.x.dtype(), T => {
            let y = self.transpose::<T>(args)?;
            if has_other_activation(args) {
                return activation::forward(args.activation, y, keep);
            }
            let result = is_relu(args).then(|| y.clone());
            Ok((y, keep.then(|| Kept::<T> { result, positions: None }.saved())))
        })
    }

    fn conv_transpose_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<Gradients> {
        if !taken(args) {
            return Composed.conv_transpose_backward(args, saved, grad, needs);
        }
        float!("conv", args.x.dtype(), T => {
            if has_other_activation(args) {
                let grad = activation::backward(args.activation, saved, grad)?;
                return self.transpose_backward::<T>(args, None, &grad, *needs);
            }
            let kept = saved.take::<Kept<T>>()?;
            self.transpose_backward::<T>(args, kept.result.as_ref(), &grad, *needs)
        })
    }
}
