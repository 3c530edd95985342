use super::{Fitted, Transform};
use crate::data_error::{DataError, Problem};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = (x - mean) / std`.
pub struct Standardize;

/// Mean and population standard deviation of the train rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedStandardize {
    /// Mean of the train rows.
    pub mean: f64,
    /// Population standard deviation (divided by n) of the train rows; above 0.
    pub std: f64,
}

/// A spread below this part of the largest value is rounding noise.
const NOISE: f64 = 1e-12;

impl Transform for Standardize {
    type Fitted = FittedStandardize;

    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<FittedStandardize, DataError> {
        let rows = series.get(train).unwrap_or(&[]);
        // Rows that an earlier `diff` of the chain left without a value.
        let known: Vec<f64> = rows.iter().copied().filter(|v| v.is_finite()).collect();
        let Some(&value) = known.first() else {
            return Err(Problem::NothingToFit { transform: "standardize" }.into());
        };
        let n = known.len() as f64;
        let mean = known.iter().sum::<f64>() / n;
        let std = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let largest = known.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        if std <= NOISE * largest || std == 0.0 {
            return Err(Problem::Constant { value }.into());
        }
        Ok(FittedStandardize { mean, std })
    }
}

impl Fitted for FittedStandardize {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = (*value - self.mean) / self.std;
        }
    }

    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            *value = *value * self.std + self.mean;
        }
    }
}
