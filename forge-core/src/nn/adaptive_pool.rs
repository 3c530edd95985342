use super::Module;
use crate::{Cx, Result, Tensor, ops, parameters};

/// The mean of each of so many parts, whatever the operand's size: [`AdaptiveAvgPool1d`] or [`AdaptiveAvgPool2d`].
///
/// ```
/// use forge_core::{nn::{AdaptiveAvgPool2d, Module}, Cx, DType, Device, Tensor};
/// let x = Tensor::zeros(&[4, 3, 13, 17], DType::F32, &Device::cpu())?;
/// assert_eq!(AdaptiveAvgPool2d::new([2, 3]).forward(&Cx::infer(), &x)?.shape(), [4, 3, 2, 3]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AdaptiveAvgPool<const D: usize>([usize; D]);

/// The mean of each of so many parts of `[batch, channels, length]`.
///
/// See [`Tensor::adaptive_avg_pool1d`].
///
/// ```
/// use forge_core::{nn::{AdaptiveAvgPool1d, Module}, Cx, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 1, 5])?;
/// assert_eq!(AdaptiveAvgPool1d::new([2]).forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// The mean of each of so many rows and columns of parts of `[batch, channels, height, width]`.
///
/// See [`AdaptiveAvgPool`] and [`Tensor::adaptive_avg_pool2d`].
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

parameters!(AdaptiveAvgPool<1> {});
parameters!(AdaptiveAvgPool<2> {});

impl<const D: usize> AdaptiveAvgPool<D> {
    /// A layer that gives so many elements a dimension.
    pub fn new(size: [usize; D]) -> Self {
        AdaptiveAvgPool(size)
    }
}

impl<const D: usize> Module for AdaptiveAvgPool<D>
where
    AdaptiveAvgPool<D>: crate::Parameters,
{
    /// `[batch, channels, …] → [batch, channels, size…]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let op = if D == 1 { "adaptive_avg_pool1d" } else { "adaptive_avg_pool2d" };
        ops::adaptive(op, x, ops::AVERAGE, self.0)
    }

    fn describe(&self) -> String {
        format!("adaptive_avg_pool{D}d({:?})", self.0)
    }
}
