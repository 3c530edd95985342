//! A run at work: its cells one after the other, and what they leave.

use super::fault::caught;
use super::options::Renderer;
use super::plan::Planned;
use super::{claims, lock, profile, verdict};
use crate::cells::{CellRun, ShowParam, draw};
use crate::failure::{Exit, Failure};
use crate::registry::Registry;
use crate::run::{ActiveRun, Environment, PlannedCell, RunEvent, write_predictions};
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Path as SpecPath, Place, Spec};
use crate::value::Value;
use forge_core::Device;
use forge_core::history::{
    CellRecord, CellState, Fact, Forecasts, Interval, Level, Notebook, Notice, Output, SourceRecord, TimeAxis,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A run under way.
pub(super) struct Session<'a> {
    pub spec: &'a Spec,
    pub registry: &'a Registry,
    pub active: &'a ActiveRun,
    pub base: &'a Path,
    pub device: Device,
    pub interrupt: &'a Arc<AtomicBool>,
    pub strict: bool,
    pub smoke: bool,
    /// Of a run that is profiled.
    pub profile: Option<profile::Cells>,
    pub values: Vec<(String, Value)>,
    pub results: BTreeMap<String, Option<f64>>,
    pub sources: Vec<SourceRecord>,
    pub states: Vec<CellState>,
    pub notebook: Notebook,
}

impl Session<'_> {
    pub fn begin(&mut self, environment: &Environment) -> Result<(), Failure> {
        if let Some(was) = self.active.resumed() {
            self.active.events().emit(RunEvent::RunResumed { run: self.active.record().id.clone(), was })?;
        }
        self.active.write_environment(environment)?;
        let planned = |cell: &CellSpec| PlannedCell {
            id: cell.id.clone(),
            actions: cell.actions.iter().map(|a| a.name.clone()).collect(),
        };
        self.active.events().emit(RunEvent::Plan { cells: self.spec.cells.iter().map(planned).collect() })?;
        if self.smoke {
            let text = "a smoke run: only a few steps were trained, so its numbers mean nothing";
            self.notice(None, Notice { code: String::new(), level: Level::Note, text: text.into() })?;
        }
        Ok(())
    }

    /// Records where the time goes from here on. What cannot be recorded is no reason not to run.
    pub fn begin_profile(&mut self) -> Result<(), Failure> {
        match profile::Cells::start() {
            Ok(cells) => self.profile = Some(cells),
            Err(error) => {
                let text = format!("the run has no profile: {error}");
                self.notice(None, Notice { code: String::new(), level: Level::Note, text })?;
            }
        }
        Ok(())
    }

    pub fn run_cells(&mut self, planned: &Planned) -> Result<(), Failure> {
        let mut cells: Vec<CellSpec> = self.spec.cells.clone();
        if planned.evaluate_rest {
            cells.push(implied("evaluate", json!({})));
        }
        let mut failure = None;
        for cell in &cells {
            if failure.is_some() || self.interrupt.load(Ordering::Relaxed) {
                self.record(cell, CellState::Skipped, Vec::new());
                continue;
            }
            self.profile.iter_mut().for_each(|cells| cells.begin());
            failure = self.run_cell(cell).err();
            self.profile.iter_mut().for_each(|cells| cells.end(cell));
        }
        match failure {
            Some(failure) => Err(failure),
            None => {
                if planned.show_usual {
                    self.show_usual();
                }
                Ok(())
            }
        }
    }

    fn run_cell(&mut self, cell: &CellSpec) -> Result<(), Failure> {
        let clock = Instant::now();
        let events = self.active.events().clone();
        let actions: Vec<String> = cell.actions.iter().map(|a| a.name.clone()).collect();
        events.emit(RunEvent::CellStarted { id: cell.id.clone(), actions })?;
        let (mut outputs, mut notices, mut summaries) = (Vec::new(), Vec::new(), Vec::new());
        let mut results = BTreeMap::new();
        let before = self.values.len();
        let mut result = Ok(());
        for kind in self.registry.kinds_of(cell) {
            let mut run = CellRun {
                spec: self.spec,
                cell,
                registry: self.registry,
                // A cell's own earlier actions count: `evaluate` with `show` in one cell.
                earlier: &self.values,
                base: self.base,
                active: self.active,
                device: &self.device,
                interrupt: self.interrupt,
                smoke: self.smoke,
                outputs: Vec::new(),
                notices: Vec::new(),
                sources: Vec::new(),
                results: BTreeMap::new(),
                summary: String::new(),
            };
            let given = caught(&format!("cell `{}`", cell.id), || kind.run(&mut run));
            outputs.append(&mut run.outputs);
            notices.append(&mut run.notices);
            results.append(&mut run.results);
            summaries.extend(Some(run.summary).filter(|s| !s.is_empty()));
            let sources = run.sources;
            self.sources.extend(sources);
            match given {
                Ok(value) => self.values.extend(value.map(|value| (cell.id.clone(), value))),
                Err(failure) => {
                    self.values.truncate(before);
                    result = Err(failure);
                    break;
                }
            }
        }
        let summary = summaries.join("; ");
        if cell.md.is_some() && result.is_ok() {
            match self.prose(cell) {
                Ok(markdown) => outputs.push(Output::Prose { markdown }),
                Err(failure) => result = Err(failure),
            }
        }
        for (name, value) in &results {
            let name = name.strip_prefix(&format!("{}.", cell.id)).unwrap_or(name).to_string();
            events.emit(RunEvent::Metric { id: cell.id.clone(), name, value: *value })?;
        }
        self.results.extend(results);
        for notice in notices {
            let warning = (self.strict && notice.level == Level::Warning).then(|| notice.clone());
            self.notice(Some(&cell.id), notice)?;
            if let Some(warning) = warning.filter(|_| result.is_ok()) {
                self.values.truncate(before);
                result = Err(too_strict(&warning));
            }
        }
        let seconds = clock.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                events.emit(RunEvent::CellFinished { id: cell.id.clone(), seconds, summary })?;
                self.record(cell, CellState::Ran { seconds }, outputs);
                Ok(())
            }
            Err(failure) => {
                let failure = self.placed(failure, cell);
                let message = match &failure.finding.place {
                    Some(Place::Data(place)) => format!("{place}: {}", failure.finding.message),
                    _ => failure.finding.message.clone(),
                };
                events.emit(RunEvent::CellFailed { id: cell.id.clone(), message: message.clone() })?;
                self.record(cell, CellState::Failed { message }, outputs);
                Err(failure)
            }
        }
    }

    fn prose(&self, cell: &CellSpec) -> Result<String, Failure> {
        // The plan has refused what nothing computes; what the data left open is undefined.
        let lookup = |address: &str| Some(self.results.get(address).copied().flatten().unwrap_or(f64::NAN));
        self.spec.prose(cell, lookup).map_err(|findings| match findings.items().first() {
            Some(finding) => Failure::from(finding.clone()),
            None => CellRun::fault("the prose could not be filled in"),
        })
    }

    /// A failure whose finding names the cell, and points at it where the finding has no place of its own.
    fn placed(&self, mut failure: Failure, cell: &CellSpec) -> Failure {
        let document = self.spec.document();
        let place = cell.actions.first().map(|action| document.key_place_of(&action.path));
        match (&failure.finding.place, place) {
            (None, Some(place)) => failure.finding.place = Some(place),
            (Some(Place::Data(_)), Some(place)) if failure.finding.context.is_empty() => {
                failure.finding.context.push((place, "in this cell".into()));
            }
            _ => {}
        }
        failure.finding.cell.get_or_insert_with(|| cell.id.clone());
        failure
    }

    fn record(&mut self, cell: &CellSpec, state: CellState, outputs: Vec<Output>) {
        self.states.push(state.clone());
        self.notebook.cells.push(CellRecord {
            id: cell.id.clone(),
            actions: cell.actions.iter().map(|a| a.name.clone()).collect(),
            source: cell.source.clone(),
            line: (!cell.source.is_empty()).then_some(cell.line),
            state,
            outputs,
        });
    }

    fn show_usual(&mut self) {
        // The skill table stands in the cell that computed it.
        let figures = ShowParam::FORECAST.into_iter().filter(|f| *f != ShowParam::SkillTable);
        let outputs: Vec<Output> = figures.flat_map(|figure| draw(figure, &self.values)).collect();
        if !outputs.is_empty() {
            let cell = implied("show", json!([]));
            self.record(&cell, CellState::Ran { seconds: 0.0 }, outputs);
        }
    }

    fn notice(&mut self, cell: Option<&str>, notice: Notice) -> Result<(), Failure> {
        self.active.events().emit(RunEvent::Guard {
            id: cell.map(str::to_string),
            code: notice.code.clone(),
            level: notice.level,
            text: notice.text.clone(),
        })?;
        self.notebook.notices.push(notice);
        Ok(())
    }

    /// Verdict, claims and facts.
    pub fn finish_notebook(&mut self) -> Result<(), Failure> {
        self.notebook.verdict = self.values.iter().rev().find_map(|(_, value)| match value {
            Value::Scores(scores) => verdict::of(&scores.table),
            _ => None,
        });
        if self.interrupt.load(Ordering::Relaxed) {
            // Claims are about a run that reached its end.
            return Ok(());
        }
        self.notebook.asserts = claims::outcomes(self.spec, &self.results);
        for outcome in &self.notebook.asserts {
            self.active.events().emit(RunEvent::Assert {
                claim: outcome.claim.clone(),
                held: outcome.held,
                found: outcome.found.clone(),
            })?;
        }
        Ok(())
    }

    /// Everything that a run leaves behind, as far as it came.
    pub fn write(&mut self, render: Renderer<'_>) -> Result<Option<PathBuf>, Failure> {
        let dir = self.active.dir();
        let cells = lock::resolve(self.spec, self.registry);
        dir.write_json("spec.lock.json", &lock::lock(self.spec, &cells, &self.states))?;
        dir.write_sources(&self.sources)?;
        if let Some(cells) = self.profile.take() {
            let profile = cells.finish();
            dir.write_profile(&profile)?;
            self.notebook.profile = Some(profile);
        }
        if let Some((axis, forecasts)) = self.forecasts() {
            write_predictions(dir.predictions_file(), &forecasts, &axis)?;
        }
        self.notebook.resolved_spec = lock::yaml(self.spec, &cells);
        self.notebook.sources = self.sources.clone();
        self.notebook.facts = self.facts();
        dir.write_notebook(&self.notebook)?;
        render(&self.notebook, dir).map(Some).map_err(|message| {
            Failure::new(Exit::Resource, Diagnostic::error("E0703", format!("the report: {message}")))
        })
    }

    /// All forecasts of the run, on the axis of the last windows.
    fn forecasts(&self) -> Option<(TimeAxis, Vec<Forecasts>)> {
        let mut axis = None;
        let mut all = Vec::new();
        for (_, value) in &self.values {
            let data = match value {
                Value::Fit(fit) => &fit.forecasts,
                Value::Forecasts(data) => data,
                // Baselines that `evaluate` added by itself.
                Value::Scores(scores) => {
                    all.extend(scores.forecasts.iter().cloned());
                    continue;
                }
                _ => continue,
            };
            axis = Some(data.windows.columns.prepared.axis.clone());
            all.extend(data.val.iter().chain(&data.test).cloned());
        }
        let mut unique: Vec<Forecasts> = Vec::new();
        for f in all {
            let same = |u: &&mut Forecasts| u.name == f.name && u.part == f.part && u.horizon == f.horizon;
            match unique.iter_mut().find(same) {
                // An evaluation adds the intervals that it calibrated.
                Some(known) => {
                    let new = |i: &&Interval| !known.intervals.iter().any(|own| own.level == i.level);
                    let more: Vec<Interval> = f.intervals.iter().filter(new).cloned().collect();
                    known.intervals.extend(more);
                }
                None => unique.push(f),
            }
        }
        axis.map(|axis| (axis, unique))
    }

    fn facts(&self) -> Vec<Fact> {
        let record = self.active.record();
        let mut facts = Vec::new();
        for source in &self.sources {
            facts.push(Fact::new("data", &source.location).detail(format!("BLAKE3 {}", source.digest)));
            facts.push(Fact::new("rows", source.rows.to_string()));
            if let Some((first, last)) = &source.range {
                facts.push(Fact::new("dates", format!("{first} … {last}")));
            }
        }
        facts.push(Fact::new("device", self.device.name()));
        facts.push(Fact::new("seed", self.spec.seed.to_string()));
        facts.push(Fact::new("started", record.started.strftime("%Y-%m-%d %H:%M UTC").to_string()));
        let seconds: f64 =
            self.states.iter().map(|s| if let CellState::Ran { seconds } = s { *seconds } else { 0.0 }).sum();
        facts.push(Fact::new("time", format!("{seconds:.1} s")));
        facts.push(Fact::new("run", &record.id));
        facts
    }
}

/// A warning as the error that `--strict` makes of it.
fn too_strict(warning: &Notice) -> Failure {
    const GUARDS: [&str; 8] = ["L05", "L06", "L07", "L09", "L10", "L11", "L12", "L13"];
    let guard = GUARDS.into_iter().find(|code| *code == warning.code);
    let (exit, code) = guard.map_or((Exit::Data, "E0390"), |code| (Exit::Leak, code));
    let finding = Diagnostic::error(code, warning.text.clone());
    Failure::new(exit, finding.help("`--strict` makes an error of this warning"))
}

/// A cell that the spec does not write.
fn implied(action: &str, params: serde_json::Value) -> CellSpec {
    CellSpec {
        id: action.to_string(),
        actions: vec![ActionSpec { name: action.to_string(), params, path: SpecPath::root().key(action) }],
        md: None,
        from: Vec::new(),
        line: 0,
        source: String::new(),
    }
}
