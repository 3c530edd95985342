use super::Baseline;
use jiff::Timestamp;

/// `ŷ[T + h] = y[T + h - m ⌈h / m⌉]`: the last season, over and over. No forecast before a whole season is seen.
pub struct Seasonal {
    /// Rows of a season, at least 1.
    pub period: usize,
}

impl Baseline for Seasonal {
    fn forecast(&self, history: &[f64], _ahead: &[Timestamp], path: &mut [f64]) {
        let season = history.len().checked_sub(self.period).map(|start| &history[start..]);
        for (step, value) in path.iter_mut().enumerate() {
            *value = season.map_or(f64::NAN, |s| s[step % self.period]);
        }
    }
}
