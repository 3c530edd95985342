//! Metrics of quantiles and intervals.

use super::{Sample, errors, finite};

/// Koenker and Bassett, Regression quantiles, 1978.
pub(super) fn pinball(sample: &Sample) -> Option<f64> {
    let levels = &sample.levels;
    let (mut sum, mut count) = (0.0, 0_usize);
    for (pairs, quantiles) in sample.targets.iter().zip(&sample.quantiles) {
        for ((actual, _), forecast) in pairs.iter().zip(quantiles.chunks_exact(levels.len().max(1))) {
            for (level, quantile) in levels.iter().zip(forecast) {
                let d = actual - quantile;
                sum += (level * d).max((level - 1.0) * d);
                count += 1;
            }
            // `max` passes over what is not a number.
            if forecast.iter().any(|q| q.is_nan()) {
                return None;
            }
        }
    }
    finite(sum / count as f64)
}

/// The integral over all levels of twice the pinball loss (Gneiting and Ranjan, Comparing density forecasts using
/// threshold- and quantile-weighted scoring rules, 2011), as a mean over those that were forecast. A point forecast has
/// the same value at every level, and the integral is its absolute error.
pub(super) fn crps(sample: &Sample) -> Option<f64> {
    if sample.levels.is_empty() { errors::mae(sample) } else { pinball(sample).map(|loss| 2.0 * loss) }
}

pub(super) fn coverage(sample: &Sample) -> Option<f64> {
    mean(sample, |y, low, high, _| f64::from(u8::from(low <= y && y <= high)))
}

pub(super) fn width(sample: &Sample) -> Option<f64> {
    mean(sample, |_, low, high, _| high - low)
}

/// Winkler, A decision-theoretic approach to interval estimation, 1972; each side by its own probability.
pub(super) fn winkler(sample: &Sample) -> Option<f64> {
    mean(sample, |y, low, high, (below, above)| {
        high - low + (low - y).max(0.0) / below + (y - high).max(0.0) / above
    })
}

/// Mean of a term of the actual value, both ends and both tails. `None` without intervals, and where one is missing.
fn mean(sample: &Sample, term: impl Fn(f64, f64, f64, (f64, f64)) -> f64) -> Option<f64> {
    let tails = sample.tails?;
    let (mut sum, mut count) = (0.0, 0_usize);
    for (pairs, ends) in sample.targets.iter().zip(&sample.ends) {
        for ((actual, _), (low, high)) in pairs.iter().zip(ends) {
            if low.is_nan() || high.is_nan() {
                return None;
            }
            sum += term(*actual, *low, *high, tails);
            count += 1;
        }
    }
    finite(sum / count as f64)
}
