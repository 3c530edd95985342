//! Metrics in the units of the target.

use super::Sample;

pub(super) fn mae(sample: &Sample) -> Option<f64> {
    sample.mean(|y, f| (f - y).abs())
}

pub(super) fn mse(sample: &Sample) -> Option<f64> {
    sample.mean(|y, f| (f - y).powi(2))
}

pub(super) fn rmse(sample: &Sample) -> Option<f64> {
    mse(sample).map(f64::sqrt)
}

pub(super) fn bias(sample: &Sample) -> Option<f64> {
    sample.mean(|y, f| f - y)
}
