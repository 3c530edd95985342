//! Layers and models.

mod activation;
mod adaptive_pool;
mod batch_norm;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod flatten;
mod forecast;
mod global_pool;
mod group_norm;
mod gru;
mod init;
mod initial;
mod last_step;
mod layer_norm;
mod linear;
mod lstm;
mod pool;
mod recurrent;
mod residual;
mod sequential;
mod transformer;

pub use activation::Activation;
pub use adaptive_pool::{AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d};
pub use batch_norm::BatchNorm;
pub use conv::{Conv, Conv1d, Conv2d};
pub use conv_transpose::ConvTranspose2d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use forecast::{DLinear, MovingAverage, NLinear, Normalized, RevIn, Statistics};
pub use global_pool::GlobalPool;
pub use group_norm::GroupNorm;
pub use gru::Gru;
pub use init::Init;
pub use initial::{Fan, Gain, Initial};
pub use last_step::LastStep;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use lstm::Lstm;
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, MaxPool, MaxPool1d, MaxPool2d};
pub use residual::ResidualBlock;
pub use sequential::Sequential;
pub use transformer::{MultiHeadAttention, PositionalEncoding, TransformerEncoder, TransformerEncoderLayer};

use crate::backend::{Keep, Unary};
use crate::ops::PoolOptions;
use crate::{Cx, Parameters, Result, Tensor};

/// A layer or model of one input and one output.
///
/// Weights enter `forward` only through [`Cx::param`]. See [`Linear`] for the shape of an implementation.
pub trait Module: Parameters + Send + Sync {
    /// The output for a batch of inputs.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor>;

    /// A short description, such as `linear(64 → 10)`.
    fn describe(&self) -> String;

    /// What it does, if it has no parameters and is done by some layers in their own pass.
    fn tail(&self) -> Option<Tail> {
        None
    }

    /// Takes over the layer that follows it in a [`Sequential`], so that both are one pass over memory with the same
    /// result; says whether it did.
    fn fuse(&mut self, _tail: Tail) -> bool {
        false
    }
}

/// A layer without parameters that the layer before it may do in its own pass; see [`Module::fuse`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tail {
    /// An elementwise function.
    Elementwise(Unary),
    /// The largest element under a kernel that slides over `[batch, channels, length]`.
    MaxPool1d(PoolOptions<1>),
    /// The largest element under a kernel that slides over `[batch, channels, height, width]`.
    MaxPool2d(PoolOptions<2>),
    /// Only the last time step is used.
    LastStep,
}

impl Tail {
    /// The elementwise function, if its derivative is computed from its result.
    fn by_result(self) -> Option<Unary> {
        match self {
            Tail::Elementwise(op) if op.kind.keep() == Keep::Output => Some(op),
            _ => None,
        }
    }
}
