use super::{Fitted, Transform};
use crate::data_error::{DataError, Problem};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = ln(1 + x)`: a logarithm for counts and amounts that can be 0.
pub struct Log1p;

/// `ln(1 + x)` learns nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedLog1p {}

impl Transform for Log1p {
    type Fitted = FittedLog1p;

    fn fit(&self, series: &[f64], _train: Range<usize>) -> Result<FittedLog1p, DataError> {
        match series.iter().position(|v| *v <= -1.0) {
            Some(row) => {
                Err(Problem::OutOfDomain { transform: "log1p", value: series[row], row, domain: "above -1" }
                    .into())
            }
            None => Ok(FittedLog1p {}),
        }
    }
}

impl Fitted for FittedLog1p {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = if *value > -1.0 { value.ln_1p() } else { f64::NAN };
        }
    }

    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            *value = value.exp_m1();
        }
    }
}
