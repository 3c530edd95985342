use super::{Better, MetricParam, Sample, seasonal_scale, seasonal_square_scale};
use crate::data_error::{DataError, Problem};
use crate::prepare::Prepared;
use crate::sources::Freq;
use forge_core::history::{ForecastKind, Forecasts, Score, SkillTable};
use std::collections::BTreeSet;

/// What scoring needs besides the forecasts.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreContext {
    /// The metrics, in the order in which they are shown.
    pub metrics: Vec<MetricParam>,
    /// Rows of a season, for MASE.
    pub season: usize,
    /// Where the season came from, such as `sessions`.
    pub season_origin: String,
    /// In-sample scale of each target.
    pub scales: Vec<Option<f64>>,
    /// In-sample square scale of each target.
    pub square_scales: Vec<Option<f64>>,
    /// The values of each target by row, missing ones as the last known: what direction is counted from.
    pub levels: Vec<Vec<f64>>,
}

impl ScoreContext {
    /// The context of prepared columns. Without a season, that of the frequency is taken.
    pub fn new(prepared: &Prepared, freq: Freq, season: Option<usize>, metrics: &[MetricParam]) -> Self {
        let (season, season_origin) = match season {
            Some(rows) => (rows, "given".to_string()),
            None => (freq.season(), freq.to_string()),
        };
        let train = prepared.split.train.clone();
        let scales = |of: fn(&[f64], usize) -> Option<f64>| {
            let scale = |raw: &[f64]| (season > 0).then(|| of(&raw[train.clone()], season)).flatten();
            prepared.targets().iter().map(|c| scale(&c.raw)).collect()
        };
        ScoreContext {
            metrics: metrics.to_vec(),
            season,
            season_origin,
            scales: scales(seasonal_scale),
            square_scales: scales(seasonal_square_scale),
            levels: prepared.targets().iter().map(|c| c.filled.clone()).collect(),
        }
    }
}

/// Scores fits and baselines on the origins that all of them have. `val` are forecasts of the same models and baselines on
/// the validation part; the baseline that is best there, by metric, is the one that plain skill compares with. With
/// an empty `val` there is no such baseline.
///
/// A missing actual value is left out; a missing forecast makes the metric undefined for that model.
///
/// # Errors
/// `E0370` when forecasts differ in part, horizon or targets, or share no origin.
pub fn score(test: &[Forecasts], val: &[Forecasts], context: &ScoreContext) -> Result<SkillTable, DataError> {
    let first = comparable(test)?;
    let common = common_origins(test);
    if common.is_empty() {
        let reason = "the forecasts share no origin, so they cannot be compared".to_string();
        return Err(Problem::NotComparable { reason }.into());
    }
    let mut scores: Vec<Score> = test.iter().map(|f| score_one(f, &common, context)).collect();
    scores.sort_by_key(|s| s.kind == ForecastKind::Baseline);
    let rows: BTreeSet<usize> =
        common.iter().flat_map(|origin| origin + 1..=origin + first.horizon).collect();
    Ok(SkillTable {
        part: first.part,
        targets: rows.len(),
        horizon: first.horizon,
        season: format!("{} ({})", context.season, context.season_origin),
        // One number only speaks for one target.
        mase_scale: if let [scale] = context.scales.as_slice() { *scale } else { None },
        reference: references(val, context)?,
        scores,
        definitions: context.metrics.iter().map(|m| (m.name().into(), m.definition().into())).collect(),
    })
}

/// The first of the forecasts, if all of them speak of the same thing.
fn comparable(forecasts: &[Forecasts]) -> Result<&Forecasts, DataError> {
    let fail = |reason: String| DataError::from(Problem::NotComparable { reason });
    let first = forecasts.first().ok_or_else(|| fail("there is nothing to score".into()))?;
    for other in forecasts {
        let size = other.origins.len() * other.horizon * other.targets.len();
        let differs = if other.part != first.part {
            "parts"
        } else if other.horizon != first.horizon {
            "horizons"
        } else if other.targets != first.targets {
            "targets"
        } else if other.actual.len() != size || other.predicted.len() != size {
            return Err(fail(format!("`{}` needs {size} values", other.name)));
        } else {
            continue;
        };
        return Err(fail(format!("`{}` and `{}` have different {differs}", first.name, other.name)));
    }
    Ok(first)
}

fn common_origins(forecasts: &[Forecasts]) -> BTreeSet<usize> {
    let mut sets = forecasts.iter().map(|f| f.origins.iter().copied().collect::<BTreeSet<_>>());
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |common, set| &common & &set)
}

fn score_one(forecasts: &Forecasts, origins: &BTreeSet<usize>, context: &ScoreContext) -> Score {
    let mut score = Score::of(forecasts);
    let all = samples(forecasts, context, 1, |origin, _| origins.contains(&origin).then_some(0));
    let steps = samples(forecasts, context, forecasts.horizon, |origin, step| {
        origins.contains(&origin).then_some(step)
    });
    for metric in &context.metrics {
        let name = metric.name().to_string();
        score.metrics.push((name.clone(), all.iter().find_map(|s| metric.compute(s))));
        score.by_step.push((name, steps.iter().map(|s| metric.compute(s)).collect()));
    }
    score
}

/// A metric over each of `groups` groups of forecasts. `of` names the group, given the row of the origin and the step
/// ahead (from 0); forecasts of none are left out. `None` where the metric is not defined, such as over no forecast.
pub fn by_group(
    metric: MetricParam,
    forecasts: &Forecasts,
    context: &ScoreContext,
    groups: usize,
    of: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<Option<f64>> {
    samples(forecasts, context, groups, of).iter().map(|sample| metric.compute(sample)).collect()
}

/// The sample of each group; see [`by_group`].
fn samples(
    forecasts: &Forecasts,
    context: &ScoreContext,
    groups: usize,
    of: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<Sample> {
    let targets = forecasts.targets.len();
    let empty = || vec![Vec::new(); targets];
    // The interval between the outer quantiles, or the first one that was calibrated.
    let interval = match (forecasts.quantiles.as_slice(), forecasts.intervals.first()) {
        ([first, .., last], _) => Some((first.level, 1.0 - last.level, &first.values, &last.values)),
        (_, Some(i)) => {
            let tail = (1.0 - i.level / 100.0) / 2.0;
            Some((tail, tail, &i.low, &i.high))
        }
        _ => None,
    };
    let sample = || Sample {
        targets: vec![Vec::new(); targets],
        origins: empty(),
        scales: context.scales.clone(),
        square_scales: context.square_scales.clone(),
        levels: forecasts.quantiles.iter().map(|q| q.level).collect(),
        quantiles: empty(),
        tails: interval.map(|(below, above, ..)| (below, above)),
        ends: vec![Vec::new(); targets],
    };
    let mut samples: Vec<Sample> = (0..groups).map(|_| sample()).collect();
    let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    for (o, row) in forecasts.origins.iter().enumerate() {
        for step in 0..forecasts.horizon {
            let Some(sample) = of(*row, step).and_then(|group| samples.get_mut(group)) else { continue };
            for k in 0..targets {
                let i = forecasts.index(o, step, k);
                if forecasts.actual[i].is_finite() {
                    sample.targets[k].push((forecasts.actual[i], forecasts.predicted[i]));
                    let level = context.levels.get(k).and_then(|levels| levels.get(*row));
                    sample.origins[k].push(level.copied().unwrap_or(f64::NAN));
                    sample.quantiles[k].extend(forecasts.quantiles.iter().map(|q| at(&q.values, i)));
                    sample.ends[k].extend(interval.map(|(_, _, low, high)| (at(low, i), at(high, i))));
                }
            }
        }
    }
    samples
}

/// The best baseline on validation, by metric, for metrics that have a skill.
fn references(val: &[Forecasts], context: &ScoreContext) -> Result<Vec<(String, String)>, DataError> {
    if val.is_empty() {
        return Ok(Vec::new());
    }
    comparable(val)?;
    let common = common_origins(val);
    let baselines: Vec<Score> = val
        .iter()
        .filter(|f| f.kind == ForecastKind::Baseline)
        .map(|f| score_one(f, &common, context))
        .collect();
    let best = |metric: MetricParam| {
        baselines
            .iter()
            .filter_map(|s| Some((s.metric(metric.name())?, s.name.clone())))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| (metric.name().to_string(), name))
    };
    Ok(context.metrics.iter().filter(|m| m.better() == Better::Smaller).filter_map(|m| best(*m)).collect())
}
