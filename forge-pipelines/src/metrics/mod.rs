//! Metrics of forecasts, with the definition that the report prints.
//!
//! All are pooled over windows, steps and targets, in original units. A metric that is not defined on the data, such
//! as R² of a constant series, is `None`, never 0. A new metric is one line of the registry below and its function.

mod conformal;
mod direction;
mod errors;
mod relative;
mod score;
mod spread;

pub use conformal::{IntervalScore, Margins, conformal};
pub use direction::{Direction, direction};
pub use score::{ScoreContext, by_group, score};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Forecast and truth, with what the metrics need to know of the train part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// `(actual, predicted)` pairs of each target.
    pub targets: Vec<Vec<(f64, f64)>>,
    /// The value at the origin of each pair, as [`Sample::targets`].
    pub origins: Vec<Vec<f64>>,
    /// In-sample scale of each target: see [`seasonal_scale`].
    pub scales: Vec<Option<f64>>,
    /// In-sample square scale of each target: see [`seasonal_square_scale`].
    pub square_scales: Vec<Option<f64>>,
    /// Levels of the forecast quantiles, ascending; empty for point forecasts.
    pub levels: Vec<f64>,
    /// The quantiles of each pair, as many as there are levels one after the other, as [`Sample::targets`] else.
    pub quantiles: Vec<Vec<f64>>,
    /// How likely a value is below the interval of [`Sample::ends`], and above; `None` without an interval.
    pub tails: Option<(f64, f64)>,
    /// Both ends of the interval of each pair, as [`Sample::targets`].
    pub ends: Vec<Vec<(f64, f64)>>,
}

impl Sample {
    /// All pairs, target after target.
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.targets.iter().flatten().copied()
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Which value of a metric is better, where one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Smaller, with 0 as the best: skill against a baseline is defined.
    Smaller,
    /// Neither ratio nor skill is defined.
    NoSkill,
}

macro_rules! registry {
    ($($name:ident = $text:literal, $better:ident, $function:path, $definition:literal;)+) => {
        /// A metric by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum MetricParam {
            $(#[doc = $definition] #[serde(rename = $text)] $name,)+
        }

        impl MetricParam {
            /// All metrics, in the order of the registry.
            pub const ALL: &[MetricParam] = &[$(MetricParam::$name),+];

            /// The name in a spec.
            pub fn name(self) -> &'static str {
                match self { $(MetricParam::$name => $text),+ }
            }

            /// One line of definition, as the report prints it.
            pub fn definition(self) -> &'static str {
                match self { $(MetricParam::$name => $definition),+ }
            }

            /// Whether smaller is better.
            pub fn better(self) -> Better {
                match self { $(MetricParam::$name => Better::$better),+ }
            }

            /// The value on a sample; `None` where it is not defined.
            pub fn compute(self, sample: &Sample) -> Option<f64> {
                match self { $(MetricParam::$name => $function(sample)),+ }
            }
        }
    };
}

registry! {
    Mae = "mae", Smaller, errors::mae, "mean of |ŷ − y|";
    Rmse = "rmse", Smaller, errors::rmse, "root of the mean of (ŷ − y)², the root taken last";
    Mse = "mse", Smaller, errors::mse, "mean of (ŷ − y)²";
    Bias = "bias", NoSkill, errors::bias, "mean of ŷ − y; above 0 the forecasts are too high";
    Mase = "mase", Smaller, relative::mase,
        "mean of |ŷ − y| / scale; scale: mean |y(t) − y(t − m)| of the target's train rows, m the season";
    Rmsse = "rmsse", Smaller, relative::rmsse,
        "root of the mean of (ŷ − y)² / scale²; scale²: mean (y(t) − y(t − m))² of the target's train rows, m the season";
    Wape = "wape", Smaller, relative::wape, "Σ|ŷ − y| / Σ|y|";
    Smape = "smape", Smaller, relative::smape, "mean of 200 |ŷ − y| / (|y| + |ŷ|), in percent (M4)";
    R2 = "r2", NoSkill, relative::r2,
        "1 − Σ(ŷ − y)² / Σ(y − ȳ)², ȳ the target's mean over the scored rows; close to 1 for any price level";
    Direction = "direction", NoSkill, direction::hit_rate,
        "share of steps whose sign(ŷ(t+h) − y(t)) is that of y(t+h) − y(t), y(t) the value at the origin; no change is a \
         miss; undefined for a forecast of no change";
    Pinball = "pinball", Smaller, spread::pinball,
        "mean over the quantiles of max(q (y − ŷ_q), (q − 1) (y − ŷ_q)); undefined for a point forecast";
    Crps = "crps", Smaller, spread::crps,
        "continuous ranked probability score, as twice the pinball loss of the forecast quantiles: closer with more of \
         them, evenly spread; of a point forecast it is the MAE";
    Coverage = "coverage", NoSkill, spread::coverage,
        "share of y within the interval: between the lowest and the highest quantile, or of the first conformal level for \
         a forecast without quantiles";
    Width = "width", NoSkill, spread::width, "mean width of the interval of `coverage`";
    Winkler = "winkler", Smaller, spread::winkler,
        "mean of the interval's width and, for y outside, its distance by the probability of that side (2/α for an \
         interval of 1 − α with equal sides; Winkler 1972)";
}

impl MetricParam {
    /// Whether it judges forecast quantiles.
    pub fn needs_quantiles(self) -> bool {
        matches!(self, MetricParam::Pinball | MetricParam::Crps)
    }

    /// Whether it judges an interval: between quantiles, or a conformal one.
    pub fn needs_interval(self) -> bool {
        matches!(self, MetricParam::Coverage | MetricParam::Width | MetricParam::Winkler)
    }
}

/// The in-sample scale of MASE: mean of `|y[t] - y[t - season]|` over train rows `t` whose earlier row is a train row,
/// too (Hyndman and Koehler 2006); pairs with a missing value (NaN) are left out. `None` for a constant series or one no
/// longer than a season.
pub fn seasonal_scale(train: &[f64], season: usize) -> Option<f64> {
    mean_difference(train, season, f64::abs)
}

/// The in-sample square scale of RMSSE: mean of `(y[t] - y[t - season])²`, as [`seasonal_scale`] else.
pub fn seasonal_square_scale(train: &[f64], season: usize) -> Option<f64> {
    mean_difference(train, season, |d| d * d)
}

/// Mean of `term(y[t] - y[t - season])` over the pairs of known train rows.
fn mean_difference(train: &[f64], season: usize, term: impl Fn(f64) -> f64) -> Option<f64> {
    let later = train.get(season..)?;
    let terms: Vec<f64> =
        later.iter().zip(train).map(|(y, before)| term(y - before)).filter(|v| !v.is_nan()).collect();
    finite(terms.iter().sum::<f64>() / terms.len() as f64).filter(|scale| *scale > 0.0)
}
