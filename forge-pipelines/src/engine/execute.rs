//! Runs a plan cell by cell; whatever happens, the run directory tells it.

use super::device::device;
use super::fault::caught;
use super::options::{Finished, RunOptions};
use super::plan::Planned;
use super::session::Session;
use super::{claims, seeds};
use crate::failure::{Exit, Failure};
use crate::registry::Registry;
use crate::run::{ActiveRun, Environment, EventLine, Metrics, NewRun, Outcome, RunEvent, RunState, SMOKE};
use crate::spec::{Address, Diagnostic, Spec};
use forge_core::history::Notebook;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Runs a planned spec, once for each of its seeds.
pub fn execute(planned: &Planned, registry: &Registry, options: RunOptions<'_>) -> Finished {
    match planned.spec.seeds {
        0 | 1 => once(planned, registry, &options, &RunPlace::of(planned, &options)),
        _ => seeds::execute(planned, registry, &options),
    }
}

/// What a run directory is made for.
pub(super) struct RunPlace {
    /// Title of the run.
    pub title: String,
    /// The values laid over the spec.
    pub overrides: Vec<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The run whose seeds this one is one of.
    pub parent: Option<String>,
    /// The command that reproduces it.
    pub command: String,
}

impl RunPlace {
    /// Of a run that the user asked for.
    pub fn of(planned: &Planned, options: &RunOptions<'_>) -> Self {
        let spec = &planned.spec;
        let stem = || options.spec_path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        RunPlace {
            title: spec.title.clone().or_else(stem).unwrap_or_else(|| "run".to_string()),
            overrides: spec.document().overrides().map(str::to_string).collect(),
            tags: if options.smoke { vec![SMOKE.to_string()] } else { Vec::new() },
            parent: None,
            command: options.command.clone(),
        }
    }

    /// The run directory: that of a run that can go on, or a new one. The subscriber hears of it.
    pub fn open(&self, spec: &Spec, options: &RunOptions<'_>) -> Result<ActiveRun, Failure> {
        let new = NewRun {
            title: &self.title,
            task: "forecast",
            spec: spec.document().text().as_bytes(),
            overrides: &self.overrides,
            tags: &self.tags,
            parent: self.parent.as_deref(),
        };
        let resumed = if options.fresh { None } else { options.home.resume_run(&new)? };
        let active = match resumed {
            Some(active) => active,
            None => options.home.create_run(&new, jiff::Timestamp::now())?,
        };
        if let Some(subscriber) = options.subscriber.clone() {
            // Said before anyone could listen: what the run is called.
            let began = |line: &&EventLine| matches!(line.event, RunEvent::RunStarted { .. });
            active.dir().events().iter().flatten().rfind(began).iter().for_each(|line| subscriber(line));
            active.events().subscribe(Box::new(move |line| subscriber(line)));
        }
        Ok(active)
    }
}

/// Runs a planned spec with one seed.
pub(super) fn once(
    planned: &Planned,
    registry: &Registry,
    options: &RunOptions<'_>,
    place: &RunPlace,
) -> Finished {
    let spec = &planned.spec;
    let mut finished = Finished { exit: Exit::Ok, dir: None, report: None, findings: None, verdict: None };
    spec.threads.into_iter().for_each(forge_core::set_threads);
    let created = device(spec).and_then(|device| Ok((device, place.open(spec, options)?)));
    let (device, active) = match created {
        Ok(created) => created,
        Err(failure) => return finished.failed(spec, failure),
    };
    let mut session = Session {
        spec,
        registry,
        active: &active,
        // The parent of a bare file name is the empty path, which is no folder to the system.
        base: options.spec_path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        device,
        interrupt: &options.interrupt,
        strict: options.strict,
        smoke: options.smoke,
        profile: None,
        values: Vec::new(),
        results: BTreeMap::new(),
        sources: Vec::new(),
        states: Vec::new(),
        notebook: Notebook::new(&place.title),
    };
    let environment = Environment::capture(&session.device.name(), forge_core::threads(), &[spec.seed]);
    session.notebook.environment = environment.facts();
    session.notebook.reproduce.clone_from(&place.command);
    let outcome = session.begin(&environment);
    let outcome = outcome.and_then(|()| if options.profile { session.begin_profile() } else { Ok(()) });
    let outcome = outcome.and_then(|()| caught("the run", || session.run_cells(planned)));
    let outcome = outcome.and_then(|()| session.finish_notebook());
    let written = caught("the report", || session.write(options.render));
    let (mut notebook, results) = (session.notebook, session.results);
    finished.verdict = notebook.verdict.take().map(|v| v.text);
    let broken_claims = claims::findings(spec, &notebook.asserts);
    match (outcome, written) {
        (Err(failure), _) | (Ok(()), Err(failure)) => finished = finished.failed(spec, failure),
        (Ok(()), Ok(report)) => finished.report = report,
    }
    finished.close(spec, active, options, broken_claims, (headline(results), BTreeMap::new()))
}

impl Finished {
    /// The same ending, with what went wrong.
    pub(super) fn failed(mut self, spec: &Spec, failure: Failure) -> Self {
        self.exit = failure.exit;
        self.findings = Some(spec.document().diagnostics(vec![*failure.finding]));
        self
    }

    /// Ends the run directory with the headline metrics and, of several seeds, their spread.
    pub(super) fn close(
        mut self,
        spec: &Spec,
        active: ActiveRun,
        options: &RunOptions<'_>,
        broken_claims: Vec<Diagnostic>,
        (metrics, spread): (Metrics, Metrics),
    ) -> Self {
        let dir = active.dir().clone();
        if self.report.is_none() {
            self.report = Some(dir.path().join("report.html")).filter(|path| path.is_file());
        }
        if self.exit == Exit::Ok && options.interrupt.load(Ordering::Relaxed) {
            self.exit = Exit::Interrupted;
        }
        if self.exit == Exit::Ok && !broken_claims.is_empty() {
            self.exit = Exit::Assert;
            self.findings = Some(spec.document().diagnostics(broken_claims));
        }
        let state = match self.exit {
            Exit::Ok | Exit::Assert => RunState::Finished,
            Exit::Interrupted => RunState::Interrupted,
            _ => RunState::Failed,
        };
        let mut ending = Outcome::new(state, self.exit.code());
        (ending.metrics, ending.spread) = (metrics, spread);
        ending.verdict = self.verdict.clone();
        if let Err(error) = active.finish(ending)
            && self.findings.is_none()
        {
            self = self.failed(spec, Failure::from(error));
        }
        self.dir = Some(dir);
        self
    }
}

/// The results that say how a run went: scores and plain skill, without the training metrics and the skill against each
/// single baseline.
pub(super) fn headline(results: BTreeMap<String, Option<f64>>) -> BTreeMap<String, Option<f64>> {
    let chief = |address: &String| {
        let parts: Vec<String> = address.parse::<Address>().map_or(Vec::new(), |a| a.parts().to_vec());
        match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [_, _, "train" | "val", _] => false,
            [_, _, _, _] | [_, _, _, "skill", _] => true,
            _ => false,
        }
    };
    results.into_iter().filter(|(address, _)| chief(address)).collect()
}
