//! Metrics of forecasts and of classifications, in f64.
//!
//! A metric that is not defined on the data, such as the precision of a class that was never predicted or any mean of
//! nothing, is `None`, never 0; so is one that is not a finite number. Sums run in the order of the data.
//!
//! Values of regression come as `(actual, predicted)` pairs: [`pairs`] makes them of tensors, and
//! `actual.iter().copied().zip(predicted)` of slices.
//!
//! ```
//! use forge_core::{metric, Tensor};
//! let actual = Tensor::new(&[3.0f32, -0.5, 2.0, 7.0], &[4])?;
//! let predicted = Tensor::new(&[2.5f32, 0.0, 2.0, 8.0], &[4])?;
//! let pairs = metric::pairs(&actual, &predicted)?;
//! assert_eq!(metric::mae(pairs.iter().copied()), Some(0.5));
//! assert_eq!(metric::mape([(0.0, 1.0)], metric::AtZero::Undefined), None);
//! # Ok::<(), forge_core::Error>(())
//! ```

mod confusion;
mod probabilities;
mod ranking;
mod regression;

pub use confusion::Confusion;
pub use probabilities::Probabilities;
pub use ranking::{average_precision, roc_auc};
pub use regression::{
    AtZero, bias, explained_variance, mae, mape, max_error, median_absolute_error, mse, pairs, pinball, r2,
    rmse, smape, wape,
};

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The mean of terms; `None` of none.
fn mean(terms: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = terms.into_iter().fold((0.0, 0_usize), |(sum, count), term| (sum + term, count + 1));
    finite(sum / count as f64)
}
