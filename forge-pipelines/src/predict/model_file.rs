//! `model.json`, as far as a forecast needs it.

use crate::calendar::CalendarParam;
use crate::failure::Failure;
use crate::metrics::Margins;
use crate::models::ModelShape;
use crate::sources::{CleanParams, CsvParams};
use crate::transforms::FittedChain;
use crate::windows::OutputShape;
use serde::Deserialize;

/// What `model.json` holds.
#[derive(Debug, Deserialize)]
pub(super) struct ModelFile {
    schema: u32,
    pub model: serde_json::Value,
    pub shape: ModelShape,
    pub horizon: usize,
    pub targets: usize,
    pub columns: Vec<StoredColumn>,
    pub last_times: Vec<String>,
    /// Times of the rows after the last one.
    #[serde(default)]
    pub ahead_times: Vec<String>,
    pub frequency: String,
    pub weights: String,
    /// Columns, up to the last, whose values after the last row are inputs.
    #[serde(default)]
    pub known_ahead: usize,
    /// Cycles of the calendar that are inputs.
    #[serde(default)]
    pub calendar: Vec<CalendarParam>,
    /// How the data was read and cleaned.
    #[serde(default)]
    pub reader: Option<CsvParams>,
    #[serde(default)]
    pub clean: Option<CleanParams>,
    /// Levels of the quantiles that the model forecasts, ascending.
    #[serde(default)]
    pub quantiles: Vec<f64>,
    /// Half-widths of its intervals.
    #[serde(default)]
    pub intervals: Vec<Margins>,
}

/// An input column: its name, its fitted transforms and its last raw values; a missing one is null.
#[derive(Debug, Deserialize)]
pub(super) struct StoredColumn {
    pub name: String,
    pub transforms: FittedChain,
    pub last: Vec<Option<f64>>,
    /// Whether a channel of its own tells which values are missing.
    #[serde(default)]
    pub masked: bool,
    /// The values after the last row, where those are inputs.
    #[serde(default)]
    pub ahead: Vec<Option<f64>>,
}

impl ModelFile {
    /// Refuses a file that this version cannot forecast from.
    pub fn check(&self, fit: &str) -> Result<(), Failure> {
        if self.schema != 1 {
            let message = format!("model.json of `{fit}` has schema {}, this version reads 1", self.schema);
            return Err(super::refused(message, "update forge"));
        }
        let masks = self.columns.iter().filter(|c| c.masked).count();
        let (known, features) =
            (self.columns.len() + masks + self.known_ahead + 4 * self.calendar.len(), self.shape.features);
        let fits = features == known && self.shape.outputs == self.outputs().count();
        let targets =
            (1..=self.columns.len()).contains(&self.targets) && self.known_ahead < self.columns.len();
        if !fits || !targets || self.horizon == 0 {
            let message = format!("the model `{fit}` has {features} inputs, of which {known} are known");
            return Err(super::refused(message, "update forge"));
        }
        Ok(())
    }

    /// How the model's outputs lie.
    pub fn outputs(&self) -> OutputShape<'_> {
        OutputShape { horizon: self.horizon, targets: self.targets, levels: &self.quantiles }
    }

    /// The columns whose values after the last row are inputs.
    pub fn ahead(&self) -> &[StoredColumn] {
        &self.columns[self.columns.len().saturating_sub(self.known_ahead)..]
    }
}
