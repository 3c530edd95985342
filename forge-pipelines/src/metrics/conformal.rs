//! Prediction intervals from the errors on validation (split conformal prediction).

use crate::data_error::{DataError, Problem};
use crate::prepare::Prepared;
use crate::transforms::FittedChain;
use forge_core::history::{Forecasts, Interval};
use serde::{Deserialize, Serialize};

/// How intervals did on the part that was scored.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalScore {
    /// Share of true values within; `None` without an interval.
    pub coverage: Option<f64>,
    /// The same at each step ahead.
    pub coverage_by_step: Vec<Option<f64>>,
    /// Mean width, in original units.
    pub width: Option<f64>,
    /// Mean pinball loss of both ends as quantiles.
    pub pinball: Option<f64>,
    /// Mean interval score of Winkler (1972): the width, and 2/α times the distance of a value outside.
    pub winkler: Option<f64>,
}

/// Half-widths of intervals: what a model file keeps, so that its forecasts have intervals without the validation rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Margins {
    /// Nominal coverage in percent.
    pub level: f64,
    /// By step ahead, then target, in the space of [`FittedChain::pointwise`]; `None` where there were too few validation
    /// rows for the level.
    pub margins: Vec<Option<f64>>,
}

impl Margins {
    /// The margins that the errors of `val`, forecasts on the validation part, ask for at a `level` in percent.
    ///
    /// For each target and step ahead: the k-th smallest of the n absolute errors, k = ⌈(n + 1) level⌉, so that, were the
    /// errors exchangeable, a new one would be no larger with at least that probability (Vovk and others, 2005). With
    /// k > n there is no interval. Errors are taken after those transforms of the target that map value to value, in front
    /// of any difference: about prices with a `log`, so that the interval grows with the price, and is taken back the same
    /// way.
    pub fn of(chains: &[&FittedChain], val: &Forecasts, level: f64) -> Margins {
        let mut margins = vec![None; val.horizon * val.targets.len()];
        for (k, chain) in chains.iter().enumerate().take(val.targets.len()) {
            let space = chain.pointwise();
            for step in 0..val.horizon {
                let (actual, predicted): (Vec<f64>, Vec<f64>) =
                    val.at_step(step, k).map(|(_, y, f)| (y, f)).unzip();
                let (actual, predicted) = (space.apply(&actual), space.apply(&predicted));
                let errors = actual.iter().zip(&predicted).map(|(y, f)| (y - f).abs());
                let mut errors: Vec<f64> = errors.filter(|e| !e.is_nan()).collect();
                errors.sort_by(f64::total_cmp);
                // Percentages such as 95 are not exact in binary: 0.95 * 100 must not round up to 96.
                let rank = ((errors.len() + 1) as f64 * level / 100.0 - 1e-9).ceil() as usize;
                let margin = rank.checked_sub(1).and_then(|k| errors.get(k)).copied();
                margins[step * val.targets.len() + k] = margin.filter(|m| m.is_finite());
            }
        }
        Margins { level, margins }
    }

    /// The intervals about forecasts, `[origin, step, target]` in original units.
    pub fn about(&self, chains: &[&FittedChain], predicted: &[f64]) -> Interval {
        let mut interval = Interval {
            level: self.level,
            low: vec![f64::NAN; predicted.len()],
            high: vec![f64::NAN; predicted.len()],
        };
        for (k, chain) in chains.iter().enumerate() {
            let space = chain.pointwise();
            let own = |i: &usize| i % chains.len() == k;
            let places: Vec<usize> = (0..predicted.len()).filter(own).collect();
            let centre: Vec<f64> = places.iter().map(|i| predicted[*i]).collect();
            let centre = space.apply(&centre);
            let margin = |i: usize| self.margins.get(i % self.margins.len().max(1)).copied().flatten();
            let end = |sign: f64| {
                let ends = centre.iter().zip(&places);
                let mut ends: Vec<f64> =
                    ends.map(|(c, i)| margin(*i).map_or(f64::NAN, |m| c + sign * m)).collect();
                space.invert(&mut ends, &[]);
                ends
            };
            for ((below, above), i) in end(-1.0).into_iter().zip(end(1.0)).zip(&places) {
                // A transform may turn the order around.
                (interval.low[*i], interval.high[*i]) = (below.min(above), below.max(above));
            }
        }
        interval
    }
}

/// Intervals of a `level` (in percent) about `test`, from the errors of `val`, forecasts of the same model on the
/// validation part: see [`Margins::of`].
///
/// # Errors
/// `E0370` when horizon or targets differ.
pub fn conformal(
    prepared: &Prepared,
    val: &Forecasts,
    test: &Forecasts,
    level: f64,
) -> Result<Interval, DataError> {
    if val.horizon != test.horizon || val.targets != test.targets {
        let reason = format!("`{}` has other forecasts on validation than on test", test.name);
        return Err(Problem::NotComparable { reason }.into());
    }
    let chains = prepared.target_chains();
    Ok(Margins::of(&chains, val, level).about(&chains, &test.predicted))
}

impl IntervalScore {
    /// Coverage, width and losses of an interval on what happened.
    pub fn of(interval: &Interval, test: &Forecasts) -> IntervalScore {
        let alpha = 1.0 - interval.level / 100.0;
        let known = |i: &usize| {
            test.actual[*i].is_finite() && interval.low[*i].is_finite() && interval.high[*i].is_finite()
        };
        let mean = |rows: &[usize], term: &dyn Fn(f64, f64, f64) -> f64| {
            let terms = rows.iter().map(|i| term(test.actual[*i], interval.low[*i], interval.high[*i]));
            (!rows.is_empty()).then(|| terms.sum::<f64>() / rows.len() as f64)
        };
        let covered = |y: f64, low: f64, high: f64| f64::from(u8::from(low <= y && y <= high));
        let all: Vec<usize> = (0..test.actual.len().min(interval.low.len())).filter(known).collect();
        let at_step = |step: usize| {
            let of_step = |i: &usize| (i / test.targets.len().max(1)) % test.horizon.max(1) == step;
            mean(&all.iter().copied().filter(of_step).collect::<Vec<_>>(), &covered)
        };
        let pinball =
            |y: f64, end: f64, quantile: f64| (quantile * (y - end)).max((quantile - 1.0) * (y - end));
        IntervalScore {
            coverage: mean(&all, &covered),
            coverage_by_step: (0..test.horizon).map(at_step).collect(),
            width: mean(&all, &|_, low, high| high - low),
            pinball: mean(&all, &|y, low, high| {
                (pinball(y, low, alpha / 2.0) + pinball(y, high, 1.0 - alpha / 2.0)) / 2.0
            }),
            winkler: mean(&all, &|y, low, high| {
                high - low + 2.0 / alpha * ((low - y).max(0.0) + (y - high).max(0.0))
            }),
        }
    }
}
