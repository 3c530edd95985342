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
    let start = prepared.rows().saturating_sub(shape.lookback + prepared.first_valid_row);
    let columns: Vec<Json> = prepared
        .inputs
        .iter()
        .map(|c| json!({"name": c.name, "transforms": c.chain, "last": c.raw[start..]}))
        .collect();
    let times: Vec<String> = (start..prepared.rows()).map(|row| prepared.axis.label(row)).collect();
    json!({
        "schema": 1,
        "task": "forecast",
        "model": model,
        "shape": shape,
        "horizon": data.windows.params.horizon,
        "targets": prepared.target_count,
        "columns": columns,
        "last_times": times,
        "frequency": data.columns.freq.to_string(),
        "seed": run.spec.seed,
        "weights": if best { "best.safetensors" } else { "last.safetensors" },
    })
}
