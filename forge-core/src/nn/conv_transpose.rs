use super::{Init, Module};
use crate::ops::ConvTransposeOptions;
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// The transpose of a convolution, which enlarges an image.
///
/// Names and first weights are PyTorch's: `weight` `[in channels, out channels / groups, height, width]` and `bias` `[out
/// channels]`, uniform in ±1/√(out channels / groups · kernel).
///
/// Formula and sizes are those of [`Tensor::conv_transpose2d`].
///
/// ```
/// use forge_core::{nn::{ConvTranspose2d, Init, Module}, ops::ConvTransposeOptions, Cx, DType, Device, Tensor};
/// let twice = ConvTransposeOptions { stride: [2, 2], ..ConvTransposeOptions::default() };
/// let layer = ConvTranspose2d::new(&Init::new(0), 16, 8, [2, 2], twice)?;
/// let x = Tensor::zeros(&[4, 16, 7, 7], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [4, 8, 14, 14]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{ConvTranspose2d, Init}, ops::ConvTransposeOptions, Parameters};
/// let layer = ConvTranspose2d::new(&Init::new(0), 16, 8, [2, 2], ConvTransposeOptions::default())?.without_bias();
/// assert_eq!(layer.parameter_count(), 16 * 8 * 4);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvTranspose2d {
    weight: Param,
    bias: Option<Param>,
    options: ConvTransposeOptions,
}

parameters!(ConvTranspose2d { weight } optional { bias });

impl ConvTranspose2d {
    /// A layer with a bias.
    ///
    /// # Errors
    /// When a size is 0 or the groups do not divide the channels.
    pub fn new(
        init: &Init,
        in_channels: usize,
        out_channels: usize,
        kernel: [usize; 2],
        options: ConvTransposeOptions,
    ) -> Result<Self> {
        let groups = options.groups;
        let fits = |channels: usize| channels > 0 && channels.checked_rem(groups) == Some(0);
        if !fits(in_channels) || !fits(out_channels) || kernel.contains(&0) {
            return Err(Error::argument(
                "conv_transpose2d",
                format!(
                    "in_channels {in_channels}, out_channels {out_channels} and kernel {kernel:?} must be at least 1, \
                     and groups {groups} must divide the channels"
                ),
            ));
        }
        let shape = [in_channels, out_channels / groups, kernel[0], kernel[1]];
        let bound = 1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt();
        Ok(ConvTranspose2d {
            weight: init.uniform("weight", &shape, bound)?,
            bias: Some(init.uniform("bias", &[out_channels], bound)?),
            options,
        })
    }

    /// The same without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

impl Module for ConvTranspose2d {
    /// `[batch, in channels, height, width] → [batch, out channels, …]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|b| cx.param(b));
        x.conv_transpose2d(&cx.param(&self.weight), bias.as_ref(), &self.options)
    }

    fn describe(&self) -> String {
        let (shape, options) = (self.weight.shape(), &self.options);
        let out = shape[1] * options.groups;
        format!(
            "conv_transpose2d({} → {out}, kernel {:?}, stride {:?})",
            shape[0],
            &shape[2..],
            options.stride
        )
    }
}
