//! `pinball`: the loss that quantiles make small.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Mean over elements and quantiles of max(q d, (q - 1) d), with d = target - prediction: one number, smallest
    /// where column k is the `quantiles[k]`-quantile of the target. The last dimension of the prediction is the
    /// quantiles'; the others are the target's. Koenker and Bassett, *Regression quantiles*, 1978.
    ///
    /// At d = 0 the derivative is halfway between those of both sides.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let prediction = Tensor::new(&[0.0f64, 2.0], &[1, 2])?;
    /// let loss = prediction.pinball(&Tensor::new(&[1.0f64], &[1])?, &[0.1, 0.9])?;
    /// assert!((loss.item()? - 0.1).abs() < 1e-15); // one is 1 too low for q = 0.1, the other 1 too high for q = 0.9
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit, or a quantile is not between 0 and 1.
    pub fn pinball(&self, target: &Tensor, quantiles: &[f64]) -> Result<Tensor> {
        if let Some(q) = quantiles.iter().find(|q| !(**q > 0.0 && **q < 1.0)) {
            return Err(Error::argument("pinball", format!("the quantile {q} is not between 0 and 1")));
        }
        let with_quantiles = [target.shape(), &[quantiles.len()]].concat();
        if self.shape() != with_quantiles {
            return Err(Error::shape(
                "pinball",
                format!(
                    "a prediction of {:?} for a target of {:?} and {} quantiles; {with_quantiles:?} fits",
                    self.shape(),
                    target.shape(),
                    quantiles.len()
                ),
            ));
        }
        // max(q d, (q - 1) d) = (q - ½) d + ½ |d|
        let lean: Vec<f64> = quantiles.iter().map(|q| q - 0.5).collect();
        let lean = Tensor::from_vec(lean, &[quantiles.len()], &crate::Device::cpu())?;
        let lean = lean.to_dtype(self.dtype())?.to_device(self.device())?;
        let d = (target.reshape(&[target.shape(), &[1]].concat())? - self)?;
        ((&d * &lean)? + (&d.abs()? * 0.5)?)?.mean_all()
    }
}

pub const OPERATION: Operation = Operation {
    name: "pinball",
    formula: "mean of max(q d, (q - 1) d), with d = target - prediction",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[f64], bool); 4] = [
        (&[1], &[0.5], false),
        (&[7], &[0.1, 0.5, 0.9], true),
        (&[3, 4], &[0.05, 0.95], false),
        (&[2, 3, 2], &[0.25], true),
    ];
    cases
        .into_iter()
        .map(|(shape, quantiles, above)| {
            // Apart, so that no difference comes near the kink at 0; predictions below the target, then above it.
            let (low, high) = ((-2.0, -0.5), (0.5, 2.0));
            let (prediction, target) = if above { (high, low) } else { (low, high) };
            let with_quantiles = [shape, &[quantiles.len()]].concat();
            sample!(
                format!("{shape:?}, quantiles {quantiles:?}"),
                vec![Input::within(&with_quantiles, prediction), Input::within(shape, target)],
                |x| x[0].pinball(&x[1], quantiles)?,
                |r| reference::pinball(&r[0], &r[1], quantiles)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu());
    vec![
        ErrorSample::new(
            "pinball: a prediction of [2] for a target of [2] and 1 quantiles; [2, 1] fits",
            move || zeros(&[2])?.pinball(&zeros(&[2])?, &[0.5]),
        ),
        ErrorSample::new("pinball: the quantile 1 is not between 0 and 1", move || {
            zeros(&[2, 1])?.pinball(&zeros(&[2])?, &[1.0])
        }),
        ErrorSample::new("pinball: the quantile 0 is not between 0 and 1", move || {
            zeros(&[2, 2])?.pinball(&zeros(&[2])?, &[0.5, 0.0])
        }),
    ]
}
