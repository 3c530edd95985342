//! `model.json`: a fitted model without the spec and the data it came from.

use crate::cells::CellRun;
use crate::metrics::Margins;
use crate::models::ModelShape;
use crate::prepare::PreparedColumn;
use crate::sources::{CleanParams, CsvParams};
use crate::value::WindowData;
use forge_core::history::Forecasts;
use serde_json::{Value as Json, json};

/// Nominal coverages, in percent, of the intervals that a spec without any asks for.
const LEVELS: [f64; 2] = [80.0, 95.0];

/// What there is to say about a fitted model.
pub(super) struct Description<'a> {
    /// The model's kind and parameters.
    pub model: &'a Json,
    /// Its sizes.
    pub shape: ModelShape,
    /// Levels of the quantiles that it forecasts, ascending.
    pub levels: &'a [f64],
    /// What it was trained on.
    pub data: &'a WindowData,
    /// Its forecasts of the validation part, which intervals are calibrated on.
    pub val: Option<&'a Forecasts>,
    /// The file of its weights.
    pub weights: &'static str,
}

impl Description<'_> {
    /// What `model.json` holds: all that is needed to forecast again without the spec and the data.
    pub fn json(&self, run: &CellRun<'_>) -> Json {
        let prepared = &self.data.columns.prepared;
        let horizon = self.data.windows.params.horizon;
        // A forecast begins after the last known target, whatever the file knows of later rows.
        let end = prepared.target_end();
        // One row more than the model sees, so that what the first one is filled with can be told from a known value.
        let start = end.saturating_sub(self.shape.lookback + prepared.first_valid_row + 1);
        let known = |v: &f64| v.is_finite().then_some(*v);
        let ahead_from = prepared.inputs.len() - prepared.future_count;
        let column = |(i, c): (usize, &PreparedColumn)| {
            // A missing value is null, filled with the one before it; the first has nothing before it here.
            let mut last: Vec<Option<f64>> = c.raw[start..end].iter().map(known).collect();
            if let (Some(first), Some(filled)) = (last.first_mut(), c.filled.get(start)) {
                *first = known(filled);
            }
            let mut column =
                json!({"name": c.name, "transforms": c.chain, "last": last, "masked": c.missing() > 0});
            if i >= ahead_from {
                let ahead = c.raw.iter().skip(end).take(horizon);
                column["ahead"] = ahead.map(known).collect::<Vec<_>>().into();
            }
            column
        };
        let columns: Vec<Json> = prepared.inputs.iter().enumerate().map(column).collect();
        let times: Vec<String> = (start..end).map(|row| prepared.axis.label(row)).collect();
        let chains = prepared.target_chains();
        let intervals: Vec<Margins> = self
            .val
            .map(|val| {
                interval_levels(run).into_iter().map(|level| Margins::of(&chains, val, level)).collect()
            })
            .unwrap_or_default();
        json!({
            "schema": 1,
            "task": "forecast",
            "model": self.model,
            "shape": self.shape,
            "horizon": horizon,
            "targets": prepared.target_count,
            "known_ahead": prepared.future_count,
            "calendar": prepared.calendar,
            "columns": columns,
            "last_times": times,
            "ahead_times": prepared.times_after_target(horizon),
            "frequency": self.data.columns.freq.to_string(),
            "reader": reader(run),
            "clean": clean(run),
            "quantiles": self.levels,
            "intervals": intervals,
            "seed": run.spec.seed,
            "weights": self.weights,
        })
    }
}

/// The parameters of the nearest action of this name at or above the cell.
fn nearest<'a>(run: &CellRun<'a>, name: &str) -> Option<&'a crate::spec::ActionSpec> {
    let above = run.spec.cells.iter().take_while(|cell| cell.id != run.cell.id);
    above.filter_map(|cell| cell.action(name)).last()
}

/// How the data file was read, without its place: another file of the same form is read alike.
fn reader(run: &CellRun<'_>) -> Option<CsvParams> {
    let params = &nearest(run, "data")?.params;
    let read = serde_json::from_value::<CsvParams>(params.clone());
    // The short form names the file alone.
    Some(CsvParams { csv: String::new(), ..read.unwrap_or_else(|_| CsvParams::new("")) })
}

fn clean(run: &CellRun<'_>) -> Option<CleanParams> {
    run.spec.read(nearest(run, "clean")?).ok()
}

/// The levels of all intervals that the spec asks for, ascending.
fn interval_levels(run: &CellRun<'_>) -> Vec<f64> {
    let mut levels = Vec::new();
    for action in run.spec.cells.iter().flat_map(|cell| &cell.actions) {
        let given = match action.name.as_str() {
            "evaluate" => action.params.get("intervals").and_then(|intervals| intervals.get("conformal")),
            "forecast" => action.params.get("conformal"),
            _ => None,
        };
        levels.extend(given.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_f64));
    }
    if levels.is_empty() {
        levels.extend(LEVELS);
    }
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}
