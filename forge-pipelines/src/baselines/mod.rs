//! Forecasts that learn nothing or next to nothing: what any model has to beat.
//!
//! A new baseline is one file here, with its line in [`BaselineParam`] and in [`BaselineParam::rule`].

mod climatology;
mod drift;
mod last;
mod linear;
mod mean;
mod seasonal;

pub use climatology::{ClimatologyParams, Cycle};
pub use linear::{Chosen, LinearParams, Ridge};

use crate::data_error::DataError;
use crate::prepare::{Prepared, PreparedColumn};
use crate::windows::Windows;
use forge_core::history::{ForecastKind, Forecasts, Part};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// A rule that continues a series.
pub trait Baseline {
    /// Forecasts the rows after `history`, one for each element of `path`, in original units. The rule is given
    /// nothing later than the origin, so it cannot look ahead. NaN where it has no forecast. A missing value of the
    /// history is the last known one before it. `ahead` are the times of the rows of the path; none where rows are only
    /// counted.
    fn forecast(&self, history: &[f64], ahead: &[Timestamp], path: &mut [f64]);
}

/// A baseline: `last`, `drift`, `mean`, `{seasonal: 5}`, `climatology` or `{linear: {ridge: val}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(example = BaselineParam::Last, example = BaselineParam::Seasonal(NonZeroUsize::MIN.saturating_add(4)))]
pub enum BaselineParam {
    /// Every later row equals the last one.
    Last,
    /// The line through the first and the last row goes on.
    Drift,
    /// Every later row is the mean of all rows up to the origin.
    Mean,
    /// Every later row equals the last one in the same place of the season, of so many rows.
    Seasonal(NonZeroUsize),
    /// Every later row is the mean of the train rows at the same place in the calendar; none where there is no such row.
    Climatology(ClimatologyParams),
    /// A linear function of the target's own last values, fitted on the train windows by penalised least squares; named
    /// `ridge` in results.
    Linear(LinearParams),
}

impl BaselineParam {
    /// The name in tables and figures, such as `seasonal(5)`.
    pub fn name(self) -> String {
        match self {
            BaselineParam::Last => "last".into(),
            BaselineParam::Drift => "drift".into(),
            BaselineParam::Mean => "mean".into(),
            BaselineParam::Seasonal(m) => format!("seasonal({m})"),
            BaselineParam::Climatology(ClimatologyParams { by: None }) => "climatology".into(),
            BaselineParam::Climatology(ClimatologyParams { by: Some(cycle) }) => {
                format!("climatology({})", cycle.name())
            }
            BaselineParam::Linear(_) => "ridge".into(),
        }
    }

    /// Whether the rule has what it needs of the data.
    ///
    /// # Errors
    /// `E0353` a climatology of rows without times.
    pub fn suits(self, prepared: &Prepared) -> Result<(), DataError> {
        match self {
            BaselineParam::Climatology(params) => Ok(params.suits(&prepared.time)?),
            _ => Ok(()),
        }
    }

    /// The rule for a target. Only `linear` and `climatology` learn, from the train part.
    pub fn rule(self, column: &PreparedColumn, prepared: &Prepared, windows: &Windows) -> Box<dyn Baseline> {
        match self {
            BaselineParam::Last => Box::new(last::Last),
            BaselineParam::Drift => Box::new(drift::Drift),
            BaselineParam::Mean => Box::new(mean::Mean),
            BaselineParam::Seasonal(m) => Box::new(seasonal::Seasonal { period: m.get() }),
            BaselineParam::Climatology(params) => {
                Box::new(climatology::Climatology::fit(params, column, prepared))
            }
            BaselineParam::Linear(params) => Box::new(linear::Linear::fit(params, column, windows)),
        }
    }

    /// Forecasts from every origin of a part, of every target, in original units.
    pub fn forecasts(self, prepared: &Prepared, windows: &Windows, part: Part) -> Forecasts {
        self.fitted(prepared, windows).forecasts(prepared, windows, part)
    }

    /// The rules of all targets: what can be shared by the parts.
    pub fn fitted(self, prepared: &Prepared, windows: &Windows) -> FittedBaseline {
        let rules = prepared.targets().iter().map(|column| self.rule(column, prepared, windows)).collect();
        FittedBaseline { name: self.name(), rules }
    }
}

/// A baseline that knows its train part.
pub struct FittedBaseline {
    name: String,
    rules: Vec<Box<dyn Baseline>>,
}

impl FittedBaseline {
    /// Forecasts from every origin of a part, of every target, in original units.
    pub fn forecasts(&self, prepared: &Prepared, windows: &Windows, part: Part) -> Forecasts {
        let mut forecasts = windows.observed(prepared, part, &self.name, ForecastKind::Baseline);
        let mut path = vec![0.0; forecasts.horizon];
        for (o, origin) in forecasts.origins.clone().into_iter().enumerate() {
            let ahead = prepared.time.times().get(origin + 1..).unwrap_or(&[]);
            let ahead = &ahead[..ahead.len().min(path.len())];
            for (k, (column, rule)) in prepared.targets().iter().zip(&self.rules).enumerate() {
                rule.forecast(known(&column.filled[..=origin]), ahead, &mut path);
                for (step, value) in path.iter().enumerate() {
                    let i = forecasts.index(o, step, k);
                    forecasts.predicted[i] = *value;
                }
            }
        }
        forecasts
    }
}

/// A filled history from its first known value on.
fn known(history: &[f64]) -> &[f64] {
    let first = history.iter().position(|v| v.is_finite()).unwrap_or(history.len());
    &history[first..]
}
