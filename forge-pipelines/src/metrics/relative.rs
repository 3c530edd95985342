//! Metrics without a unit.

use super::{Sample, finite};
use forge_core::metric;

/// Hyndman and Koehler, Another look at measures of forecast accuracy, 2006.
pub(super) fn mase(sample: &Sample) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_usize);
    for (k, pairs) in sample.targets.iter().enumerate() {
        let scale = sample.scales.get(k).copied().flatten()?;
        sum += pairs.iter().map(|(y, f)| (f - y).abs() / scale).sum::<f64>();
        count += pairs.len();
    }
    finite(sum / count as f64)
}

/// Makridakis, Spiliotis and Assimakopoulos, The M5 Competition, 2022.
pub(super) fn rmsse(sample: &Sample) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_usize);
    for (k, pairs) in sample.targets.iter().enumerate() {
        let scale = sample.square_scales.get(k).copied().flatten()?;
        sum += pairs.iter().map(|(y, f)| (f - y).powi(2) / scale).sum::<f64>();
        count += pairs.len();
    }
    finite((sum / count as f64).sqrt())
}

/// Undefined where every true value is 0.
pub(super) fn wape(sample: &Sample) -> Option<f64> {
    metric::wape(sample.pairs())
}

/// Makridakis, Spiliotis and Assimakopoulos, The M4 Competition, 2020. Undefined where truth and forecast are both 0.
pub(super) fn smape(sample: &Sample) -> Option<f64> {
    metric::smape(sample.pairs())
}

pub(super) fn r2(sample: &Sample) -> Option<f64> {
    let (mut residual, mut total) = (0.0, 0.0);
    for pairs in &sample.targets {
        let mean = pairs.iter().map(|(y, _)| y).sum::<f64>() / pairs.len() as f64;
        residual += pairs.iter().map(|(y, f)| (f - y).powi(2)).sum::<f64>();
        total += pairs.iter().map(|(y, _)| (y - mean).powi(2)).sum::<f64>();
    }
    finite(1.0 - residual / total)
}
