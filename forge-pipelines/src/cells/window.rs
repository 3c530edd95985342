use super::{CellKind, CellRun, resolved, typed};
use crate::data_error::Problem;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::spec::{ActionSpec, Spec};
use crate::value::{Value, ValueKind, WindowData};
use crate::windows::{WindowParams, Windows};
use forge_core::history::{Fact, Output, Part};
use serde_json::Value as Json;
use std::sync::Arc;

/// `window`: what a model sees and what it forecasts.
#[derive(Clone, Copy, Debug)]
pub struct Window;

impl CellKind for Window {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<WindowParams>("window")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Prepared)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Windows)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<WindowParams>(spec, action)
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Prepared(columns) = run.input(ValueKind::Prepared)?.clone() else { return Ok(None) };
        let Some(action) = run.cell.action("window") else { return Ok(None) };
        let params: WindowParams = run.spec.read(action)?;
        let windows = Windows::new(&columns.prepared, params).map_err(|error| {
            let key = match *error.problem {
                Problem::HorizonTooLong { .. } => "horizon",
                Problem::LookbackTooLong { .. } | Problem::NoTrainWindow { .. } => "lookback",
                _ => return error.into(),
            };
            Failure::from(error).at(run.spec.document().place_of(&action.path.key(key)), "too long")
        })?;
        let count = |part| windows.len(part).to_string();
        run.outputs.push(Output::Facts {
            facts: vec![
                Fact::new("lookback", params.lookback.to_string()).detail("rows that the model sees"),
                Fact::new("horizon", params.horizon.to_string()).detail("rows ahead that it forecasts"),
                Fact::new("train windows", count(Part::Train)),
                Fact::new("val windows", count(Part::Val)),
                Fact::new("test windows", count(Part::Test)),
            ],
        });
        run.summary = format!(
            "{} train, {} val, {} test windows",
            windows.len(Part::Train),
            windows.len(Part::Val),
            windows.len(Part::Test)
        );
        run.notices.extend(windows.notices.iter().cloned());
        Ok(Some(Value::Windows(Arc::new(WindowData { columns, windows }))))
    }
}
