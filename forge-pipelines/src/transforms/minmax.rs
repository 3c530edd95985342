use super::{Fitted, Transform, scaled, train_values};
use crate::data_error::DataError;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = (x - min) / (max - min)`, both of the train rows; later rows may lie outside 0..1.
pub struct Minmax;

/// The range of the train rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedMinmax {
    /// Smallest train value.
    pub min: f64,
    /// Largest less smallest train value; above 0.
    pub range: f64,
}

impl Transform for Minmax {
    type Fitted = FittedMinmax;

    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<FittedMinmax, DataError> {
        let known = train_values("minmax", series, train)?;
        let min = known.iter().copied().fold(f64::INFINITY, f64::min);
        let max = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = scaled("minmax", &known, max - min)?;
        Ok(FittedMinmax { min, range })
    }
}

impl Fitted for FittedMinmax {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = (*value - self.min) / self.range;
        }
    }

    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            *value = *value * self.range + self.min;
        }
    }
}
