//! Convolutions and their transposes.

use super::{Parts, Saved, Window};
use crate::backend::{Unary, composed};
use crate::{Result, Tensor};

/// The operands of a convolution or transposed convolution, all untracked.
///
/// With `f` the convolution as a linear map of images, its transpose maps an image of the size of `f`'s result to one of
/// the size of `f`'s operand: the convolution's gradient with respect to its operand.
///
/// See [`Conv`].
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
///
/// ```
/// use forge_core::{backend::{ConvArgs, Window}, Device, Tensor};
/// let window = Window { kernel: [1, 2], stride: [1, 1], dilation: [1, 1], padding: [[0, 0]; 2] };
/// let row = |x: &[f64]| Tensor::new(x, &[1, 1, 1, x.len()]);
/// let args = ConvArgs { x: row(&[1.0, 2.0, 4.0])?, weight: row(&[-1.0, 1.0])?, bias: None, window, groups: 1,
///     output: window.places([1, 3]).unwrap(), activation: None };
/// let device = Device::cpu();
/// let (y, saved) = device.conv().conv(&args, true)?;
/// assert_eq!(y.to_vec::<f64>()?, [1.0, 2.0]);
/// let [x, weight, _] = device.conv().conv_backward(&args, saved.unwrap(), row(&[1.0, 10.0])?, &[true, true, false])?;
/// assert_eq!(x.unwrap().to_vec::<f64>()?, [-1.0, -9.0, 10.0]); // the transpose of the map
/// assert_eq!(weight.unwrap().to_vec::<f64>()?, [21.0, 42.0]);
/// // The transpose itself: from two elements to three.
/// let args = ConvArgs { x: row(&[1.0, 10.0])?, output: [1, 3], ..args };
/// let (y, saved) = device.conv().conv_transpose(&args, true)?;
/// assert_eq!(y.to_vec::<f64>()?, [-1.0, -9.0, 10.0]);
/// let needs = [true, false, false];
/// let [x, ..] = device.conv().conv_transpose_backward(&args, saved.unwrap(), row(&[1.0, 2.0, 4.0])?, &needs)?;
/// assert_eq!(x.unwrap().to_vec::<f64>()?, [1.0, 2.0]); // and back
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails, or `saved` is another family's. Shapes are checked before.
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
    ///
    /// ```
    /// use forge_core::{backend::{ConvArgs, Parts, Window}, Device, Tensor};
    /// let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [[0, 0]; 2] };
    /// let row = |x: &[f64]| Tensor::new(x, &[1, 1, 1, x.len()]);
    /// let args = ConvArgs { x: row(&[1.0, 2.0, 4.0, 3.0])?, weight: row(&[10.0])?, bias: None, window, groups: 1,
    ///     output: [1, 4], activation: None };
    /// let (device, pairs) = (Device::cpu(), Parts::Adaptive([1, 2]));
    /// let (y, saved) = device.conv().conv_max_pool(&args, &pairs, true)?;
    /// assert_eq!(y.to_vec::<f64>()?, [20.0, 40.0]);
    /// let (g, needs) = (row(&[1.0, 2.0])?, [true, false, false]);
    /// let [x, ..] = device.conv().conv_max_pool_backward(&args, &pairs, saved.unwrap(), g, &needs)?;
    /// assert_eq!(x.unwrap().to_vec::<f64>()?, [0.0, 10.0, 20.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    fn conv_max_pool(&self, args: &ConvArgs, parts: &Parts, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        composed::conv::max_pool_forward(args, parts, keep)
    }

    /// Gradients of x, weight and bias; those not needed may be `None`.
    ///
    /// See [`Conv::conv_max_pool`].
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
