use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::guards;
use crate::registry::Registry;
use crate::sources::{CheckParams, CleanParams, CsvParams, Source};
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{Value, ValueKind};
use forge_core::history::{Fact, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::sync::Arc;

/// `data`, `clean` and `check`: reads a file, repairs it and judges it.
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
        vec![typed::<DataParams>("data"), typed::<CleanParams>("clean"), typed::<CheckParams>("check")]
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
            "clean" => resolved::<CleanParams>(spec, action),
            _ => resolved::<CheckParams>(spec, action),
        }
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let Some(action) = cell.action("clean") else { return };
        let clean = plan.spec.read::<CleanParams>(action);
        if let Some(guard) = clean.ok().and_then(|clean| clean.looks_back_only().err()) {
            plan.guard(cell, &action.path.key("fill"), "looks ahead", guard);
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let mut frame = match run.cell.action("data") {
            Some(action) => {
                let source = run.spec.read::<DataParams>(action)?.source();
                read(run, &source)?
            }
            // Of an earlier cell's data.
            None => {
                let Value::Frame(frame) = run.input(ValueKind::Frame)?.clone() else { return Ok(None) };
                Arc::unwrap_or_clone(frame)
            }
        };
        if run.cell.action("clean").is_some() {
            let clean: CleanParams = run.params("clean")?;
            if let Err(guard) = clean.looks_back_only() {
                run.allowed(guard)?;
            }
            let (cleaned, notices) = clean.clean(frame)?;
            run.notices.extend(notices);
            frame = cleaned;
        }
        // Data that is cleaned in a cell of its own has been checked where it was read, if not told otherwise.
        if run.cell.action("check").is_some() || run.cell.action("data").is_some() {
            let check: CheckParams = run.params("check")?;
            let notices = check.check(&frame)?;
            run.notices.extend(notices);
            frame.missing_target = check.missing_target;
        }
        run.notices.extend(guards::strange_values(&frame));
        let missing = frame.missing();
        let mut facts = vec![Fact::new("rows", frame.rows().to_string())];
        if frame.inserted() > 0 {
            facts
                .push(Fact::new("inserted rows", frame.inserted().to_string()).detail("missing in the file"));
        }
        facts.push(
            Fact::new("columns", frame.columns.len().to_string())
                .detail(frame.names().collect::<Vec<_>>().join(", ")),
        );
        if frame.time.column().is_some() {
            let axis = frame.time.axis();
            facts.push(Fact::new("from", axis.label(0)));
            facts.push(Fact::new("to", axis.label(frame.rows().saturating_sub(1))));
        }
        facts.push(Fact::new("frequency", frame.freq.to_string()));
        facts.push(Fact::new("missing values", missing.to_string()));
        run.outputs.push(Output::Facts { facts });
        run.summary = format!("{} rows of {}", frame.rows(), frame.names().collect::<Vec<_>>().join(", "));
        Ok(Some(Value::Frame(Arc::new(frame))))
    }
}

/// Reads a source and notes what was read.
fn read(run: &mut CellRun<'_>, source: &dyn Source) -> Result<Frame, Failure> {
    let loaded = source.read(run.base)?;
    run.notices.extend(loaded.notices);
    run.sources.push(loaded.record);
    Ok(loaded.frame)
}
