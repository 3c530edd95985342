//! Cell kinds, one file each: their parameters, what they take and give, and how they run.
//!
//! A kind owns one action or several that belong together, such as `model` and `train`. The built-in kinds are wired as
//! outside ones are: by [`Registry::with_cell`].

mod baseline;
mod data;
mod evaluate;
mod forecast;
mod groups;
mod roles;
mod score_tables;
mod show;
mod split;
mod train;
mod window;

pub use baseline::Baselines;
pub use data::Data;
pub use evaluate::{Evaluate, EvaluateParams, IntervalParams, ScoredPart};
pub use forecast::{Forecast, ForecastParams, Next, Whole};
pub use groups::GroupParam;
pub use roles::Roles;
pub(crate) use show::draw;
pub use show::{HeatmapParams, Show, ShowParam};
pub use split::Splitting;
pub use train::{
    AdamParams, AdamwParams, CosineParams, HuberParams, LossKind, LossName, LossParam, Monitor,
    OptimizerKind, OptimizerName, OptimizerParam, Percent, PlateauParams, Quantiles, Restore, ScheduleKind,
    ScheduleName, ScheduleParam, SgdParams, StepParams, StopParams, Strategy, TrainParams, Training, Warmup,
};
pub use window::Window;

use crate::data_error::DataError;
use crate::failure::Failure;
use crate::models::schema_of;
use crate::registry::Registry;
use crate::run::ActiveRun;
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Path as SpecPath, Spec};
use crate::value::{Value, ValueKind};
use forge_core::Device;
use forge_core::history::{Level, Notice, Output, SourceRecord};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A kind of cell.
pub trait CellKind: Send + Sync {
    /// Its actions with the JSON Schemas of their parameters.
    fn actions(&self, registry: &Registry) -> Vec<(&'static str, Json)>;

    /// The value that it needs from an earlier cell.
    fn takes(&self) -> Option<ValueKind>;

    /// The value that it gives.
    fn gives(&self) -> Option<ValueKind>;

    /// The parameters of one of its actions with every default filled in.
    ///
    /// # Errors
    /// When the parameters do not have the type that the schema was made from.
    fn resolve(&self, spec: &Spec, action: &ActionSpec, registry: &Registry) -> Result<Json, Failure>;

    /// Checks that need no data, and notes what later cells can refer to.
    fn plan(&self, _cell: &CellSpec, _plan: &mut Plan<'_>) {}

    /// Runs the cell.
    ///
    /// # Errors
    /// Anything that keeps the run from going on.
    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure>;
}

/// What is known of a spec before anything runs.
pub struct Plan<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The kinds.
    pub registry: &'a Registry,
    /// What is wrong.
    pub findings: Vec<Diagnostic>,
    /// The values so far, with the ids of the cells that give them.
    pub available: Vec<(String, ValueKind)>,
    /// Ids of the cells so far that train a model.
    pub fits: Vec<String>,
    /// Those of them that forecast quantiles, with their number.
    pub quantile_fits: Vec<(String, usize)>,
    /// Names of the baselines so far.
    pub baselines: Vec<String>,
    /// Fits that an `evaluate` so far has taken.
    pub evaluated: Vec<String>,
    /// Addresses of all results so far, such as `score.result.lstm.rmse`.
    pub results: Vec<String>,
    /// Codes of the guards so far that `allow` has switched off.
    pub allowed: Vec<String>,
}

impl Plan<'_> {
    /// Notes that `cell` will compute `name`.
    pub fn result(&mut self, cell: &CellSpec, name: &[&str]) {
        self.results.push(address(&cell.id, name));
    }

    /// Notes a guard's finding at an action's value, unless the spec switches the guard off.
    pub fn guard(&mut self, cell: &CellSpec, path: &SpecPath, label: &str, guard: DataError) {
        if self.spec.allow.iter().any(|allowed| allowed.code == guard.code()) {
            self.allowed.push(guard.code().to_string());
            return;
        }
        let place = self.spec.document().place_of(path);
        self.findings.push(Failure::from(guard).finding.at(place, label).cell(&cell.id));
    }

    /// The action `name` that gives a cell its input: of a cell that it names with `from:`, or of the nearest above.
    pub fn input_action(&self, cell: &CellSpec, name: &str) -> Option<&ActionSpec> {
        let own = self.spec.cells.iter().position(|other| other.id == cell.id)?;
        let from = |other: &&CellSpec| cell.from.is_empty() || cell.from.contains(&other.id);
        self.spec.cells[..own].iter().rev().filter(from).find_map(|other| other.action(name))
    }
}

/// `id.result.name…`, with quotes where a name needs them.
pub(crate) fn address(id: &str, name: &[&str]) -> String {
    let parts = [&[id, "result"], name].concat();
    let bare = |part: &&str| {
        let odd = |c: char| c.is_whitespace() || ".\"\\=<>|{}".contains(c);
        if part.is_empty() || part.contains(odd) { format!("{part:?}") } else { (*part).to_string() }
    };
    parts.iter().map(bare).collect::<Vec<_>>().join(".")
}

/// A cell at work.
pub struct CellRun<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The cell.
    pub cell: &'a CellSpec,
    /// The kinds.
    pub registry: &'a Registry,
    /// Values of earlier cells, in order, with the cells' ids.
    pub earlier: &'a [(String, Value)],
    /// The folder of the spec file: relative paths begin here.
    pub base: &'a Path,
    /// The run directory.
    pub active: &'a ActiveRun,
    /// Where to compute.
    pub device: &'a Device,
    /// Set when the user wants the run to end.
    pub interrupt: &'a Arc<AtomicBool>,
    /// Whether to train only a few steps, to see that every cell runs.
    pub smoke: bool,
    /// What the cell shows.
    pub outputs: Vec<Output>,
    /// What was found on the way.
    pub notices: Vec<Notice>,
    /// Data that was read.
    pub sources: Vec<SourceRecord>,
    /// Results by address.
    pub results: BTreeMap<String, Option<f64>>,
    /// What came out, in a few words.
    pub summary: String,
}

impl CellRun<'_> {
    /// The parameters of an action, or the type's default if the cell does not have it.
    ///
    /// # Errors
    /// When they do not have the type that the schema was made from.
    pub fn params<T: DeserializeOwned + Default>(&self, action: &str) -> Result<T, Failure> {
        match self.cell.action(action) {
            Some(action) => Ok(self.spec.read(action)?),
            None => Ok(T::default()),
        }
    }

    /// The input: that of the cell named by `from:`, or the nearest earlier value of the type.
    ///
    /// # Errors
    /// When there is none; the plan has said so before.
    pub fn input(&self, kind: ValueKind) -> Result<&Value, Failure> {
        let from = |id: &String| self.cell.from.is_empty() || self.cell.from.contains(id);
        let found = self.earlier.iter().rev().find(|(id, value)| from(id) && value.kind() == kind);
        found.map(|(_, value)| value).ok_or_else(|| missing(kind, &self.cell.id).into())
    }

    /// Lets a guard's finding pass if the spec switches it off with a reason, which is noted.
    ///
    /// # Errors
    /// The finding, if the spec does not.
    pub fn allowed(&mut self, finding: DataError) -> Result<(), Failure> {
        let Some(allowed) = self.spec.allow.iter().find(|a| a.code == finding.code()) else {
            return Err(finding.into());
        };
        let text = format!("{finding}. Allowed by the spec: {}", allowed.reason);
        self.notices.push(Notice { code: allowed.code.clone(), level: Level::Warning, text });
        Ok(())
    }

    /// Notes a result under `id.result.name…`.
    pub fn result(&mut self, name: &[&str], value: Option<f64>) {
        self.results.insert(address(&self.cell.id, name), value);
    }

    /// An internal fault with its words: for what the plan should have excluded.
    pub fn fault(message: impl Into<String>) -> Failure {
        Failure::fault(message)
    }
}

/// The complaint about a cell without its input.
pub(crate) fn missing(kind: ValueKind, cell: &str) -> Diagnostic {
    Diagnostic::error("E0170", format!("cell `{cell}` needs {kind}, and no earlier cell gives that"))
        .help(format!("add a cell with `{}:` above it", kind.maker()))
}

/// Parameters read and written again, so that every default is filled in.
fn resolved<T: DeserializeOwned + Serialize>(spec: &Spec, action: &ActionSpec) -> Result<Json, Failure> {
    let params: T = spec.read(action)?;
    serde_json::to_value(params)
        .map_err(|e| Diagnostic::error("E0190", format!("`{}`: {e}", action.name)).into())
}

/// An action whose parameters are of one type.
fn typed<T: JsonSchema>(name: &'static str) -> (&'static str, Json) {
    (name, schema_of::<T>())
}
