use super::{Init, Module, Tail};
use crate::ops::{self, ConvOptions, PoolOptions};
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// A convolution over `D` dimensions: [`Conv1d`] or [`Conv2d`].
///
/// Names and first weights are PyTorch's: `weight` `[out channels, in channels / groups, kernel…]` and `bias` `[out
/// channels]`, uniform in ±1/√(in channels / groups · kernel) (He and others, ICCV 2015, with a = √5).
///
/// Formula and sizes are those of [`Tensor::conv2d`].
///
/// ```
/// use forge_core::{nn::{Conv2d, Init, Module}, ops::{ConvOptions, Padding}, Cx, DType, Device, Tensor};
/// let same = ConvOptions { padding: Padding::Same, ..ConvOptions::default() };
/// let layer = Conv2d::new(&Init::new(0), 3, 16, [3, 3], same)?;
/// let x = Tensor::zeros(&[8, 3, 28, 28], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [8, 16, 28, 28]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Conv1d, Init}, ops::ConvOptions, Parameters};
/// let layer = Conv1d::new(&Init::new(0), 4, 8, [3], ConvOptions { groups: 2, ..ConvOptions::default() })?;
/// assert_eq!(layer.parameter_count(), 8 * 2 * 3 + 8);
/// assert_eq!(layer.without_bias().parameter_count(), 8 * 2 * 3);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Conv<const D: usize> {
    weight: Param,
    bias: Option<Param>,
    options: ConvOptions<D>,
    /// Maxima of the result are taken in the same pass.
    pool: Option<PoolOptions<D>>,
}

/// A convolution over a sequence, `[batch, channels, length]`.
///
/// See [`Conv`].
pub type Conv1d = Conv<1>;
/// A convolution over an image, `[batch, channels, height, width]`.
///
/// See [`Conv`].
pub type Conv2d = Conv<2>;

parameters!(Conv<1> { weight } optional { bias });
parameters!(Conv<2> { weight } optional { bias });

impl<const D: usize> Conv<D> {
    /// A layer with a bias.
    ///
    /// # Errors
    /// When a size is 0 or the groups do not divide the channels.
    pub fn new(
        init: &Init,
        in_channels: usize,
        out_channels: usize,
        kernel: [usize; D],
        options: ConvOptions<D>,
    ) -> Result<Self> {
        let groups = options.groups;
        let fits = |channels: usize| channels > 0 && channels.checked_rem(groups) == Some(0);
        if !fits(in_channels) || !fits(out_channels) || kernel.contains(&0) {
            return Err(Error::argument(
                "conv",
                format!(
                    "in_channels {in_channels}, out_channels {out_channels} and kernel {kernel:?} must be at least 1, \
                     and groups {groups} must divide the channels"
                ),
            ));
        }
        let shape: Vec<usize> = [out_channels, in_channels / groups].into_iter().chain(kernel).collect();
        let bound = 1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt();
        Ok(Conv {
            weight: init.uniform("weight", &shape, bound)?,
            bias: Some(init.uniform("bias", &[out_channels], bound)?),
            options,
            pool: None,
        })
    }

    /// The same without a bias, as before a batch norm.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

/// A layer over `D` dimensions that takes over a max-pooling of as many.
trait Pooled<const D: usize> {
    /// The pooling, if the tail is one.
    fn pooling(tail: Tail) -> Option<PoolOptions<D>>;
}

impl Pooled<1> for Conv1d {
    fn pooling(tail: Tail) -> Option<PoolOptions<1>> {
        if let Tail::MaxPool1d(options) = tail { Some(options) } else { None }
    }
}

impl Pooled<2> for Conv2d {
    fn pooling(tail: Tail) -> Option<PoolOptions<2>> {
        if let Tail::MaxPool2d(options) = tail { Some(options) } else { None }
    }
}

impl<const D: usize> Module for Conv<D>
where
    Conv<D>: crate::Parameters + Pooled<D>,
{
    /// `[batch, in channels, …] → [batch, out channels, …]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (cx.param(&self.weight), self.bias.as_ref().map(|b| cx.param(b)));
        let [op, pool] = if D == 1 { ["conv1d", "max_pool1d"] } else { ["conv2d", "max_pool2d"] };
        match &self.pool {
            None => ops::convolve(op, x, &weight, bias.as_ref(), &self.options),
            Some(of) => ops::convolve_max_pool([op, pool], x, &weight, bias.as_ref(), &self.options, of),
        }
    }

    /// An activation, then a max-pooling; nothing goes before what is already there.
    fn fuse(&mut self, tail: Tail) -> bool {
        if self.pool.is_some() {
            return false;
        }
        self.pool = Self::pooling(tail);
        let op = tail.by_result().filter(|_| self.options.activation.is_none());
        self.options.activation = self.options.activation.or(op);
        op.is_some() || self.pool.is_some()
    }

    fn describe(&self) -> String {
        let shape = self.weight.shape();
        let (inputs, out) = (shape[1] * self.options.groups, shape[0]);
        let activation = self.options.activation.map_or(String::new(), |op| format!(" → {}", op.kind.name()));
        let pool = self.pool.as_ref().map_or(String::new(), |pool| {
            format!(" → max_pool{D}d(kernel {:?}, stride {:?})", pool.kernel, pool.stride)
        });
        let stride = self.options.stride;
        format!("conv{D}d({inputs} → {out}, kernel {:?}, stride {stride:?}){activation}{pool}", &shape[2..])
    }
}
