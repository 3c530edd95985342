use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::data_error::{DataError, Problem};
use crate::failure::Failure;
use crate::prepare::Prepared;
use crate::registry::Registry;
use crate::roles::{Future, Roles as RoleParams};
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Place, Spec};
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
        let prepared = Prepared::new(&data.frame, &data.split, &target, &past)
            .and_then(|prepared| prepared.with_future(&data.frame, &future))
            .map_err(|error| blamed(error, run))?;
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

/// The failure with the place in the spec that names the column.
fn blamed(error: DataError, run: &CellRun<'_>) -> Failure {
    let (name, label) = match (&*error.problem, &error.column) {
        (Problem::UnknownColumn { name, .. }, _) => (name.clone(), Some("no such column")),
        (Problem::TwoRoles { name }, _) => (name.clone(), Some("named again here")),
        (_, Some(column)) => (column.clone(), None),
        _ => return error.into(),
    };
    let mut failure = Failure::from(error);
    match (place_of(&name, run), label) {
        (Some(place), Some(label)) => failure.at(place, label),
        (Some(place), None) => {
            failure.finding.context.push((place, "this column".into()));
            failure
        }
        (None, _) => failure,
    }
}

/// Where the cell names a column; the last place, if it does so twice.
fn place_of(column: &str, run: &CellRun<'_>) -> Option<Place> {
    let document = run.spec.document();
    run.cell.actions.iter().rev().find_map(|action| match &action.params {
        Json::String(only) => (only == column).then(|| document.place_of(&action.path)),
        Json::Array(names) => {
            let position = names.iter().position(|one| one.as_str() == Some(column))?;
            Some(document.place_of(&action.path.index(position)))
        }
        Json::Object(chains) => {
            chains.contains_key(column).then(|| document.key_place_of(&action.path.key(column)))
        }
        _ => None,
    })
}
