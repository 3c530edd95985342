use super::{Fitted, Transform};
use crate::data_error::DataError;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y[t] = x[t] - x[t - 1]`; the first row has no value.
pub struct Diff;

/// Differencing learns nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedDiff {}

impl Transform for Diff {
    type Fitted = FittedDiff;

    fn fit(&self, _series: &[f64], _train: Range<usize>) -> Result<FittedDiff, DataError> {
        Ok(FittedDiff {})
    }
}

impl Fitted for FittedDiff {
    fn memory(&self) -> usize {
        1
    }

    fn apply(&self, series: &mut [f64]) {
        for row in (1..series.len()).rev() {
            series[row] -= series[row - 1];
        }
        if let Some(first) = series.first_mut() {
            *first = f64::NAN;
        }
    }

    /// The running sum, from the value at the origin.
    fn invert(&self, path: &mut [f64], before: &[f64]) {
        let mut level = before.last().copied().unwrap_or(f64::NAN);
        for step in path {
            level += *step;
            *step = level;
        }
    }
}
