use super::{Fitted, Transform, scaled, train_values};
use crate::data_error::DataError;
use crate::quantile::quantile;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = (x - median) / (third quartile - first quartile)`, all of the train rows: a few wild values do not move it.
pub struct Robust;

/// Median and interquartile range of the train rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedRobust {
    /// Median of the train rows.
    pub median: f64,
    /// Interquartile range of the train rows, between order statistics interpolated linearly; above 0.
    pub iqr: f64,
}

impl Transform for Robust {
    type Fitted = FittedRobust;

    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<FittedRobust, DataError> {
        let mut known = train_values("robust", series, train)?;
        known.sort_by(f64::total_cmp);
        let at = |p| quantile(&known, p);
        let iqr = scaled("robust", &known, at(0.75) - at(0.25))?;
        Ok(FittedRobust { median: at(0.5), iqr })
    }
}

impl Fitted for FittedRobust {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = (*value - self.median) / self.iqr;
        }
    }

    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            *value = *value * self.iqr + self.median;
        }
    }
}
