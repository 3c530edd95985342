use super::{Fitted, Transform, scaled, train_values};
use crate::data_error::DataError;
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

impl Transform for Standardize {
    type Fitted = FittedStandardize;

    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<FittedStandardize, DataError> {
        let known = train_values("standardize", series, train)?;
        let n = known.len() as f64;
        let mean = known.iter().sum::<f64>() / n;
        let std = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        Ok(FittedStandardize { mean, std: scaled("standardize", &known, std)? })
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
