use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::data_error::{DataError, Problem};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Spec};
use crate::split::{SplitBy, SplitParams};
use crate::value::{SplitData, Value, ValueKind};
use forge_core::history::{Level, Notice, Output, Part, Table};
use serde_json::Value as Json;
use std::sync::Arc;

/// `split`: rows to fit on, to choose with, and to score.
#[derive(Clone, Copy, Debug)]
pub struct Splitting;

impl CellKind for Splitting {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<SplitParams>("split")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Frame)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Split)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<SplitParams>(spec, action)
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let Some(action) = cell.action("split") else { return };
        if plan.spec.read::<SplitParams>(action).is_ok_and(|params| params.by == SplitBy::Random) {
            let place = plan.spec.document().place_of(&action.path.key("by"));
            let finding = *Failure::from(DataError::from(Problem::RandomSplit {})).finding;
            plan.findings.push(finding.at(place, "not for a series").cell(&cell.id));
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Frame(frame) = run.input(ValueKind::Frame)?.clone() else { return Ok(None) };
        let split = run.params::<SplitParams>("split")?.split_at(&frame.time).map_err(|error| {
            match (&*error.problem, run.cell.action("split")) {
                (Problem::EmptyPart { part, .. }, Some(action)) => {
                    let place = run.spec.document().place_of(&action.path.key(*part));
                    Failure::from(error).at(place, "too little")
                }
                _ => error.into(),
            }
        })?;
        let axis = frame.time.axis();
        let row = |part: Part| {
            let range = split.part(part);
            let label = |row: Option<usize>| row.map_or("–".to_string(), |row| axis.label(row));
            let last = range.end.checked_sub(1).filter(|_| !range.is_empty());
            let first = (!range.is_empty()).then_some(range.start);
            vec![part.name().to_string(), label(first), label(last), range.len().to_string()]
        };
        run.outputs.push(Output::Table {
            table: Table {
                caption: "Parts".into(),
                head: ["part", "from", "to", "rows"].map(String::from).to_vec(),
                rows: vec![row(Part::Train), row(Part::Val), row(Part::Test)],
                numeric: 3,
            },
        });
        let used = split.train.len() + split.val.len() + split.test.len();
        if used < frame.rows() {
            let text = format!("{} of {} rows belong to no part", frame.rows() - used, frame.rows());
            run.notices.push(Notice { code: String::new(), level: Level::Note, text });
        }
        run.summary =
            format!("{} train, {} val, {} test rows", split.train.len(), split.val.len(), split.test.len());
        Ok(Some(Value::Split(Arc::new(SplitData { frame, split }))))
    }
}
