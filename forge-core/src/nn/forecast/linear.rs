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
        if x.rank() != 3 {
            let why = format!("{:?} is not [batch, lookback, features]", x.shape());
            return Err(Error::shape("dlinear", why));
        }
        // The average is linear as well, so both maps are one of x itself, S (x - A x) + T A x = (S + (T - S) A) x: the
        // weights are averaged, not every sample, and there is one product instead of two.
        let weights = |layer: &Linear| (cx.param(&layer.weight), cx.param(&layer.bias));
        let ((season, season_bias), (trend, trend_bias)) = (weights(&self.seasonal), weights(&self.trend));
        let [horizon, lookback] = [season.shape()[0], season.shape()[1]];
        let moved =
            (&trend - &season)?.reshape(&[horizon, lookback, 1])?.over_average(self.average.kernel)?;
        let weight = (season + moved.reshape(&[horizon, lookback])?)?;
        let bias = (season_bias + trend_bias)?;
        x.permute(&[0, 2, 1])?.linear(&weight, &bias, None)?.permute(&[0, 2, 1])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::rng::Stream;

    /// Output and gradients as those of the paper's formula, written out.
    #[test]
    fn one_product_is_both_maps() -> Result<()> {
        let noise = Stream::new(4, "dlinear");
        let x: Vec<f64> = (0..2 * 9 * 3).map(|i| noise.normal(i)).collect();
        let x = Tensor::new(&x, &[2, 9, 3])?;
        for kernel in [1, 4, 5, 25] {
            let mut model = DLinear::new(&Init::new(3), 9, 4, kernel)?;
            model.convert(crate::DType::F64, &crate::Device::cpu())?;
            let results = |written_out: bool| -> Result<Vec<Vec<f64>>> {
                let cx = Cx::train(0, 0);
                let x = cx.track(&x)?;
                let y = match written_out {
                    false => model.forward(&cx, &x)?,
                    true => {
                        let (trend, season) = model.average.decompose(&x)?;
                        (over_time(&cx, &model.trend, &trend)? + over_time(&cx, &model.seasonal, &season)?)?
                    }
                };
                let grads = y.square()?.sum_all()?.backward(cx)?;
                let mut all = vec![y.to_f64_vec()?];
                let layers = [&model.seasonal, &model.trend];
                let params = layers.iter().flat_map(|l| [grads.of(&l.weight), grads.of(&l.bias)]);
                for gradient in params.chain([grads.wrt(&x)]) {
                    all.push(gradient.map_or(Ok(Vec::new()), Tensor::to_f64_vec)?);
                }
                Ok(all)
            };
            for (one, two) in results(false)?.iter().zip(results(true)?) {
                assert!(!one.is_empty() && one.len() == two.len());
                for (a, b) in one.iter().zip(two) {
                    assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "kernel {kernel}: {a} and {b}");
                }
            }
        }
        Ok(())
    }
}
