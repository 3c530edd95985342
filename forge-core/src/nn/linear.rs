use super::{Init, Initial, Module, Tail};
use crate::backend::Unary;
use crate::{Cx, Param, Result, Tensor, parameters};

/// y = x Wᵀ + b
///
/// `[…, in_features]` → `[…, out_features]`, with PyTorch's names: `weight` `[out_features, in_features]` and `bias`
/// `[out_features]`.
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, Cx, Tensor};
/// let layer = Linear::new(&Init::new(0), 3, 2)?;
/// let y = layer.forward(&Cx::infer(), &Tensor::new(&[1.0f32; 12], &[4, 3])?)?;
/// assert_eq!(y.shape(), [4, 2]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear {
    /// `[out_features, in_features]`
    pub(in crate::nn) weight: Param,
    /// `[out_features]`
    pub(in crate::nn) bias: Param,
    /// Done in the same pass.
    activation: Option<Unary>,
}

parameters!(Linear { weight, bias });

impl Linear {
    /// Weights and biases uniform in ±1/√in_features, as PyTorch's default (He and others, ICCV 2015, with a = √5).
    ///
    /// # Errors
    /// When the weight holds more numbers than memory.
    pub fn new(init: &Init, in_features: usize, out_features: usize) -> Result<Self> {
        let bound = 1.0 / (in_features.max(1) as f64).sqrt();
        Ok(Linear {
            weight: init.uniform("weight", &[out_features, in_features], bound)?,
            bias: init.uniform("bias", &[out_features], bound)?,
            activation: None,
        })
    }

    /// The same with biases of 0.
    pub(super) fn without_first_bias(init: &Init, in_features: usize, out_features: usize) -> Result<Self> {
        Ok(Linear {
            bias: init.draw("bias", &[out_features], &Initial::Zeros)?,
            ..Self::new(init, in_features, out_features)?
        })
    }
}

impl Module for Linear {
    /// `[…, in_features] → […, out_features]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        x.linear(&cx.param(&self.weight), &cx.param(&self.bias), self.activation)
    }

    fn fuse(&mut self, tail: Tail) -> bool {
        let op = tail.by_result().filter(|_| self.activation.is_none());
        self.activation = self.activation.or(op);
        op.is_some()
    }

    fn describe(&self) -> String {
        let activation = self.activation.map_or(String::new(), |op| format!(" → {}", op.kind.name()));
        format!("linear({} → {}){activation}", self.weight.shape()[1], self.weight.shape()[0])
    }
}
