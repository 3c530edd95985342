use crate::nn::{Init, Initial, Module};
use crate::{Cx, Error, Param, Result, Tensor, parameters};

/// Reversible instance normalisation: each sequence is brought to mean 0 and variance 1 before a model sees it, and the
/// forecast is brought back: Kim and others, *Reversible instance normalization for accurate time-series forecasting
/// against distribution shift*, ICLR 2022.
///
/// Parameters have the names of the authors' code: `affine_weight` and `affine_bias`, `[features]`. The way back is the
/// exact inverse.
///
/// ```
/// use forge_core::{nn::{Init, RevIn}, Cx, Tensor};
/// let layer = RevIn::new(&Init::new(0), 1)?;
/// let x = Tensor::new(&[10.0f32, 20.0, 30.0], &[1, 3, 1])?;
/// let (y, statistics) = layer.normalize(&Cx::infer(), &x)?;
/// assert!(y.sum_all()?.item()?.abs() < 1e-6);
/// let back = layer.restore(&Cx::infer(), &y, &statistics)?;
/// assert_eq!(back.to_vec::<f32>()?, x.to_vec::<f32>()?);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RevIn {
    affine_weight: Param,
    affine_bias: Param,
}

parameters!(RevIn { affine_weight, affine_bias });

/// Mean and standard deviation of each sequence and feature, `[batch, 1, features]`. No gradient passes through them.
///
/// See [`RevIn`].
///
/// ```
/// use forge_core::{nn::{Init, RevIn, Statistics}, Cx, Tensor};
/// let layer = RevIn::new(&Init::new(0), 1)?;
/// let (_, statistics): (Tensor, Statistics) = layer.normalize(&Cx::infer(), &Tensor::new(&[2.0f32, 4.0], &[1, 2, 1])?)?;
/// let step = layer.restore(&Cx::infer(), &Tensor::new(&[0.0f32], &[1, 1, 1])?, &statistics)?;
/// assert_eq!(step.item()?, 3.0); // the mean
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Statistics {
    mean: Tensor,
    deviation: Tensor,
}

/// Added to the variance, as in the authors' code.
const EPS: f64 = 1e-5;

impl RevIn {
    /// Weights of 1 and biases of 0 for `features` features.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(init: &Init, features: usize) -> Result<Self> {
        Ok(RevIn {
            affine_weight: init.draw("affine_weight", &[features], &Initial::Ones)?,
            affine_bias: init.draw("affine_bias", &[features], &Initial::Zeros)?,
        })
    }

    /// (x - mean) / √(variance + 1e-5) · weight + bias over the time of each sequence `[batch, time, features]`, with
    /// what [`RevIn::restore`] needs.
    ///
    /// # Errors
    /// When the shape does not fit, or the sequence is empty.
    pub fn normalize(&self, cx: &Cx, x: &Tensor) -> Result<(Tensor, Statistics)> {
        self.check(x)?;
        let data = x.detach();
        let mean = data.mean(&[1], true)?;
        let variance = (&data - &mean)?.square()?.mean(&[1], true)?;
        let statistics = Statistics { mean, deviation: variance.add_scalar(EPS)?.sqrt()? };
        let scaled = ((x - &statistics.mean)? / &statistics.deviation)?;
        let y = ((scaled * cx.param(&self.affine_weight))? + cx.param(&self.affine_bias))?;
        Ok((y, statistics))
    }

    /// The inverse, for a forecast `[batch, horizon, features]`: (y - bias) / weight · √(variance + 1e-5) + mean.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn restore(&self, cx: &Cx, y: &Tensor, statistics: &Statistics) -> Result<Tensor> {
        self.check(y)?;
        let scaled = ((y - cx.param(&self.affine_bias))? / cx.param(&self.affine_weight))?;
        (scaled * &statistics.deviation)? + &statistics.mean
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let features = self.affine_weight.shape()[0];
        match *x.shape() {
            [_, time, width] if time > 0 && width == features => Ok(()),
            _ => Err(Error::shape("revin", format!("{:?} is not [batch, time, {features}]", x.shape()))),
        }
    }
}

/// A model between both ways of a [`RevIn`]: it sees normalised sequences, and its forecasts come back in the data's own
/// scale.
///
/// `[batch, lookback, features]` → `[batch, horizon, features]`. Kim and others, ICLR 2022.
///
/// ```
/// use forge_core::{nn::{DLinear, Init, Module, Normalized}, Cx, DType, Device, Tensor};
/// let init = Init::new(0);
/// let model = Normalized::new(&init, 7, DLinear::new(&init.within("model"), 96, 24, 25)?)?;
/// let x = Tensor::zeros(&[8, 96, 7], DType::F32, &Device::cpu())?;
/// assert_eq!(model.forward(&Cx::infer(), &x)?.shape(), [8, 24, 7]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Normalized {
    revin: RevIn,
    model: Box<dyn Module>,
}

impl Normalized {
    /// `model` maps `[batch, lookback, features]` to `[batch, horizon, features]`.
    ///
    /// # Errors
    /// As [`RevIn::new`].
    pub fn new(init: &Init, features: usize, model: impl Module + 'static) -> Result<Self> {
        Ok(Normalized { revin: RevIn::new(&init.within("revin"), features)?, model: Box::new(model) })
    }
}

parameters!(Normalized {} layers { revin, model });

impl Module for Normalized {
    /// `[batch, lookback, features] → [batch, horizon, features]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let (x, statistics) = cx.within("revin", |cx| self.revin.normalize(cx, x))?;
        let y = cx.within("model", |cx| self.model.forward(cx, &x))?;
        cx.within("revin", |cx| self.revin.restore(cx, &y, &statistics))
    }

    fn describe(&self) -> String {
        format!("revin({})", self.model.describe())
    }
}
