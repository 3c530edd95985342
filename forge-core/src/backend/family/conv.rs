//! Convolutions and their transposes.

use super::{Saved, Window};
use crate::backend::Unary;
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
