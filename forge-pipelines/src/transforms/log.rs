use super::{Fitted, Transform};
use crate::data_error::{DataError, Problem};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = ln x`.
pub struct Log;

/// `ln` learns nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedLog {}

impl Transform for Log {
    type Fitted = FittedLog;

    fn fit(&self, series: &[f64], _train: Range<usize>) -> Result<FittedLog, DataError> {
        match series.iter().position(|v| *v <= 0.0) {
            Some(row) => Err(Problem::NonPositive { value: series[row], row }.into()),
            None => Ok(FittedLog {}),
        }
    }
}

impl Fitted for FittedLog {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = if *value > 0.0 { value.ln() } else { f64::NAN };
        }
    }

    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            *value = value.exp();
        }
    }
}
