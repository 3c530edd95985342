use super::{Module, Tail};
use crate::backend::{Unary, UnaryKind};
use crate::{Cx, Result, Tensor, parameters};

/// An elementwise function as a layer.
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
