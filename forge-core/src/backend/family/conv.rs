//! Convolutions and their transposes.

use super::{Parts, Saved, Window};
use crate::backend::{Unary, composed};
use crate::{Result, Tensor};

/// The operands of a convolution or transposed convolution, all untracked.
///
/// With `f` the convolution as a linear map of images, its transpose maps an image of the size of `f`'s result to one of
/// the size of `f`'s operand: the convolution's gradient with respect to its operand.
#[derive(Clone, Debug)]
pub struct ConvArgs {
    /// `[batch, in channels, height, width]`
    pub x: Tensor,
    /// Convolution: `[out channels, in channels / groups, kernel…]`. Transpose: `[in channels, out channels / groups,
    /// kernel…]`, so that a convolution and its transpose take the same weight.
    pub weight: Tensor,
    /// `[out channels]`
    pub bias: Option<Tensor>,
    /// How the kernel slides, over `x` in a convolution, over the result in a transpose.
    pub window: Window,
    /// Parts that both lists of channels are cut into; a part of the result sees its own part of `x` only.
    pub groups: usize,
    /// Height and width of the result.
    pub output: [usize; 2],
    /// Applied last.
    pub activation: Option<Unary>,
}

/// Convolutions: one node of the tape each, with bias and activation.
///
/// Results and gradients have logical layout NCHW and any strides: a channels-last kernel returns a permuted view.
pub trait Conv: Send + Sync {
    /// y = act(b + Σ w x over channels of the group and elements of the kernel). With `keep`, also gives what backward
    /// needs.
    fn conv(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)>;

    /// Gradients of x, weight and bias; those not needed may be `None`.
    fn conv_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]>;

    /// Largest elements of parts of the convolution, act(b + …), whose height and width are `args.output`. By default the
    /// one after the other, by the families of x's device.
    fn conv_max_pool(&self, args: &ConvArgs, parts: &Parts, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        composed::conv::max_pool_forward(args, parts, keep)
    }

    /// Gradients of x, weight and bias; those not needed may be `None`.
    fn conv_max_pool_backward(
        &self,
        args: &ConvArgs,
        _parts: &Parts,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        composed::conv::max_pool_backward(args, saved.take()?, grad, needs)
    }

    /// The transpose, with bias and activation. With `keep`, also gives what backward needs.
    fn conv_transpose(&self, args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)>;

    /// Gradients of x, weight and bias; those not needed may be `None`.
    fn conv_transpose_backward(
        &self,
        args: &ConvArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]>;
}
