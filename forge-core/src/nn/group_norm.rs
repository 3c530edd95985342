use super::{Init, Initial, Module};
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// Parts of the channels of each element of a batch set to mean 0 and variance 1, then scaled and shifted. Names are
/// PyTorch's: `weight` and `bias` `[channels]`. Wu and He, ECCV 2018.
///
/// ```
/// use forge_core::{nn::{GroupNorm, Init, Module}, Cx, Tensor};
/// let layer = GroupNorm::new(&Init::new(0), 2, 4)?.eps(0.0);
/// let x = Tensor::new(&[1.0f32, 3.0, 5.0, 9.0], &[1, 4])?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{GroupNorm, Init}, Parameters};
/// assert_eq!(GroupNorm::new(&Init::new(0), 2, 4)?.parameter_count(), 8);
/// assert_eq!(GroupNorm::new(&Init::new(0), 2, 4)?.without_affine().parameter_count(), 0);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GroupNorm {
    weight: Option<Param>,
    bias: Option<Param>,
    groups: usize,
    eps: f64,
}

parameters!(GroupNorm {} optional { weight, bias });

impl GroupNorm {
    /// Weight 1, bias 0, ε 10⁻⁵.
    ///
    /// # Errors
    /// When the groups do not divide the channels, or there are none.
    pub fn new(init: &Init, groups: usize, channels: usize) -> Result<Self> {
        if channels == 0 || channels.checked_rem(groups) != Some(0) {
            return Err(Error::argument(
                "group_norm",
                format!("{groups} groups do not divide {channels} channels"),
            ));
        }
        Ok(GroupNorm {
            weight: Some(init.draw("weight", &[channels], &Initial::Ones)?),
            bias: Some(init.draw("bias", &[channels], &Initial::Zeros)?),
            groups,
            eps: 1e-5,
        })
    }

    /// The number added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The same without weight and bias.
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

impl Module for GroupNorm {
    /// `[batch, channels, …]`, the same shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| cx.param(p)));
        x.group_norm(self.groups, weight.as_ref(), bias.as_ref(), self.eps)
    }

    fn describe(&self) -> String {
        format!("group_norm({} groups)", self.groups)
    }
}
