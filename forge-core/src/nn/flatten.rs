use super::Module;
use crate::{Cx, Result, Tensor, parameters};

/// All dimensions after the first made one.
///
/// `[batch, a, b, …]` → `[batch, a b …]`.
///
/// ```
/// use forge_core::{nn::{Flatten, Module}, Cx, DType, Device, Tensor};
/// let x = Tensor::zeros(&[8, 3, 4, 5], DType::F32, &Device::cpu())?;
/// assert_eq!(Flatten.forward(&Cx::infer(), &x)?.shape(), [8, 60]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Flatten;

parameters!(Flatten {});

impl Module for Flatten {
    /// `[batch, …] → [batch, product of the others]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let batch = x.shape().first().copied().unwrap_or(1);
        let rest = x.shape().iter().skip(1).product();
        x.reshape(&[batch, rest])
    }

    fn describe(&self) -> String {
        "flatten".into()
    }
}
