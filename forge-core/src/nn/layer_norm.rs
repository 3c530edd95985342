use super::{Init, Initial, Module};
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// The last dimensions set to mean 0 and variance 1, then scaled and shifted. Names are PyTorch's: `weight` and `bias` of the
/// shape of those dimensions. Ba, Kiros and Hinton, 2016.
///
/// ```
/// use forge_core::{nn::{Init, LayerNorm, Module}, Cx, Tensor};
/// let layer = LayerNorm::new(&Init::new(0), &[2])?.eps(0.0);
/// let x = Tensor::new(&[1.0f32, 3.0], &[1, 2])?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Init, LayerNorm}, Parameters};
/// let layer = || LayerNorm::new(&Init::new(0), &[3, 2]);
/// assert_eq!(layer()?.parameter_count(), 12);
/// assert_eq!(layer()?.without_bias().parameter_count(), 6);
/// assert_eq!(layer()?.without_affine().parameter_count(), 0);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    weight: Option<Param>,
    bias: Option<Param>,
    shape: Vec<usize>,
    eps: f64,
}

parameters!(LayerNorm {} optional { weight, bias });

impl LayerNorm {
    /// Weight 1, bias 0, ε 10⁻⁵, for operands whose last dimensions are `shape`.
    ///
    /// # Errors
    /// When `shape` has no dimension or an empty one.
    pub fn new(init: &Init, shape: &[usize]) -> Result<Self> {
        if shape.is_empty() || shape.contains(&0) {
            return Err(Error::argument(
                "layer_norm",
                format!("a shape of {shape:?} holds nothing to normalise"),
            ));
        }
        Ok(LayerNorm {
            weight: Some(init.draw("weight", shape, &Initial::Ones)?),
            bias: Some(init.draw("bias", shape, &Initial::Zeros)?),
            shape: shape.to_vec(),
            eps: 1e-5,
        })
    }

    /// The number added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The same without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same without weight and bias.
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

impl Module for LayerNorm {
    /// `[…, shape]`, the same shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        if !x.shape().ends_with(&self.shape) {
            return Err(Error::shape(
                "layer_norm",
                format!("{:?} does not end in {:?}", x.shape(), self.shape),
            ));
        }
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| cx.param(p)));
        x.layer_norm(self.shape.len(), weight.as_ref(), bias.as_ref(), self.eps)
    }

    fn describe(&self) -> String {
        format!("layer_norm({:?})", self.shape)
    }
}
