//! Whether the direction of a change was forecast, and how sure one can be of it.

use super::{Sample, finite};
use crate::quantile::quantile;
use forge_core::history::Forecasts;
use forge_core::rng::Stream;

/// Resamples of the moving-block bootstrap.
const RESAMPLES: usize = 1000;

/// Hits and misses of a direction, with what they are to be compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// Share of hits; a true change of 0 is a miss.
    pub rate: f64,
    /// Share that the better of always "up" and always "down" would have hit.
    pub base_rate: f64,
    /// 95 % interval of the rate.
    pub interval: (f64, f64),
    /// Number of forecasts.
    pub count: usize,
}

/// Sign of a change: 0 is no sign.
fn sign(change: f64) -> i8 {
    i8::from(change > 0.0) - i8::from(change < 0.0)
}

pub(super) fn hit_rate(sample: &Sample) -> Option<f64> {
    let (mut hits, mut count, mut any) = (0_usize, 0_usize, false);
    for (pairs, origins) in sample.targets.iter().zip(&sample.origins) {
        for ((actual, predicted), origin) in pairs.iter().zip(origins) {
            if !predicted.is_finite() || !origin.is_finite() {
                return None;
            }
            let said = sign(predicted - origin);
            any |= said != 0;
            hits += usize::from(said != 0 && said == sign(actual - origin));
            count += 1;
        }
    }
    if any { finite(hits as f64 / count as f64) } else { None }
}

/// The direction of one target's forecasts, with the base rate and an interval by moving blocks of ∛n origins (Künsch
/// 1989; percentiles of 1000 resamples, always the same ones). `levels` are the target's values by row. `None` without a
/// forecast of a change.
pub fn direction(forecasts: &Forecasts, target: usize, levels: &[f64]) -> Option<Direction> {
    let (mut ups, mut downs, mut any) = (0_usize, 0_usize, false);
    // Hits and forecasts of each origin, in order of time: steps of one origin belong together.
    let mut by_origin: Vec<(usize, usize)> = Vec::with_capacity(forecasts.origins.len());
    for (o, row) in forecasts.origins.iter().enumerate() {
        let level = *levels.get(*row)?;
        let (mut hits, mut count) = (0, 0);
        for step in 0..forecasts.horizon {
            let i = forecasts.index(o, step, target);
            let (actual, predicted) = (*forecasts.actual.get(i)?, *forecasts.predicted.get(i)?);
            if !actual.is_finite() {
                continue;
            }
            let (said, was) = (sign(predicted - level), sign(actual - level));
            any |= said != 0;
            ups += usize::from(was > 0);
            downs += usize::from(was < 0);
            hits += usize::from(said != 0 && said == was);
            count += 1;
        }
        by_origin.push((hits, count));
    }
    let total = |of: &[(usize, usize)]| of.iter().fold((0, 0), |(h, n), (hits, count)| (h + hits, n + count));
    let (hits, count) = total(&by_origin);
    if count == 0 || !any {
        return None;
    }
    Some(Direction {
        rate: hits as f64 / count as f64,
        base_rate: ups.max(downs) as f64 / count as f64,
        interval: moving_blocks(&by_origin),
        count,
    })
}

/// 95 % percentile interval of hits over forecasts, resampled in blocks of neighbours.
fn moving_blocks(by_origin: &[(usize, usize)]) -> (f64, f64) {
    let n = by_origin.len();
    let length = (n as f64).cbrt().ceil() as usize;
    let starts = n - length + 1;
    let mut prefix = vec![(0, 0)];
    for (hits, count) in by_origin {
        let (h, c) = prefix[prefix.len() - 1];
        prefix.push((h + hits, c + count));
    }
    let mut rates: Vec<f64> = (0..RESAMPLES)
        .filter_map(|resample| {
            let stream = Stream::new(0, "moving blocks").at(resample as u64);
            let (mut hits, mut count) = (0, 0);
            for block in 0..n.div_ceil(length) {
                let start = ((stream.uniform(block) * starts as f64) as usize).min(starts - 1);
                hits += prefix[start + length].0 - prefix[start].0;
                count += prefix[start + length].1 - prefix[start].1;
            }
            (count > 0).then(|| hits as f64 / count as f64)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    (quantile(&rates, 0.025), quantile(&rates, 0.975))
}
