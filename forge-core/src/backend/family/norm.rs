//! Normalisation: elements set to mean 0 and variance 1 over some dimensions, then scaled and shifted.

use super::Saved;
use crate::{Result, Tensor};

/// Which elements share a mean and a variance, and which a weight and a bias.
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
