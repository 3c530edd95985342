//! One spec with several seeds: a run of its own for each, and one that says what they have in common.

use super::device::device;
use super::execute::{RunPlace, headline, once};
use super::options::{Finished, RunOptions};
use super::plan::Planned;
use super::spread::{Seed, Spread};
use super::{claims, lock, verdict};
use crate::failure::{Exit, Failure};
use crate::registry::Registry;
use crate::run::{ActiveRun, Environment, RunDir, RunEvent, RunState, SEED};
use crate::spec::{Diagnostic, Spec};
use forge_core::history::{CellState, Fact, Notebook};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Runs a planned spec once for each seed: from the spec's own on, one after the other.
///
/// The runs of the seeds are whole runs with directories of their own, whose `parent` is the run of them all. That one has
/// the mean of every result, which claims and prose see, and the spread beside it. Interrupted or killed, it goes on with
/// the seed at work; those that are done stay.
pub(super) fn execute(planned: &Planned, registry: &Registry, options: &RunOptions<'_>) -> Finished {
    let spec = &planned.spec;
    let mut finished = Finished { exit: Exit::Ok, dir: None, report: None, findings: None, verdict: None };
    let place = RunPlace::of(planned, options);
    spec.threads.into_iter().for_each(forge_core::set_threads);
    let created = device(spec).and_then(|device| Ok((device, place.open(spec, options)?)));
    let (device, mut active) = match created {
        Ok(created) => created,
        Err(failure) => return finished.failed(spec, failure),
    };
    let seeds: Vec<u64> = (0..spec.seeds as u64).map(|n| spec.seed.wrapping_add(n)).collect();
    let environment = Environment::capture(&device.name(), forge_core::threads(), &seeds);
    let begun = begin(&active, &environment).and_then(|()| {
        let mut runs = Vec::new();
        for seed in &seeds {
            let child = child_place(&place, &active, *seed);
            let run = Child { planned, registry, options, place: &child, seed: *seed };
            match run.dir(&mut active)? {
                Ok(dir) => runs.push(Seed::read(*seed, dir)?),
                Err(ended) => return Ok(Err(ended)),
            }
        }
        Ok(Ok(runs))
    });
    let runs = match begun {
        Ok(Ok(runs)) => runs,
        // One that did not come to its end is the end of them all.
        Ok(Err(child)) => {
            (finished.exit, finished.findings, finished.report) = (child.exit, child.findings, child.report);
            return finished.close(spec, active, options, Vec::new(), (BTreeMap::new(), BTreeMap::new()));
        }
        Err(failure) => {
            finished = finished.failed(spec, failure);
            return finished.close(spec, active, options, Vec::new(), (BTreeMap::new(), BTreeMap::new()));
        }
    };
    let spread = Spread::of(&runs);
    let mut notebook = spread.notebook(&runs, spec, &place.title);
    notebook.environment = environment.facts();
    notebook.reproduce.clone_from(&place.command);
    notebook.facts = facts(&active, &runs, &seeds);
    notebook.asserts = claims::outcomes(spec, &spread.means);
    notebook.verdict = spread.table(&runs).and_then(|table| {
        let mut verdict = verdict::of(&table)?;
        verdict.text += &spread.beside_verdict(&table, runs.len());
        Some(verdict)
    });
    finished.verdict = notebook.verdict.as_ref().map(|v| v.text.clone());
    match leave(&active, &spread, &mut notebook, spec, registry, options) {
        Ok(report) => finished.report = Some(report),
        Err(failure) => finished = finished.failed(spec, failure),
    }
    let broken: Vec<Diagnostic> = claims::findings(spec, &notebook.asserts);
    let metrics = headline(spread.means.clone());
    let deviations = headline(spread.deviations.clone());
    finished.close(spec, active, options, broken, (metrics, deviations))
}

fn begin(active: &ActiveRun, environment: &Environment) -> Result<(), Failure> {
    if let Some(was) = active.resumed() {
        active.events().emit(RunEvent::RunResumed { run: active.record().id.clone(), was })?;
    }
    Ok(active.write_environment(environment)?)
}

/// The directory of one seed: overrides that say how to run it alone, and the tag that tells it from a run of its own.
fn child_place(of: &RunPlace, active: &ActiveRun, seed: u64) -> RunPlace {
    let alone = [format!("seed={seed}"), "seeds=1".to_string()];
    RunPlace {
        title: of.title.clone(),
        overrides: of.overrides.iter().chain(&alone).cloned().collect(),
        tags: of.tags.iter().cloned().chain([SEED.to_string()]).collect(),
        parent: Some(active.record().id.clone()),
        command: format!("{} -s {} -s {}", of.command, alone[0], alone[1]),
    }
}

/// The run of one seed.
struct Child<'a> {
    planned: &'a Planned,
    registry: &'a Registry,
    options: &'a RunOptions<'a>,
    place: &'a RunPlace,
    seed: u64,
}

impl Child<'_> {
    /// Its directory once it is done: by an earlier process, or now. The inner error is how it ended otherwise.
    fn dir(&self, active: &mut ActiveRun) -> Result<Result<RunDir, Finished>, Failure> {
        if let Some(done) = self.done(active)? {
            list(active, &done)?;
            return Ok(Ok(done));
        }
        if self.options.interrupt.load(Ordering::Relaxed) {
            let ended =
                Finished { exit: Exit::Interrupted, dir: None, report: None, findings: None, verdict: None };
            return Ok(Err(ended));
        }
        active.note(format!("seed {} of {} seeds", self.seed, self.planned.spec.seeds))?;
        let mut spec = self.planned.spec.clone();
        (spec.seed, spec.seeds) = (self.seed, 1);
        // Claims are about the mean.
        spec.claims.clear();
        let planned = Planned { spec, ..*self.planned };
        let ended = once(&planned, self.registry, self.options, self.place);
        let Some(dir) = ended.dir.clone() else { return Ok(Err(ended)) };
        list(active, &dir)?;
        Ok(if ended.exit == Exit::Ok { Ok(dir) } else { Err(ended) })
    }

    /// The directory that an earlier process finished, if the run goes on.
    fn done(&self, active: &ActiveRun) -> Result<Option<RunDir>, Failure> {
        if active.resumed().is_none() {
            return Ok(None);
        }
        let home = &self.options.home;
        let own = |record: &crate::run::RunRecord| {
            record.parent == self.place.parent
                && record.overrides == self.place.overrides
                && record.is_child()
                && record.state == RunState::Finished
        };
        let runs = home.runs()?.into_iter().filter_map(|run| run.record.ok());
        match runs.filter(own).map(|record| record.id).next() {
            Some(id) => Ok(Some(home.find(&id)?)),
            None => Ok(None),
        }
    }
}

/// Notes the run of a seed in the record of them all.
fn list(active: &mut ActiveRun, child: &RunDir) -> Result<(), Failure> {
    let id = child.id().to_string();
    if !active.record().children.contains(&id) {
        active.update(|record| record.children.push(id))?;
    }
    Ok(())
}

/// What stands in the strip above the report.
fn facts(active: &ActiveRun, runs: &[Seed], seeds: &[u64]) -> Vec<Fact> {
    let record = active.record();
    let mut facts: Vec<Fact> = runs.first().map_or(Vec::new(), |run| run.notebook.facts.clone());
    let seconds: f64 = runs.iter().flat_map(|run| &run.notebook.cells).map(|cell| ran(&cell.state)).sum();
    for fact in &mut facts {
        match fact.label.as_str() {
            "seed" => {
                fact.label = "seeds".into();
                fact.value = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            }
            "started" => fact.value = record.started.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            "time" => fact.value = format!("{seconds:.1} s"),
            "run" => fact.value.clone_from(&record.id),
            _ => {}
        }
    }
    facts
}

/// Seconds that a cell took.
pub(super) fn ran(state: &CellState) -> f64 {
    if let CellState::Ran { seconds } = state { *seconds } else { 0.0 }
}

/// Everything that the run of them all leaves behind; the forecasts and the weights are those of the single seeds.
fn leave(
    active: &ActiveRun,
    spread: &Spread,
    notebook: &mut Notebook,
    spec: &Spec,
    registry: &Registry,
    options: &RunOptions<'_>,
) -> Result<PathBuf, Failure> {
    for (address, value) in &spread.means {
        // A cell's id has no dot.
        if let Some((id, name)) = address.split_once('.') {
            active.events().emit(RunEvent::Metric { id: id.into(), name: name.into(), value: *value })?;
        }
    }
    for outcome in &notebook.asserts {
        let (claim, held, found) = (outcome.claim.clone(), outcome.held, outcome.found.clone());
        active.events().emit(RunEvent::Assert { claim, held, found })?;
    }
    let dir = active.dir();
    let cells = lock::resolve(spec, registry);
    let of_spec = |id: &&str| spec.cells.iter().any(|cell| cell.id == **id);
    let states: Vec<CellState> = notebook
        .cells
        .iter()
        .filter(|cell| of_spec(&cell.id.as_str()))
        .map(|cell| cell.state.clone())
        .collect();
    dir.write_json("spec.lock.json", &lock::lock(spec, &cells, &states))?;
    dir.write_sources(&notebook.sources)?;
    notebook.resolved_spec = lock::yaml(spec, &cells);
    dir.write_notebook(notebook)?;
    (options.render)(notebook, dir).map_err(|message| {
        Failure::new(Exit::Resource, Diagnostic::error("E0703", format!("the report: {message}")))
    })
}
