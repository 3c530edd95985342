//! Metrics of numbers, over `(actual, predicted)` pairs.

use super::{finite, mean};
use crate::{Error, Result, Tensor};

/// The elements of two tensors of one shape, side by side.
///
/// ```
/// use forge_core::{metric, Tensor};
/// let (actual, predicted) = (Tensor::new(&[1i64, 2], &[2])?, Tensor::new(&[1.5f32, 2.0], &[2])?);
/// assert_eq!(metric::pairs(&actual, &predicted)?, [(1.0, 1.5), (2.0, 2.0)]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes differ.
pub fn pairs(actual: &Tensor, predicted: &Tensor) -> Result<Vec<(f64, f64)>> {
    if actual.shape() != predicted.shape() {
        return Err(Error::shape(
            "metric",
            format!("actual values of {:?} and predicted ones of {:?}", actual.shape(), predicted.shape()),
        ));
    }
    Ok(actual.to_f64_vec()?.into_iter().zip(predicted.to_f64_vec()?).collect())
}

/// Mean error, the mean of ŷ - y: above 0 where the forecasts are too high.
///
/// ```
/// use forge_core::metric::bias;
/// assert_eq!(bias([(1.0, 2.0), (5.0, 8.0), (3.0, 2.0)]), Some(1.0));
/// assert_eq!(bias([]), None);
/// ```
pub fn bias(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    mean(pairs.into_iter().map(|(y, f)| f - y))
}

/// Mean absolute error, the mean of |ŷ - y|.
///
/// ```
/// assert_eq!(forge_core::metric::mae([(1.0, 2.0), (5.0, 2.0)]), Some(2.0));
/// ```
pub fn mae(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    mean(pairs.into_iter().map(|(y, f)| (f - y).abs()))
}

/// Mean squared error, the mean of (ŷ - y)².
///
/// ```
/// assert_eq!(forge_core::metric::mse([(1.0, 2.0), (5.0, 2.0)]), Some(5.0));
/// ```
pub fn mse(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    mean(pairs.into_iter().map(|(y, f)| (f - y).powi(2)))
}

/// Root of the mean squared error.
///
/// ```
/// assert_eq!(forge_core::metric::rmse([(1.0, 2.0), (5.0, 12.0)]), Some(5.0)); // √((1 + 49) / 2)
/// ```
pub fn rmse(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    mse(pairs).map(f64::sqrt)
}

/// The largest |ŷ - y|.
///
/// ```
/// assert_eq!(forge_core::metric::max_error([(1.0, 2.0), (5.0, 2.0)]), Some(3.0));
/// ```
pub fn max_error(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let largest =
        pairs.into_iter().map(|(y, f)| (f - y).abs()).reduce(|a, b| if a.is_nan() || a > b { a } else { b });
    largest.and_then(finite)
}

/// The median of |ŷ - y|; of an even number, the mean of the two in the middle.
///
/// ```
/// use forge_core::metric::median_absolute_error;
/// assert_eq!(median_absolute_error([(0.0, 1.0), (0.0, -2.0), (0.0, 90.0)]), Some(2.0));
/// assert_eq!(median_absolute_error([(0.0, 1.0), (0.0, -2.0)]), Some(1.5));
/// ```
pub fn median_absolute_error(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let mut errors: Vec<f64> = pairs.into_iter().map(|(y, f)| (f - y).abs()).collect();
    if errors.iter().any(|e| e.is_nan()) {
        return None;
    }
    errors.sort_by(f64::total_cmp);
    let (low, high) = (errors.get(errors.len().checked_sub(1)? / 2)?, errors.get(errors.len() / 2)?);
    finite(low / 2.0 + high / 2.0)
}

/// Coefficient of determination, 1 - Σ(ŷ - y)² / Σ(y - ȳ)². Undefined where all actual values are the same.
///
/// ```
/// use forge_core::metric::r2;
/// assert_eq!(r2([(1.0, 1.0), (3.0, 2.0), (5.0, 5.0)]), Some(1.0 - 1.0 / 8.0));
/// assert_eq!(r2([(3.0, 3.0), (3.0, 4.0)]), None);
/// ```
pub fn r2(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.into_iter().collect();
    let center = mean(pairs.iter().map(|(y, _)| *y))?;
    let residual: f64 = pairs.iter().map(|(y, f)| (f - y).powi(2)).sum();
    let total: f64 = pairs.iter().map(|(y, _)| (y - center).powi(2)).sum();
    finite(1.0 - residual / total)
}

/// 1 - Var(ŷ - y) / Var(y): as [`r2`], but blind to a constant error. Undefined where all actual values are the same.
///
/// ```
/// use forge_core::metric::{explained_variance, r2};
/// let shifted = [(1.0, 11.0), (3.0, 13.0)];
/// assert_eq!((explained_variance(shifted), r2(shifted)), (Some(1.0), Some(-99.0)));
/// ```
pub fn explained_variance(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.into_iter().collect();
    let offset = bias(pairs.iter().copied())?;
    r2(pairs.into_iter().map(|(y, f)| (y, f - offset)))
}

/// What a percentage error does where the actual value is 0, and its term has no value.
///
/// See [`mape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtZero {
    /// The metric is undefined.
    Undefined,
    /// The pair is left out.
    LeaveOut,
    /// Every |y| below this number counts as it: scikit-learn's way, with f64's machine epsilon.
    AtLeast(f64),
}

/// Mean absolute percentage error, the mean of 100 |ŷ - y| / |y|, in percent.
///
/// ```
/// use forge_core::metric::{mape, AtZero};
/// assert_eq!(mape([(4.0, 5.0), (2.0, 1.0)], AtZero::Undefined), Some(37.5));
/// assert_eq!(mape([(4.0, 5.0), (0.0, 1.0)], AtZero::Undefined), None);
/// ```
pub fn mape(pairs: impl IntoIterator<Item = (f64, f64)>, at_zero: AtZero) -> Option<f64> {
    let kept = pairs.into_iter().filter(|(y, _)| at_zero != AtZero::LeaveOut || *y != 0.0);
    mean(kept.map(|(y, f)| match at_zero {
        AtZero::AtLeast(least) => 100.0 * (f - y).abs() / y.abs().max(least),
        // An error of 0 is 0 / 0 at 0, which is no number either.
        AtZero::Undefined | AtZero::LeaveOut => 100.0 * (f - y).abs() / y.abs(),
    }))
}

/// Symmetric mean absolute percentage error, the mean of 200 |ŷ - y| / (|y| + |ŷ|), in percent. Makridakis, Spiliotis and
/// Assimakopoulos, *The M4 competition*, 2020. Undefined where truth and forecast are both 0.
///
/// ```
/// assert_eq!(forge_core::metric::smape([(3.0, 1.0), (2.0, 2.0)]), Some(50.0)); // (200 · 2 / 4 + 0) / 2
/// ```
pub fn smape(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    mean(pairs.into_iter().map(|(y, f)| 200.0 * (f - y).abs() / (y.abs() + f.abs())))
}

/// Weighted absolute percentage error as a share, Σ|ŷ - y| / Σ|y|. Undefined where every actual value is 0.
///
/// ```
/// assert_eq!(forge_core::metric::wape([(3.0, 1.0), (0.0, 1.0), (-1.0, -1.0)]), Some(0.75));
/// ```
pub fn wape(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let sums = |(errors, values), (y, f): (f64, f64)| (errors + (f - y).abs(), values + y.abs());
    let (errors, values) = pairs.into_iter().fold((0.0, 0.0), sums);
    finite(errors / values)
}

/// Pinball loss of forecasts of a quantile `q`, the mean of max(q (y - ŷ), (q - 1) (y - ŷ)). Koenker and Bassett,
/// *Regression quantiles*, 1978. Undefined for `q` outside [0, 1].
///
/// ```
/// use forge_core::metric::pinball;
/// assert_eq!(pinball([(3.0, 1.0)], 0.75), Some(1.5)); // too low costs q,
/// assert_eq!(pinball([(1.0, 3.0)], 0.75), Some(0.5)); // too high 1 - q
/// ```
pub fn pinball(pairs: impl IntoIterator<Item = (f64, f64)>, q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    mean(pairs.into_iter().map(|(y, f)| if y >= f { q * (y - f) } else { (1.0 - q) * (f - y) }))
}
