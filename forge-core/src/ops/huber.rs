//! `huber`: squares near the target, absolute differences far from it.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::{Unary, UnaryKind, reference};
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Mean over elements of ½ d² where the difference |d| is at most `delta`, and `delta` (|d| - ½ `delta`) beyond:
    /// one number, less swayed by outliers than the squares. Huber, *Robust estimation of a location parameter*, 1964;
    /// scaled as PyTorch does.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[0.5f64, 4.0], &[2])?, Tensor::new(&[0.0f64, 1.0], &[2])?);
    /// assert_eq!(a.huber(&b, 1.0)?.item()?, (0.125 + 2.5) / 2.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes differ, or `delta` is not positive.
    pub fn huber(&self, target: &Tensor, delta: f64) -> Result<Tensor> {
        if self.shape() != target.shape() {
            return Err(Error::shape(
                "huber",
                format!("a prediction of {:?} for a target of {:?}", self.shape(), target.shape()),
            ));
        }
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::argument("huber", format!("delta {delta} is not a positive number")));
        }
        (self - target)?.unary(Unary::with(UnaryKind::HuberPenalty, delta))?.mean_all()
    }
}

pub const OPERATION: Operation = Operation {
    name: "huber",
    formula: "mean of ½ d² where |d| ≤ δ, else δ (|d| - ½ δ), with d = a - b",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    // Differences lie between 1 and 4: all beyond δ, on both sides of it, all within.
    [(&[1usize][..], 0.5), (&[7], 2.0), (&[3, 4, 5], 2.5), (&[4, 2], 5.0)]
        .into_iter()
        .map(|(shape, delta)| {
            sample!(
                format!("{shape:?}, delta {delta}"),
                vec![Input::within(shape, (-2.0, -0.5)), Input::within(shape, (0.5, 2.0))],
                |x| x[0].huber(&x[1], delta)?,
                |r| reference::huber(&r[0], &r[1], delta)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let pair =
        |delta: f64| move || Tensor::new(&[0f32; 2], &[2])?.huber(&Tensor::new(&[0f32; 2], &[2])?, delta);
    vec![
        ErrorSample::new("huber: a prediction of [2, 1] for a target of [2]", || {
            Tensor::new(&[0f32; 2], &[2, 1])?.huber(&Tensor::new(&[0f32; 2], &[2])?, 1.0)
        }),
        ErrorSample::new("huber: delta 0 is not a positive number", pair(0.0)),
        ErrorSample::new("huber: delta NaN is not a positive number", pair(f64::NAN)),
    ]
}
