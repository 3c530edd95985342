use super::Baseline;

/// `ŷ[T + h]` is the mean of all rows up to the origin, not of the train rows alone.
pub struct Mean;

impl Baseline for Mean {
    fn forecast(&self, history: &[f64], path: &mut [f64]) {
        path.fill(history.iter().sum::<f64>() / history.len() as f64);
    }
}
