//! Metrics of quantiles and intervals.

use super::{Sample, errors, finite};
use forge_core::metric;

/// Koenker and Bassett, Regression quantiles, 1978.
pub(super) fn pinball(sample: &Sample) -> Option<f64> {
    let count = sample.levels.len();
    let of = |n: usize| {
        let quantiles = sample.quantiles.iter().flat_map(move |q| q.iter().skip(n).step_by(count));
        let pairs = sample.pairs().zip(quantiles).map(|((actual, _), quantile)| (actual, *quantile));
        metric::pinball(pairs, sample.levels[n])
    };
    let losses: Option<Vec<f64>> = (0..count).map(of).collect();
    finite(losses?.iter().sum::<f64>() / count as f64)
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
