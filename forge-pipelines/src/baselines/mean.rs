use super::Baseline;
use jiff::Timestamp;

/// `ŷ[T + h]` is the mean of all rows up to the origin, not of the train rows alone.
pub struct Mean;

impl Baseline for Mean {
    fn forecast(&self, history: &[f64], _ahead: &[Timestamp], path: &mut [f64]) {
        path.fill(history.iter().sum::<f64>() / history.len() as f64);
    }
}
