use super::{Module, Tail};
use crate::backend::PoolKind;
use crate::ops::{self, PoolOptions};
use crate::{Cx, Result, Tensor, parameters};

/// The largest element under a sliding kernel: [`MaxPool1d`] or [`MaxPool2d`].
///
/// ```
/// use forge_core::{nn::{MaxPool2d, Module}, ops::PoolOptions, Cx, DType, Device, Tensor};
/// let layer = MaxPool2d::new(PoolOptions::new([2, 2]));
/// let x = Tensor::zeros(&[4, 3, 28, 28], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [4, 3, 14, 14]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct MaxPool<const D: usize>(PoolOptions<D>);

/// The mean under a sliding kernel: [`AvgPool1d`] or [`AvgPool2d`].
///
/// ```
/// use forge_core::{nn::{AvgPool1d, AvgPool2d, MaxPool1d, Module}, ops::PoolOptions, Cx, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 5.0, 8.0], &[1, 1, 4])?;
/// assert_eq!(AvgPool1d::new(PoolOptions::new([2])).forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [1.5, 6.5]);
/// assert_eq!(MaxPool1d::new(PoolOptions::new([2])).forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [2.0, 8.0]);
/// let image = x.reshape(&[1, 1, 2, 2])?;
/// assert_eq!(AvgPool2d::new(PoolOptions::new([2, 2])).forward(&Cx::infer(), &image)?.to_vec::<f32>()?, [4.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AvgPool<const D: usize>(PoolOptions<D>);

/// The largest element under a kernel that slides over `[batch, channels, length]`.
///
/// See [`AvgPool`].
pub type MaxPool1d = MaxPool<1>;
/// The largest element under a kernel that slides over `[batch, channels, height, width]`.
///
/// See [`MaxPool`].
pub type MaxPool2d = MaxPool<2>;
/// The mean under a kernel that slides over `[batch, channels, length]`.
///
/// See [`AvgPool`].
pub type AvgPool1d = AvgPool<1>;
/// The mean under a kernel that slides over `[batch, channels, height, width]`.
///
/// See [`AvgPool`].
pub type AvgPool2d = AvgPool<2>;

parameters!(MaxPool<1> {});
parameters!(MaxPool<2> {});
parameters!(AvgPool<1> {});
parameters!(AvgPool<2> {});

impl From<PoolOptions<1>> for Tail {
    fn from(options: PoolOptions<1>) -> Self {
        Tail::MaxPool1d(options)
    }
}

impl From<PoolOptions<2>> for Tail {
    fn from(options: PoolOptions<2>) -> Self {
        Tail::MaxPool2d(options)
    }
}

impl<const D: usize> MaxPool<D> {
    /// A layer with these settings.
    pub fn new(options: PoolOptions<D>) -> Self {
        MaxPool(options)
    }
}

impl<const D: usize> AvgPool<D> {
    /// A layer with these settings.
    pub fn new(options: PoolOptions<D>) -> Self {
        AvgPool(options)
    }
}

impl<const D: usize> Module for MaxPool<D>
where
    MaxPool<D>: crate::Parameters,
    PoolOptions<D>: Into<Tail>,
{
    /// `[batch, channels, …] → [batch, channels, …]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let op = if D == 1 { "max_pool1d" } else { "max_pool2d" };
        ops::slide(op, x, PoolKind::Max, &self.0)
    }

    fn tail(&self) -> Option<Tail> {
        Some(self.0.into())
    }

    fn describe(&self) -> String {
        format!("max_pool{D}d(kernel {:?}, stride {:?})", self.0.kernel, self.0.stride)
    }
}

impl<const D: usize> Module for AvgPool<D>
where
    AvgPool<D>: crate::Parameters,
{
    /// `[batch, channels, …] → [batch, channels, …]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let op = if D == 1 { "avg_pool1d" } else { "avg_pool2d" };
        ops::slide(op, x, self.0.average(), &self.0)
    }

    fn describe(&self) -> String {
        format!("avg_pool{D}d(kernel {:?}, stride {:?})", self.0.kernel, self.0.stride)
    }
}
