//! Prediction intervals from the errors on validation (split conformal prediction).

use crate::data_error::{DataError, Problem};
use crate::prepare::Prepared;
use forge_core::history::Forecasts;

/// Intervals of one level about the forecasts of one model or baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    /// Name, as in [`Forecasts::name`].
    pub name: String,
    /// Nominal coverage in percent.
    pub level: f64,
    /// Lower ends, as [`Forecasts::predicted`]; NaN where there are too few validation rows for the level.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
}

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

/// Intervals of a `level` (in percent) about `test`, from the errors of `val`, forecasts of the same model on the
/// validation part.
///
/// For each target and step ahead: the k-th smallest of the n absolute errors, k = ⌈(n + 1) level⌉, so that, were the errors
/// exchangeable, a new one would be no larger with at least that probability (Vovk and others, 2005). With k > n there is
/// no interval. Errors are taken after those transforms of the target that map value to value, in front of any difference:
/// about prices with a `log`, so that the interval grows with the price, and is taken back the same way.
///
/// # Errors
/// `E0370` when horizon or targets differ.
pub fn conformal(
    prepared: &Prepared,
    val: &Forecasts,
    test: &Forecasts,
    level: f64,
) -> Result<Intervals, DataError> {
    if val.horizon != test.horizon || val.targets != test.targets {
        let reason = format!("`{}` has other forecasts on validation than on test", test.name);
        return Err(Problem::NotComparable { reason }.into());
    }
    let mut low = vec![f64::NAN; test.predicted.len()];
    let mut high = low.clone();
    for (k, column) in prepared.targets().iter().enumerate().take(test.targets.len()) {
        let space = column.chain.pointwise();
        for step in 0..test.horizon {
            let (_, actual, predicted) = unzip(val.at_step(step, k));
            let (actual, predicted) = (space.apply(&actual), space.apply(&predicted));
            let mut errors: Vec<f64> =
                actual.iter().zip(&predicted).map(|(y, f)| (y - f).abs()).filter(|e| !e.is_nan()).collect();
            errors.sort_by(f64::total_cmp);
            // Percentages such as 95 are not exact in binary: 0.95 * 100 must not round up to 96.
            let rank = ((errors.len() + 1) as f64 * level / 100.0 - 1e-9).ceil() as usize;
            let Some(margin) = rank.checked_sub(1).and_then(|k| errors.get(k)) else { continue };
            let (_, _, centre) = unzip(test.at_step(step, k));
            let centre = space.apply(&centre);
            let end = |offset: f64| {
                let mut end: Vec<f64> = centre.iter().map(|c| c + offset).collect();
                space.invert(&mut end, &[]);
                end
            };
            for (o, (below, above)) in end(-margin).into_iter().zip(end(*margin)).enumerate() {
                let i = test.index(o, step, k);
                // A transform may turn the order around.
                (low[i], high[i]) = (below.min(above), below.max(above));
            }
        }
    }
    Ok(Intervals { name: test.name.clone(), level, low, high })
}

fn unzip(steps: impl Iterator<Item = (usize, f64, f64)>) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
    let (mut rows, mut actual, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
    for (row, y, f) in steps {
        rows.push(row);
        actual.push(y);
        predicted.push(f);
    }
    (rows, actual, predicted)
}

impl Intervals {
    /// Coverage, width and losses on what happened.
    pub fn score(&self, test: &Forecasts) -> IntervalScore {
        let alpha = 1.0 - self.level / 100.0;
        let known =
            |i: &usize| test.actual[*i].is_finite() && self.low[*i].is_finite() && self.high[*i].is_finite();
        let mean = |rows: &[usize], term: &dyn Fn(f64, f64, f64) -> f64| {
            let terms = rows.iter().map(|i| term(test.actual[*i], self.low[*i], self.high[*i]));
            (!rows.is_empty()).then(|| terms.sum::<f64>() / rows.len() as f64)
        };
        let covered = |y: f64, low: f64, high: f64| f64::from(u8::from(low <= y && y <= high));
        let all: Vec<usize> = (0..test.actual.len().min(self.low.len())).filter(known).collect();
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
