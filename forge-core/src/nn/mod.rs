//! Layers and models.

mod activation;
mod dropout;
mod embedding;
mod flatten;
mod forecast;
mod gru;
mod init;
mod last_step;
mod linear;
mod lstm;
mod recurrent;
mod sequential;
mod transformer;

pub use activation::Activation;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use forecast::{DLinear, MovingAverage, NLinear, Normalized, RevIn, Statistics};
pub use gru::Gru;
pub use init::Init;
pub use last_step::LastStep;
pub use linear::Linear;
pub use lstm::Lstm;
pub use sequential::Sequential;
pub use transformer::{MultiHeadAttention, PositionalEncoding};

use crate::{Cx, Parameters, Result, Tensor};

/// A layer or model of one input and one output.
///
/// Weights enter `forward` only through [`Cx::param`]. See [`Linear`] for the shape of an implementation.
pub trait Module: Parameters + Send + Sync {
    /// The output for a batch of inputs.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor>;

    /// A short description, such as `linear(64 → 10)`.
    fn describe(&self) -> String;
}
