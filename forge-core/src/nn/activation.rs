use super::{Module, Tail};
use crate::backend::{Unary, UnaryKind};
use crate::{Cx, Result, Tensor, parameters};

/// An elementwise function as a layer.
///
/// `[…]` → the same shape; the formula is the row's, see [`UnaryKind`](crate::backend::UnaryKind).
///
/// ```
/// use forge_core::{backend::{Unary, UnaryKind}, nn::{Activation, Module}, Cx, Tensor};
/// let x = Tensor::new(&[-2.0f64, 0.0, 2.0], &[3])?;
/// let apply = |layer: Activation| layer.forward(&Cx::infer(), &x)?.to_vec::<f64>();
/// assert_eq!(apply(Activation::relu())?, [0.0, 0.0, 2.0]);
/// assert_eq!(apply(Activation::sigmoid())?[1], 0.5);
/// assert_eq!(apply(Activation::tanh())?, x.tanh()?.to_vec::<f64>()?);
/// assert_eq!(apply(Activation::of(Unary::with(UnaryKind::LeakyRelu, 0.1)))?, [-0.2, 0.0, 2.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Activation(Unary);

parameters!(Activation {});

impl Activation {
    /// max(x, 0)
    pub fn relu() -> Self {
        Activation(Unary::new(UnaryKind::Relu))
    }

    /// tanh x
    pub fn tanh() -> Self {
        Activation(Unary::new(UnaryKind::Tanh))
    }

    /// 1 / (1 + e⁻ˣ)
    pub fn sigmoid() -> Self {
        Activation(Unary::new(UnaryKind::Sigmoid))
    }

    /// Any row of the elementwise table.
    pub fn of(op: Unary) -> Self {
        Activation(op)
    }
}

impl Module for Activation {
    /// Any shape.
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        x.unary(self.0)
    }

    fn tail(&self) -> Option<Tail> {
        Some(Tail::Elementwise(self.0))
    }

    fn describe(&self) -> String {
        self.0.kind.name().into()
    }
}
