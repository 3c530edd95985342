//! `model.json`: a fitted model without the spec and the data it came from.

use crate::cells::CellRun;
use crate::models::ModelShape;
use crate::value::WindowData;
use serde_json::{Value as Json, json};

/// What `model.json` holds: all that is needed to forecast again without the spec and the data.
pub(super) fn describe(
    run: &CellRun<'_>,
    model: &Json,
    shape: ModelShape,
    data: &WindowData,
    best: bool,
) -> Json {
    let prepared = &data.columns.prepared;
    // A forecast begins after the last known target, whatever the file knows of later rows.
    let end = prepared.target_end();
    let start = end.saturating_sub(shape.lookback + prepared.first_valid_row);
    let columns: Vec<Json> = prepared
        .inputs
        .iter()
        .map(|c| {
            // A missing value is null, filled with the one before it; the first has nothing before it here.
            let mut last: Vec<Option<f64>> =
                c.raw[start..end].iter().map(|v| v.is_finite().then_some(*v)).collect();
            if let (Some(first), Some(filled)) = (last.first_mut(), c.filled.get(start)) {
                *first = filled.is_finite().then_some(*filled);
            }
            json!({"name": c.name, "transforms": c.chain, "last": last, "masked": c.missing() > 0})
        })
        .collect();
    let times: Vec<String> = (start..end).map(|row| prepared.axis.label(row)).collect();
    json!({
        "schema": 1,
        "task": "forecast",
        "model": model,
        "shape": shape,
        "horizon": data.windows.params.horizon,
        "targets": prepared.target_count,
        "known_ahead": prepared.future_count,
        "calendar": prepared.calendar,
        "columns": columns,
        "last_times": times,
        "frequency": data.columns.freq.to_string(),
        "seed": run.spec.seed,
        "weights": if best { "best.safetensors" } else { "last.safetensors" },
    })
}
