use super::Baseline;
use jiff::Timestamp;

/// Persistence: `ŷ[T + h] = y[T]`.
pub struct Last;

impl Baseline for Last {
    fn forecast(&self, history: &[f64], _ahead: &[Timestamp], path: &mut [f64]) {
        path.fill(history.last().copied().unwrap_or(f64::NAN));
    }
}
