use super::MovingAverage;
use crate::nn::{Init, Linear, Module};
use crate::{Cx, Error, Result, Tensor, parameters};

/// Trend and season of a sequence, each continued by one linear map over time that all features share: Zeng and others,
/// *Are transformers effective for time series forecasting?*, AAAI 2023.
///
/// `[batch, lookback, features]` → `[batch, horizon, features]`: y = W₁ (x - trend) + b₁ + W₂ trend + b₂ over time.
///
/// ```
/// use forge_core::{nn::{DLinear, Init, Module}, Cx, DType, Device, Tensor};
/// let model = DLinear::new(&Init::new(0), 96, 24, 25)?;
/// let x = Tensor::zeros(&[8, 96, 7], DType::F32, &Device::cpu())?;
/// assert_eq!(model.forward(&Cx::infer(), &x)?.shape(), [8, 24, 7]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct DLinear {
    average: MovingAverage,
    seasonal: Linear,
    trend: Linear,
}

parameters!(DLinear {} layers { seasonal, trend });

impl DLinear {
    /// From `lookback` steps to `horizon` steps; the trend is a moving average over `kernel` steps, 25 in the paper.
    ///
    /// # Errors
    /// When a size is 0.
    pub fn new(init: &Init, lookback: usize, horizon: usize, kernel: usize) -> Result<Self> {
        check("dlinear", lookback, horizon)?;
        Ok(DLinear {
            average: MovingAverage::new(kernel)?,
            seasonal: Linear::new(&init.within("seasonal"), lookback, horizon)?,
            trend: Linear::new(&init.within("trend"), lookback, horizon)?,
        })
    }
}

impl Module for DLinear {
    /// `[batch, lookback, features] → [batch, horizon, features]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let (trend, season) = self.average.decompose(x)?;
        let trend = cx.within("trend", |cx| over_time(cx, &self.trend, &trend))?;
        let season = cx.within("seasonal", |cx| over_time(cx, &self.seasonal, &season))?;
        trend + season
    }

    fn describe(&self) -> String {
        format!("dlinear({}, {})", self.average.describe(), self.trend.describe())
    }
}

/// A sequence less its last step, continued by one linear map over time that all features share, plus that step: the
/// second model of the same paper as [`DLinear`], for series whose level moves.
///
/// `[batch, lookback, features]` → `[batch, horizon, features]`: y = (x - x_last) Wᵀ + b + x_last over time. Zeng and others,
/// AAAI 2023.
///
/// ```
/// use forge_core::{nn::{Init, Module, NLinear}, Cx, DType, Device, Tensor};
/// let model = NLinear::new(&Init::new(0), 96, 24)?;
/// let x = Tensor::zeros(&[8, 96, 7], DType::F32, &Device::cpu())?;
/// assert_eq!(model.forward(&Cx::infer(), &x)?.shape(), [8, 24, 7]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NLinear {
    linear: Linear,
}

parameters!(NLinear {} layers { linear });

impl NLinear {
    /// From `lookback` steps to `horizon` steps.
    ///
    /// # Errors
    /// When a size is 0.
    pub fn new(init: &Init, lookback: usize, horizon: usize) -> Result<Self> {
        check("nlinear", lookback, horizon)?;
        Ok(NLinear { linear: Linear::new(&init.within("linear"), lookback, horizon)? })
    }
}

impl Module for NLinear {
    /// `[batch, lookback, features] → [batch, horizon, features]`
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let time = match *x.shape() {
            [_, time, _] if time > 0 => time,
            _ => {
                let why = format!("{:?} is not [batch, lookback, features]", x.shape());
                return Err(Error::shape("nlinear", why));
            }
        };
        let last = x.narrow(1, time - 1, 1)?;
        let rest = (x - &last)?;
        let ahead = cx.within("linear", |cx| over_time(cx, &self.linear, &rest))?;
        ahead + &last
    }

    fn describe(&self) -> String {
        format!("nlinear({})", self.linear.describe())
    }
}

fn check(op: &'static str, lookback: usize, horizon: usize) -> Result<()> {
    if lookback == 0 || horizon == 0 {
        return Err(Error::argument(
            op,
            format!("lookback {lookback} and horizon {horizon} must both be at least 1"),
        ));
    }
    Ok(())
}

/// A linear map of the time steps of each feature.
fn over_time(cx: &Cx, linear: &Linear, x: &Tensor) -> Result<Tensor> {
    linear.forward(cx, &x.permute(&[0, 2, 1])?)?.permute(&[0, 2, 1])
}
