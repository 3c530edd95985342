use super::{CellKind, CellRun, resolved, typed};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::sources::{CheckParams, CsvParams, load};
use crate::spec::{ActionSpec, Diagnostic, Spec};
use crate::value::{Value, ValueKind};
use forge_core::history::{Fact, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::sync::Arc;

/// `data` and `check`: reads a file and judges it.
#[derive(Clone, Copy, Debug)]
pub struct Data;

/// Where the data is: a path, or a kind of source with its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = CsvParams::new("data/msft_daily.csv"))]
enum DataParams {
    /// Path of a CSV file; everything else is read off it.
    Path(String),
    /// A CSV file.
    Csv(CsvParams),
}

impl DataParams {
    fn source(self) -> CsvParams {
        match self {
            DataParams::Path(path) => CsvParams::new(path),
            DataParams::Csv(csv) => csv,
        }
    }
}

impl CellKind for Data {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<DataParams>("data"), typed::<CheckParams>("check")]
    }

    fn takes(&self) -> Option<ValueKind> {
        None
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Frame)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        match action.name.as_str() {
            "data" => {
                let source = spec.read::<DataParams>(action)?.source();
                serde_json::to_value(source).map_err(|e| Diagnostic::error("E0190", e.to_string()).into())
            }
            _ => resolved::<CheckParams>(spec, action),
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let check: CheckParams = run.params("check")?;
        let Some(action) = run.cell.action("data") else {
            // A `check` in a cell of its own judges the data of an earlier one.
            let Value::Frame(frame) = run.input(ValueKind::Frame)?.clone() else { return Ok(None) };
            let notices = check.check(&frame)?;
            run.notices.extend(notices);
            run.summary = "checked".into();
            return Ok(Some(Value::Frame(frame)));
        };
        let source = run.spec.read::<DataParams>(action)?.source();
        let loaded = load(&source, run.base, &check)?;
        let record = loaded.record;
        let mut facts = vec![
            Fact::new("rows", record.rows.to_string()),
            Fact::new("columns", record.columns.len().to_string()).detail(record.columns.join(", ")),
        ];
        if let Some((first, last)) = &record.range {
            facts.push(Fact::new("from", first));
            facts.push(Fact::new("to", last));
        }
        facts.push(Fact::new("frequency", loaded.frame.freq.to_string()));
        facts.push(Fact::new("missing values", record.missing.to_string()));
        run.outputs.push(Output::Facts { facts });
        run.summary = format!("{} rows of {}", record.rows, record.columns.join(", "));
        run.notices.extend(loaded.notices);
        run.sources.push(record);
        Ok(Some(Value::Frame(Arc::new(loaded.frame))))
    }
}
