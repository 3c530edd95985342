use super::Baseline;
use jiff::Timestamp;

/// `ŷ[T + h] = y[T] + h (y[T] - y[1]) / (T - 1)` (Hyndman and Athanasopoulos, Forecasting: Principles and Practice).
/// No forecast from a single row.
pub struct Drift;

impl Baseline for Drift {
    fn forecast(&self, history: &[f64], _ahead: &[Timestamp], path: &mut [f64]) {
        let (Some(first), Some(last)) = (history.first(), history.last()) else {
            path.fill(f64::NAN);
            return;
        };
        let slope = (last - first) / (history.len() - 1) as f64;
        for (step, value) in path.iter_mut().enumerate() {
            *value = last + (step + 1) as f64 * slope;
        }
    }
}
