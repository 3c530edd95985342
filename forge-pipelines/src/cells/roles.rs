use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::failure::Failure;
use crate::prepare::Prepared;
use crate::registry::Registry;
use crate::roles::{Future, Roles as RoleParams};
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{PreparedData, Value, ValueKind};
use forge_core::history::{Output, Table};
use serde_json::Value as Json;
use std::sync::Arc;

/// `target`, `past` and `future`: which columns are forecast, which are inputs, and how each is transformed.
#[derive(Clone, Copy, Debug)]
pub struct Roles;

impl CellKind for Roles {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<RoleParams>("target"), typed::<RoleParams>("past"), typed::<Future>("future")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Split)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Prepared)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        match action.name.as_str() {
            "future" => resolved::<Future>(spec, action),
            _ => resolved::<RoleParams>(spec, action),
        }
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        if cell.action("target").is_none()
            && let Some(inputs) = cell.action("past").or(cell.action("future"))
        {
            let place = plan.spec.document().key_place_of(&inputs.path);
            let message = format!("`{}` without `target`: there is nothing to forecast", inputs.name);
            plan.findings.push(
                Diagnostic::error("E0171", message)
                    .at(place, "inputs of what?")
                    .cell(&cell.id)
                    .help("add `target: Close` to this cell, with the column to forecast"),
            );
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Split(data) = run.input(ValueKind::Split)?.clone() else { return Ok(None) };
        let (target, past): (RoleParams, RoleParams) = (run.params("target")?, run.params("past")?);
        let future: Future = run.params("future")?;
        let prepared =
            Prepared::new(&data.frame, &data.split, &target, &past)?.with_future(&data.frame, &future)?;
        run.notices.extend(prepared.notices.iter().cloned());
        let ahead = prepared.inputs.len() - prepared.future_count;
        let row = |(i, column): (usize, &crate::prepare::PreparedColumn)| {
            let role = match i {
                i if i < prepared.target_count => "target, and its past",
                i if i < ahead => "past",
                _ => "past, and future",
            };
            vec![column.name.clone(), role.to_string(), column.chain.to_string()]
        };
        let cycles = prepared.calendar.iter().map(|kind| {
            vec![format!("calendar: {}", kind.name()), "past, and future".into(), "sine and cosine".into()]
        });
        let rows = prepared.inputs.iter().enumerate().map(row).chain(cycles).collect();
        run.outputs.push(Output::Table {
            table: Table {
                caption: "Columns and their transforms, fitted on the train rows".into(),
                head: ["column", "role", "transforms"].map(String::from).to_vec(),
                rows,
                numeric: 3,
            },
        });
        let names: Vec<&str> = prepared.targets().iter().map(|c| c.name.as_str()).collect();
        run.summary = format!("target {}, {} inputs", names.join(", "), prepared.inputs.len());
        Ok(Some(Value::Prepared(Arc::new(PreparedData { prepared, freq: data.frame.freq }))))
    }
}
