//! `mse`: mean of squared differences, composed.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Mean of squared differences between two tensors of one shape: one number.
    ///
    /// `Σ (x - target)² / n`
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (x, target) = (Tensor::new(&[1.0f64, 5.0], &[2])?, Tensor::new(&[2.0f64, 2.0], &[2])?);
    /// assert_eq!(x.mse(&target)?.item()?, 5.0);
    /// assert!(x.mse(&target.reshape(&[2, 1])?).is_err()); // would have been the mean of four differences
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes differ: a loss that broadcasts is nearly always a mistake.
    pub fn mse(&self, target: &Tensor) -> Result<Tensor> {
        if self.shape() != target.shape() {
            return Err(Error::shape(
                "mse",
                format!("a prediction of {:?} for a target of {:?}", self.shape(), target.shape()),
            ));
        }
        (self - target)?.square()?.mean_all()
    }
}

pub const OPERATION: Operation = Operation { name: "mse", formula: "Σ (a - b)² / n", samples, errors };

fn samples() -> Vec<Sample> {
    [&[1usize][..], &[7], &[3, 4, 5]]
        .into_iter()
        .map(|shape| {
            sample!(
                format!("{shape:?}"),
                // Apart, so that no difference comes near a kink at 0.
                vec![Input::within(shape, (-2.0, -0.5)), Input::within(shape, (0.5, 2.0))],
                |x| x[0].mse(&x[1])?,
                |r| reference::mse(&r[0], &r[1])
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("mse: a prediction of [2, 1] for a target of [2]", || {
        Tensor::new(&[0f32; 2], &[2, 1])?.mse(&Tensor::new(&[0f32; 2], &[2])?)
    })]
}
