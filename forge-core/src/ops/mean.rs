//! `mean`: composed of `sum` and a constant factor.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::{Unary, UnaryKind, reference};
use crate::{Result, Tensor};

impl Tensor {
    /// Mean over the dimensions `axes`, which are removed, or kept with size 1 if `keep`.
    ///
    /// `Σ x / n`: over dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 6.0], &[2, 2])?;
    /// let y = x.mean(&[0], true)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[1, 2][..], vec![2.0, 4.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::sum`], and when there is nothing to take the mean of.
    pub fn mean(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.check_float("mean", "convert with `.to_dtype(DType::F32)`")?;
        let count = self.count_over("mean", axes)?;
        self.sum(axes, keep)?.mul_scalar(1.0 / count as f64)
    }

    /// Mean of all elements.
    ///
    /// `Σ x / n`: any shape → `[]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 2.0, 3.0, 6.0], &[2, 2])?.mean_all()?.item()?, 3.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no element.
    pub fn mean_all(&self) -> Result<Tensor> {
        self.mean(self.all_axes(), false)
    }
}

pub const OPERATION: Operation =
    Operation { name: "mean", formula: "Σ x / n over dimensions", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 3] = [(&[5], &[0]), (&[3, 4, 5], &[1]), (&[3, 4, 5], &[0, 1, 2])];
    cases
        .into_iter()
        .map(|(shape, axes)| {
            let count: usize = axes.iter().map(|&d| shape[d]).product();
            let factor = Unary::with(UnaryKind::MulScalar, 1.0 / count as f64);
            sample!(
                format!("{shape:?} over {axes:?}"),
                vec![Input::new(shape)],
                |x| x[0].mean(axes, false)?,
                |r| reference::unary(factor, &reference::sum(&r[0], axes, false))
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("mean: there is no element over [1] of [2, 0]", || {
            Tensor::new::<f32>(&[], &[2, 0])?.mean(&[1], false)
        }),
        ErrorSample::new("mean: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
            Tensor::new(&[1i64], &[1])?.mean_all()
        }),
    ]
}
