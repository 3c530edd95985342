//! Normalisation: elements set to mean 0 and variance 1 over some dimensions, then scaled and shifted.

use super::Saved;
use crate::{Result, Tensor};

/// Which elements share a mean and a variance, and which a weight and a bias.
///
/// See [`Norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `[batch, channels, …]`: all of one channel. Weight and bias are `[channels]`.
    Batch,
    /// `[…, last dimensions]`: all of so many last dimensions. Weight and bias have their shape.
    Layer {
        /// Number of dimensions.
        dims: usize,
    },
    /// `[batch, channels, …]`: all of one part of the channels, in one element of the batch. Weight and bias are
    /// `[channels]`.
    Group {
        /// Number of parts.
        groups: usize,
    },
}

/// The operands of a normalisation, all untracked.
///
/// See [`Norm`].
#[derive(Clone, Debug)]
pub struct NormArgs {
    /// What is normalised.
    pub x: Tensor,
    /// Factor of the normalised elements.
    pub weight: Option<Tensor>,
    /// Added last.
    pub bias: Option<Tensor>,
    /// What is shared by what.
    pub kind: NormKind,
    /// Added to the variance.
    pub eps: f64,
    /// Mean and variance to use as constants, in the shape that [`NormOut`] has them; else those of `x`.
    pub given: Option<[Tensor; 2]>,
}

/// The result of a normalisation, with the statistics that it used.
///
/// See [`Norm`].
#[derive(Clone, Debug)]
pub struct NormOut {
    /// Of x's shape.
    pub y: Tensor,
    /// Batch: `[channels]`. Layer: the dimensions before the last. Group: `[batch, groups]`. Untracked.
    pub mean: Tensor,
    /// The mean square distance from the mean, of the same shape. Untracked.
    pub variance: Tensor,
}

/// Normalisations: one node of the tape.
///
/// ```
/// use forge_core::{backend::{NormArgs, NormKind, NormOut}, Device, Tensor};
/// let (x, bias) = (Tensor::new(&[1.0f64, 3.0], &[2, 1])?, Tensor::new(&[5.0f64], &[1])?);
/// let args = NormArgs { x, weight: None, bias: Some(bias), kind: NormKind::Batch, eps: 0.0, given: None };
/// let device = Device::cpu();
/// let (NormOut { y, mean, variance }, saved) = device.norm().norm(&args, true)?;
/// assert_eq!((y.to_vec::<f64>()?, mean.item()?, variance.item()?), (vec![4.0, 6.0], 2.0, 1.0));
/// let g = Tensor::new(&[1.0f64, 1.0], &[2, 1])?;
/// let [x, _, bias] = device.norm().norm_backward(&args, saved.unwrap(), g, &[true, false, true])?;
/// assert_eq!(x.unwrap().to_vec::<f64>()?, [0.0, 0.0]); // a shift of all moves nothing
/// assert_eq!(bias.unwrap().to_vec::<f64>()?, [2.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails, or `saved` is another family's. Shapes are checked before.
pub trait Norm: Send + Sync {
    /// y = (x - mean) / √(variance + eps) · weight + bias. With `keep`, also gives what backward needs.
    fn norm(&self, args: &NormArgs, keep: bool) -> Result<(NormOut, Option<Saved>)>;

    /// Gradients of x, weight and bias; those not needed may be `None`.
    fn norm_backward(
        &self,
        args: &NormArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]>;
}
