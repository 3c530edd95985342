use super::Baseline;

/// Persistence: `ŷ[T + h] = y[T]`.
pub struct Last;

impl Baseline for Last {
    fn forecast(&self, history: &[f64], path: &mut [f64]) {
        path.fill(history.last().copied().unwrap_or(f64::NAN));
    }
}
