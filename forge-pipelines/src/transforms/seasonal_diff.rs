use super::{Fitted, Transform};
use crate::data_error::DataError;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::ops::Range;

/// `y[t] = x[t] - x[t - m]`; the first `m` rows have no value.
pub struct SeasonalDiff {
    /// Rows of a season, `m`.
    pub period: NonZeroUsize,
}

/// Differencing learns nothing; the period is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedSeasonalDiff {
    /// Rows of a season.
    pub period: NonZeroUsize,
}

impl Transform for SeasonalDiff {
    type Fitted = FittedSeasonalDiff;

    fn fit(&self, _series: &[f64], _train: Range<usize>) -> Result<FittedSeasonalDiff, DataError> {
        Ok(FittedSeasonalDiff { period: self.period })
    }
}

impl Fitted for FittedSeasonalDiff {
    fn memory(&self) -> usize {
        self.period.get()
    }

    fn apply(&self, series: &mut [f64]) {
        let period = self.period.get();
        for row in (period..series.len()).rev() {
            series[row] -= series[row - period];
        }
        let first = period.min(series.len());
        series[..first].fill(f64::NAN);
    }

    /// Adds the value of one season before: from the history for the first season, from the path itself after it.
    fn invert(&self, path: &mut [f64], before: &[f64]) {
        let period = self.period.get();
        for step in 0..path.len() {
            let season_ago = match step.checked_sub(period) {
                Some(earlier) => path[earlier],
                None => (before.len() + step)
                    .checked_sub(period)
                    .and_then(|row| before.get(row))
                    .copied()
                    .unwrap_or(f64::NAN),
            };
            path[step] += season_ago;
        }
    }

    fn detail(&self) -> Option<String> {
        Some(self.period.to_string())
    }
}
