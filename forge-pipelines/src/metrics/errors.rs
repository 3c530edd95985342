//! Metrics in the units of the target.

use super::Sample;
use forge_core::metric;

pub(super) fn mae(sample: &Sample) -> Option<f64> {
    metric::mae(sample.pairs())
}

pub(super) fn mse(sample: &Sample) -> Option<f64> {
    metric::mse(sample.pairs())
}

pub(super) fn rmse(sample: &Sample) -> Option<f64> {
    metric::rmse(sample.pairs())
}

pub(super) fn bias(sample: &Sample) -> Option<f64> {
    metric::bias(sample.pairs())
}
