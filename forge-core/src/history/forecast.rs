use super::TimeAxis;
use serde::{Deserialize, Serialize};

/// A part of a split.
///
/// ```
/// use forge_core::history::Part;
/// assert_eq!([Part::Train, Part::Val, Part::Test].map(Part::name), ["train", "val", "test"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Rows that models and transforms are fitted on.
    Train,
    /// Rows that choose between models and epochs.
    Val,
    /// Rows that are only scored.
    Test,
}

impl Part {
    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// Who made a forecast.
///
/// See [`Forecasts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForecastKind {
    /// A rule that learns nothing or next to nothing, such as repeating the last value.
    Baseline,
    /// A trained model.
    Fit,
}

/// Forecasts of one model or baseline from many origins, in original units.
///
/// The arrays are row-major `[origin, step, target]`: index `(o * horizon + h) * targets.len() + k`.
/// An origin is the row of the last value that the forecast may see; step `h` (from 0) is row `origin + h + 1`.
///
/// ```
/// use forge_core::history::{ForecastKind, Forecasts, Interval, Part, QuantileForecast, TimeAxis};
/// let forecasts = Forecasts {
///     name: "naive".into(),
///     kind: ForecastKind::Baseline,
///     part: Part::Test,
///     targets: vec!["price".into()],
///     horizon: 2,
///     origins: vec![7, 8],
///     actual: vec![1.0, 2.0, 2.0, 3.0],
///     predicted: vec![0.0, 0.0, 1.0, 1.0],
///     quantiles: vec![QuantileForecast { level: 0.9, values: vec![1.5, 2.5, 2.5, 3.5] }],
///     intervals: vec![Interval { level: 80.0, low: vec![-1.0; 4], high: vec![2.5; 4] }],
/// };
/// assert_eq!(forecasts.index(1, 0, 0), 2);
/// // Two steps ahead: rows 9 and 10, with what happened and what was forecast.
/// assert_eq!(forecasts.at_step(1, 0).collect::<Vec<_>>(), [(9, 2.0, 0.0), (10, 3.0, 1.0)]);
/// assert_eq!(forecasts.target_label(&TimeAxis::Rows { len: 11 }, 1, 1), "10");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecasts {
    /// Name, such as `lstm` or `seasonal(5)`.
    pub name: String,
    /// Model or baseline.
    pub kind: ForecastKind,
    /// The part whose rows are the targets.
    pub part: Part,
    /// Names of the target columns.
    pub targets: Vec<String>,
    /// Steps ahead.
    pub horizon: usize,
    /// Row of the last observed value, one a window, ascending.
    pub origins: Vec<usize>,
    /// What happened. NaN where the value is missing.
    #[serde(with = "nan_as_null")]
    pub actual: Vec<f64>,
    /// What was forecast. NaN where no forecast could be made.
    #[serde(with = "nan_as_null")]
    pub predicted: Vec<f64>,
    /// Forecasts of quantiles, levels ascending; empty for point forecasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<QuantileForecast>,
    /// Prediction intervals about the point forecasts; empty where none were calibrated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Interval>,
}

/// Forecasts of one quantile, in original units.
///
/// See [`Forecasts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileForecast {
    /// The probability of a value below, between 0 and 1.
    pub level: f64,
    /// One a forecast, as [`Forecasts::predicted`].
    #[serde(with = "nan_as_null")]
    pub values: Vec<f64>,
}

/// Prediction intervals of one nominal coverage, in original units.
///
/// See [`Forecasts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Nominal coverage in percent.
    pub level: f64,
    /// Lower ends, as [`Forecasts::predicted`]; NaN where there is no interval.
    #[serde(with = "nan_as_null")]
    pub low: Vec<f64>,
    /// Upper ends.
    #[serde(with = "nan_as_null")]
    pub high: Vec<f64>,
}

impl Forecasts {
    /// Position of `(origin number, step from 0, target number)` in [`Forecasts::actual`] and [`Forecasts::predicted`].
    pub fn index(&self, origin: usize, step: usize, target: usize) -> usize {
        (origin * self.horizon + step) * self.targets.len() + target
    }

    /// `(row, actual, predicted)` of one target at one step ahead (from 0), in time order.
    pub fn at_step(&self, step: usize, target: usize) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        self.origins.iter().enumerate().map(move |(o, &row)| {
            let i = self.index(o, step, target);
            (row + step + 1, self.actual[i], self.predicted[i])
        })
    }
}

/// The metrics of one fit or baseline on one part.
///
/// See [`SkillTable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Name, as in [`Forecasts::name`].
    pub name: String,
    /// Model or baseline.
    pub kind: ForecastKind,
    /// Metric name and value pooled over windows, steps and targets, in original units. `None` is undefined.
    pub metrics: Vec<(String, Option<f64>)>,
    /// Metric name and its value at each step ahead.
    pub by_step: Vec<(String, Vec<Option<f64>>)>,
}

impl Score {
    /// The pooled value of a metric, if it was computed and is defined.
    ///
    /// See [`SkillTable`].
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(n, _)| n == name).and_then(|(_, v)| *v)
    }
}

/// Scores of fits and baselines on common origins.
///
/// ```
/// use forge_core::history::{ForecastKind, Part, Score, SkillTable};
/// let score = |name: &str, kind, rmse| Score {
///     name: name.into(),
///     kind,
///     metrics: vec![("rmse".into(), Some(rmse)), ("mape".into(), None)],
///     by_step: Vec::new(),
/// };
/// let table = SkillTable {
///     part: Part::Test,
///     targets: 100,
///     horizon: 1,
///     season: "1 (sessions)".into(),
///     mase_scale: Some(0.5),
///     reference: vec![("rmse".into(), "naive".into())],
///     scores: vec![score("lstm", ForecastKind::Fit, 0.75), score("naive", ForecastKind::Baseline, 1.0)],
///     definitions: Vec::new(),
/// };
/// assert_eq!(table.score("lstm").unwrap().metric("rmse"), Some(0.75));
/// let baseline = table.reference_for("rmse").unwrap();
/// assert_eq!((baseline, table.skill("lstm", "rmse", baseline)), ("naive", Some(0.25)));
/// assert_eq!(table.skill("lstm", "mape", baseline), None);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkillTable {
    /// The part that was scored.
    pub part: Part,
    /// Number of target rows that the scores rest on.
    pub targets: usize,
    /// Steps ahead.
    pub horizon: usize,
    /// Season used by MASE, in rows, and where it came from, such as `1 (sessions)`.
    pub season: String,
    /// The in-sample scale of MASE: mean absolute seasonal difference of the train part.
    pub mase_scale: Option<f64>,
    /// The baseline that was best on the validation part, by metric: what plain `skill.<metric>` compares with.
    pub reference: Vec<(String, String)>,
    /// Fits first, then baselines.
    pub scores: Vec<Score>,
    /// One line of definition a metric.
    pub definitions: Vec<(String, String)>,
}

impl SkillTable {
    /// The score of a fit or baseline by name.
    pub fn score(&self, name: &str) -> Option<&Score> {
        self.scores.iter().find(|s| s.name == name)
    }

    /// `1 - metric(name) / metric(baseline)`: above 0 is better than the baseline. Undefined stays `None`.
    pub fn skill(&self, name: &str, metric: &str, baseline: &str) -> Option<f64> {
        let ours = self.score(name)?.metric(metric)?;
        let theirs = self.score(baseline)?.metric(metric)?;
        (theirs > 0.0).then(|| 1.0 - ours / theirs)
    }

    /// The baseline that plain `skill.<metric>` compares with.
    pub fn reference_for(&self, metric: &str) -> Option<&str> {
        self.reference.iter().find(|(m, _)| m == metric).map(|(_, b)| b.as_str())
    }
}

/// Forecasts beside the axis that gives their rows a time, as a figure draws them.
impl Forecasts {
    /// The label of the row that `(origin number, step)` speaks of.
    pub fn target_label(&self, axis: &TimeAxis, origin: usize, step: usize) -> String {
        axis.label(self.origins[origin] + step + 1)
    }
}

/// JSON has no NaN: a missing number is `null`.
pub(super) mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serializer, ser::SerializeSeq};

    pub fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        let mut seq = s.serialize_seq(Some(values.len()))?;
        for v in values {
            seq.serialize_element(&v.is_finite().then_some(*v))?;
        }
        seq.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(d)?;
        Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}
