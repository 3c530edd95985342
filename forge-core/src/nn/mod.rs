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
///
/// A layer of one's own names its parameters by [`parameters!`](crate::parameters) and computes with the operations of
/// [`Tensor`]; derivatives follow.
///
/// ```
/// use forge_core::{nn::{Init, Initial, Module}, parameters, Cx, Param, Parameters, Result, Tensor};
///
/// /// y = x · scale, with a weight `[features]`.
/// struct Scale { scale: Param }
///
/// parameters!(Scale { scale });
///
/// impl Module for Scale {
///     fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
///         x * cx.param(&self.scale)
///     }
///
///     fn describe(&self) -> String {
///         format!("scale({})", self.scale.count())
///     }
/// }
///
/// let layer = Scale { scale: Init::new(0).draw("scale", &[2], &Initial::Ones)? };
/// assert_eq!((layer.describe(), layer.parameter_count()), ("scale(2)".to_owned(), 2));
/// let cx = Cx::train(0, 0);
/// let loss = layer.forward(&cx, &Tensor::new(&[3.0f32, 4.0, 5.0, 6.0], &[2, 2])?)?.sum_all()?;
/// assert_eq!(loss.backward(cx)?.of(&layer.scale).unwrap().to_vec::<f32>()?, [8.0, 10.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Module: Parameters + Send + Sync {
    /// The output for a batch of inputs.
    ///
    /// # Errors
    /// When the shape does not fit; the message names the layer in a [`Sequential`].
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor>;

    /// A short description, such as `linear(64 → 10)`.
    fn describe(&self) -> String;

    /// What it does, if it has no parameters and is done by some layers in their own pass.
    ///
    /// See [`Module::fuse`].
    fn tail(&self) -> Option<Tail> {
        None
    }

    /// Takes over the layer that follows it in a [`Sequential`], so that both are one pass over memory with the same
    /// result; says whether it did.
    ///
    /// ```
    /// use forge_core::{nn::{Activation, Init, LastStep, Linear, Lstm, Module, Tail}, backend::{Unary, UnaryKind}};
    /// assert_eq!(LastStep.tail(), Some(Tail::LastStep));
    /// let relu = Activation::relu().tail().unwrap();
    /// assert_eq!(relu, Tail::Elementwise(Unary::new(UnaryKind::Relu)));
    /// let mut layer = Linear::new(&Init::new(0), 3, 2)?;
    /// assert!(layer.fuse(relu)); // one pass over memory
    /// assert_eq!(layer.describe(), "linear(3 → 2) → relu");
    /// assert!(!layer.fuse(relu)); // there is one already
    /// assert!(Lstm::new(&Init::new(0), 3, 2, 1, 0.0)?.fuse(Tail::LastStep));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    fn fuse(&mut self, _tail: Tail) -> bool {
        false
    }
}

/// A layer without parameters that the layer before it may do in its own pass; see [`Module::fuse`].
///
/// See [`Module::fuse`].
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
