use super::lease::{self, LeaseKeeper};
use super::log::Clock;
use super::{
    Environment, EventLog, LeaseRecord, MetricLog, Metrics, RUN_SCHEMA, RunDir, RunError, RunEvent,
    RunRecord, RunState, git_diff,
};
use forge_core::history::Level;
use jiff::Timestamp;
use std::sync::Arc;

/// What a run is begun with.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    /// Title of the spec; its slug is part of the id.
    pub title: &'a str,
    /// Task of the spec, such as `forecast`.
    pub task: &'a str,
    /// The spec as given, byte for byte.
    pub spec: &'a [u8],
    /// The values laid over the spec, as `ADDRESS=value`, in order.
    pub overrides: &'a [String],
    /// Labels given by the user.
    pub tags: &'a [String],
    /// The run that this one is part of; without it, the parent is the newest earlier run of the spec.
    pub parent: Option<&'a str>,
}

impl NewRun<'_> {
    pub(super) fn spec_hash(&self) -> String {
        blake3::hash(self.spec).to_hex().to_string()
    }

    pub(super) fn record(
        &self,
        id: String,
        started: Timestamp,
        spec_hash: String,
        parent: Option<String>,
    ) -> RunRecord {
        RunRecord {
            schema: RUN_SCHEMA,
            id,
            title: self.title.into(),
            task: self.task.into(),
            state: RunState::Running,
            started,
            ended: None,
            exit_code: None,
            seconds: None,
            metrics: Metrics::new(),
            spread: Metrics::new(),
            children: Vec::new(),
            verdict: None,
            tags: self.tags.to_vec(),
            parent,
            spec_hash,
            overrides: self.overrides.to_vec(),
        }
    }

    /// Writes what every run directory has from the first moment on.
    pub(super) fn fill(&self, dir: &RunDir, record: &RunRecord) -> Result<LeaseRecord, RunError> {
        dir.write("spec.yaml", self.spec)?;
        dir.write_json("run.json", record)?;
        lease::take(dir.path(), Timestamp::now())
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `finished`, `failed` or `interrupted`.
    pub state: RunState,
    /// Exit code of the program.
    pub exit_code: i32,
    /// The few metrics that say how it went; added to those that [`ActiveRun::update`] wrote.
    pub metrics: Metrics,
    /// Of several seeds: the standard deviations of these metrics.
    pub spread: Metrics,
    /// The verdict in one sentence.
    pub verdict: Option<String>,
}

impl Outcome {
    /// An ending without metrics and verdict.
    pub fn new(state: RunState, exit_code: i32) -> Self {
        Outcome { state, exit_code, metrics: Metrics::new(), spread: Metrics::new(), verdict: None }
    }
}

/// A run at work: the one writer of its directory. Made by [`Home::create_run`](super::Home::create_run).
///
/// Dropped without [`ActiveRun::finish`], for instance by a panic, the run counts as lost.
pub struct ActiveRun {
    dir: RunDir,
    record: RunRecord,
    clock: Clock,
    events: Arc<EventLog>,
    metrics: Arc<MetricLog>,
    resumed: Option<RunState>,
    _lease: LeaseKeeper,
}

impl ActiveRun {
    pub(super) fn begin(dir: RunDir, record: RunRecord, lease: LeaseRecord) -> Result<Self, RunError> {
        let run = Self::open(dir, record, lease, Clock::starting_now())?;
        run.events.emit(RunEvent::RunStarted {
            run: run.record.id.clone(),
            title: run.record.title.clone(),
            task: run.record.task.clone(),
            spec_hash: run.record.spec_hash.clone(),
            parent: run.record.parent.clone(),
        })?;
        Ok(run)
    }

    /// Goes on with a run whose process is gone; `was` is what became of it.
    pub(super) fn resume(
        dir: RunDir,
        record: RunRecord,
        lease: LeaseRecord,
        was: RunState,
    ) -> Result<Self, RunError> {
        let clock = Clock::started(record.started);
        Ok(ActiveRun { resumed: Some(was), ..Self::open(dir, record, lease, clock)? })
    }

    fn open(dir: RunDir, record: RunRecord, lease: LeaseRecord, clock: Clock) -> Result<Self, RunError> {
        let lease = LeaseKeeper::start(dir.path(), lease)?;
        let events = Arc::new(EventLog::open(dir.path(), clock)?);
        let metrics = Arc::new(MetricLog::open(dir.path(), clock)?);
        Ok(ActiveRun { dir, record, clock, events, metrics, resumed: None, _lease: lease })
    }

    /// What had become of the run before it went on: `lost`, `interrupted` or `failed`. None if it began just now.
    pub fn resumed(&self) -> Option<RunState> {
        self.resumed
    }

    /// The directory.
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// The record as last written.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The event log, to be shared with threads.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// The log of training metrics, to be shared with threads.
    pub fn metrics(&self) -> &Arc<MetricLog> {
        &self.metrics
    }

    /// Writes `env.json` and, if the repository around the working folder has changes, `git.diff`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_environment(&self, environment: &Environment) -> Result<(), RunError> {
        self.dir.write_environment(environment)?;
        if environment.git.as_ref().is_some_and(|git| git.dirty)
            && let Some(diff) = git_diff()
        {
            self.dir.write("git.diff", &diff)?;
        }
        Ok(())
    }

    /// Changes the record, for instance to add a headline metric while the run is at work, and writes `run.json`.
    ///
    /// # Errors
    /// [`RunError::Io`]; the record in memory is then as it was.
    pub fn update(&mut self, change: impl FnOnce(&mut RunRecord)) -> Result<(), RunError> {
        let mut record = self.record.clone();
        change(&mut record);
        self.dir.write_json("run.json", &record)?;
        self.record = record;
        Ok(())
    }

    /// Ends the run: the last event, the logs to disk, the last `run.json`, then the lease is given up.
    ///
    /// `run.json` is tried even when a log cannot be written any more.
    ///
    /// # Errors
    /// [`RunError::Io`], the first one.
    pub fn finish(mut self, outcome: Outcome) -> Result<RunRecord, RunError> {
        let seconds = self.clock.elapsed().as_secs_f64();
        let logged = self.events.emit(RunEvent::RunFinished {
            state: outcome.state,
            exit_code: outcome.exit_code,
            seconds,
            verdict: outcome.verdict.clone(),
        });
        let synced = self.events.sync().and(self.metrics.sync());
        let recorded = self.update(|record| {
            record.state = outcome.state;
            record.exit_code = Some(outcome.exit_code);
            record.seconds = Some(seconds);
            let ended = record.started + std::time::Duration::from_secs_f64(seconds);
            record.ended = Some(ended.round(jiff::Unit::Millisecond).unwrap_or(ended));
            record.metrics.extend(outcome.metrics);
            record.spread.extend(outcome.spread);
            record.verdict = outcome.verdict.or(record.verdict.take());
        });
        logged.and(synced).and(recorded)?;
        Ok(self.record.clone())
    }

    /// Says something in the event log and `log.txt`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn note(&self, message: impl Into<String>) -> Result<(), RunError> {
        self.events.emit(RunEvent::Log { id: None, level: Level::Note, message: message.into() })
    }
}

impl std::fmt::Debug for ActiveRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActiveRun")
            .field("dir", &self.dir)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
