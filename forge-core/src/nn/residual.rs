use super::{BatchNorm, Conv2d, Init, Module, Sequential};
use crate::ops::{ConvOptions, Padding};
use crate::{Cx, Result, Tensor, parameters};

/// relu(x + bn2(conv2(relu(bn1(conv1(x)))))), with x itself through a 1 × 1 convolution and a norm where its shape changes.
/// He, Zhang, Ren and Sun, CVPR 2016.
///
/// Names are those of torchvision's `BasicBlock`: `conv1`, `bn1`, `conv2`, `bn2`, `downsample.0`, `downsample.1`.
///
/// ```
/// use forge_core::{nn::{Init, Module, ResidualBlock}, Cx, DType, Device, Tensor};
/// let block = ResidualBlock::new(&Init::new(0), 8, 16, 2)?;
/// let x = Tensor::zeros(&[4, 8, 14, 14], DType::F32, &Device::cpu())?;
/// assert_eq!(block.forward(&Cx::infer(), &x)?.shape(), [4, 16, 7, 7]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct ResidualBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<Sequential>,
}

parameters!(ResidualBlock {} layers { conv1, bn1, conv2, bn2, downsample });

impl ResidualBlock {
    /// Two 3 × 3 convolutions, the first with the stride.
    ///
    /// # Errors
    /// When a size is 0.
    pub fn new(init: &Init, in_channels: usize, out_channels: usize, stride: usize) -> Result<Self> {
        let conv = |name: &str, inputs: usize, kernel: usize, stride: usize| -> Result<Conv2d> {
            let padding = Padding::all(kernel / 2);
            let options = ConvOptions { stride: [stride; 2], padding, ..ConvOptions::default() };
            Ok(Conv2d::new(&init.within(name), inputs, out_channels, [kernel; 2], options)?.without_bias())
        };
        let norm = |name: &str| BatchNorm::new(&init.within(name), out_channels);
        let downsample = match stride == 1 && in_channels == out_channels {
            true => None,
            false => Some(
                Sequential::new()
                    .with("0", conv("downsample.0", in_channels, 1, stride)?)
                    .with("1", norm("downsample.1")?),
            ),
        };
        Ok(ResidualBlock {
            conv1: conv("conv1", in_channels, 3, stride)?,
            bn1: norm("bn1")?,
            conv2: conv("conv2", out_channels, 3, 1)?,
            bn2: norm("bn2")?,
            downsample,
        })
    }
}

impl Module for ResidualBlock {
    /// `[batch, in channels, height, width] → [batch, out channels, …]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let run = |name: &str, layer: &dyn Module, x: &Tensor| cx.within(name, |cx| layer.forward(cx, x));
        let y = run("bn1", &self.bn1, &run("conv1", &self.conv1, x)?)?.relu()?;
        let y = run("bn2", &self.bn2, &run("conv2", &self.conv2, &y)?)?;
        let shortcut = match &self.downsample {
            Some(layer) => run("downsample", layer, x)?,
            None => x.clone(),
        };
        (&y + &shortcut)?.relu()
    }

    fn describe(&self) -> String {
        format!("residual({}, {})", self.conv1.describe(), self.conv2.describe())
    }
}
