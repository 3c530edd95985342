use super::{Metrics, RunState};
use forge_core::history::{EpochRecord, Event, Level, StopReason};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A cell that a run is going to execute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// The cell's id.
    pub id: String,
    /// Its actions, such as `["model", "train"]`; empty for prose.
    pub actions: Vec<String>,
}

/// Something that happened in a run: the payload of a line of `events.jsonl`, told apart by `kind`.
///
/// `id` is always the id of a cell. A number that is not finite is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// The run directory exists and work begins.
    RunStarted {
        /// Id of the run.
        run: String,
        /// Title of the spec.
        title: String,
        /// Task of the spec.
        task: String,
        /// BLAKE3 digest of the spec, hexadecimal.
        spec_hash: String,
        /// The earlier run that this one is compared with.
        parent: Option<String>,
    },
    /// The same command again: a run that was interrupted or killed goes on in its own directory.
    RunResumed {
        /// Id of the run.
        run: String,
        /// What had become of it: `lost`, `interrupted` or `failed`.
        was: RunState,
    },
    /// What is going to be done.
    Plan {
        /// The cells, in order of execution.
        cells: Vec<PlannedCell>,
    },
    /// A cell begins.
    CellStarted {
        /// The cell.
        id: String,
        /// Its actions.
        actions: Vec<String>,
    },
    /// A cell is done.
    CellFinished {
        /// The cell.
        id: String,
        /// Wall-clock seconds.
        seconds: f64,
        /// What came out, in a few words; may be empty.
        summary: String,
    },
    /// A cell failed, and with it the run.
    CellFailed {
        /// The cell.
        id: String,
        /// The error's message.
        message: String,
    },
    /// A training epoch is done.
    Epoch {
        /// The cell.
        id: String,
        /// Epoch, from 0.
        epoch: usize,
        /// Epochs asked for.
        epochs: usize,
        /// Optimizer steps taken so far.
        step: u64,
        /// Wall-clock seconds of this epoch.
        seconds: f64,
        /// Learning rate of the last step.
        learning_rate: Option<f64>,
        /// Every metric that was computed.
        metrics: Metrics,
    },
    /// A training step is done. At most four a second are written and shown.
    Batch {
        /// The cell.
        id: String,
        /// Epoch, from 0.
        epoch: usize,
        /// Step within the epoch, from 0.
        batch: usize,
        /// Steps in one epoch.
        batches: usize,
        /// Optimizer steps taken so far.
        step: u64,
        /// Loss of the batch.
        loss: Option<f64>,
    },
    /// A result that counts was computed, such as `result.test.rmse`.
    Metric {
        /// The cell.
        id: String,
        /// Address of the result within the cell.
        name: String,
        /// Its value.
        value: Option<f64>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// The cell.
        id: String,
        /// Epoch, from 0.
        epoch: usize,
        /// File, relative to the fit's folder.
        file: String,
        /// `best` or `last`.
        role: String,
    },
    /// A guard found something.
    Guard {
        /// The cell, if the finding belongs to one.
        id: Option<String>,
        /// Code, such as `L09`.
        code: String,
        /// How serious.
        level: Level,
        /// The finding and what to do about it.
        text: String,
    },
    /// Words for whoever reads along.
    Log {
        /// The cell, if the words belong to one.
        id: Option<String>,
        /// How serious.
        level: Level,
        /// The words.
        message: String,
    },
    /// A claim of the spec was tried.
    Assert {
        /// The claim as written.
        claim: String,
        /// Whether it held.
        held: bool,
        /// The value found, or why there is none.
        found: String,
    },
    /// The run is over.
    RunFinished {
        /// What became of it.
        state: RunState,
        /// Exit code of the program.
        exit_code: i32,
        /// Wall-clock seconds.
        seconds: f64,
        /// The verdict in one sentence.
        verdict: Option<String>,
    },
    /// Written by a later version of this program, which knows more kinds.
    #[serde(other)]
    Unknown,
}

/// A line of `events.jsonl`.
///
/// ```
/// use forge_pipelines::run::{EventLine, RunEvent};
/// let line = r#"{"v":1,"seq":7,"t":1520,"kind":"cell_finished","id":"fit","seconds":1.5,"summary":""}"#;
/// let read: EventLine = serde_json::from_str(line)?;
/// assert_eq!(read.seq, 7);
/// assert!(matches!(&read.event, RunEvent::CellFinished { seconds, .. } if *seconds == 1.5));
/// assert_eq!(serde_json::to_string(&read)?, line);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Version of the line's form: 1.
    pub v: u32,
    /// Number of the line, from 0, without gaps.
    pub seq: u64,
    /// Milliseconds since the run began (`started` in `run.json`).
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent,
}

/// Turns what a learner says into run events of one cell. It remembers the totals that the learner states once,
/// so that every epoch and batch event can be understood by someone who begins to listen late.
#[derive(Clone, Debug)]
pub struct FitEvents {
    id: String,
    epochs: usize,
    batches: usize,
}

impl FitEvents {
    /// For the fit of the cell `id`.
    pub fn new(id: impl Into<String>) -> Self {
        FitEvents { id: id.into(), epochs: 0, batches: 0 }
    }

    /// The run event for `event`, if it has one: the beginning of an epoch has none.
    pub fn convert(&mut self, event: &Event) -> Option<RunEvent> {
        let id = self.id.clone();
        let log = |level, message| RunEvent::Log { id: Some(self.id.clone()), level, message };
        Some(match event {
            Event::TrainBegin { epochs, steps_per_epoch, parameters, first_epoch } => {
                (self.epochs, self.batches) = (*epochs, *steps_per_epoch);
                let resumed = match *first_epoch {
                    0 => String::new(),
                    done => format!("; {done} are trained, going on from the checkpoint after epoch {done}"),
                };
                let message =
                    format!("{parameters} parameters, {epochs} epochs of {steps_per_epoch} steps{resumed}");
                RunEvent::Log { id: Some(id), level: Level::Note, message }
            }
            Event::EpochBegin { .. } => return None,
            Event::BatchEnd { epoch, step, batch, loss } => RunEvent::Batch {
                id,
                epoch: *epoch,
                batch: *batch,
                batches: self.batches,
                step: *step,
                loss: finite(*loss),
            },
            Event::EpochEnd { record } => self.epoch(record),
            Event::Checkpoint { epoch, file, role } => {
                RunEvent::Checkpoint { id, epoch: *epoch, file: file.clone(), role: role.clone() }
            }
            Event::TrainEnd { stop, epochs, seconds } => {
                let why = match stop {
                    StopReason::Finished => "all epochs are done",
                    StopReason::Callback { message } => message,
                    StopReason::Interrupted => "interrupted",
                };
                log(Level::Note, format!("training ended after {epochs} epochs in {seconds:.1} s: {why}"))
            }
            Event::Failed { message } => log(Level::Error, message.clone()),
        })
    }

    fn epoch(&self, record: &EpochRecord) -> RunEvent {
        RunEvent::Epoch {
            id: self.id.clone(),
            epoch: record.epoch,
            epochs: self.epochs,
            step: record.step,
            seconds: record.seconds,
            learning_rate: finite(record.learning_rate),
            metrics: record.metrics.iter().map(|(name, v)| (name.clone(), finite(*v))).collect(),
        }
    }
}

/// JSON has no NaN and no infinity: they are `null`.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// One line of plain words, as in `log.txt`.
impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunEvent::RunStarted { run, title, .. } => write!(f, "run {run}: {title}"),
            RunEvent::RunResumed { run, was } => {
                write!(f, "continuing run {run}, which was {was}; `--fresh` would begin a new one")
            }
            RunEvent::Plan { cells } => write!(f, "plan: {} cells", cells.len()),
            RunEvent::CellStarted { id, actions } if actions.is_empty() => write!(f, "{id}: started"),
            RunEvent::CellStarted { id, actions } => write!(f, "{id}: started ({})", actions.join(", ")),
            RunEvent::CellFinished { id, seconds, summary } => {
                write!(f, "{id}: done in {seconds:.2} s")?;
                if summary.is_empty() { Ok(()) } else { write!(f, ", {summary}") }
            }
            RunEvent::CellFailed { id, message } => write!(f, "{id}: failed: {message}"),
            RunEvent::Epoch { id, epoch, epochs, metrics, .. } => {
                write!(f, "{id}: epoch {}/{epochs}", epoch + 1)?;
                metrics.iter().try_for_each(|(name, value)| write!(f, "  {name} {}", Shown(*value)))
            }
            RunEvent::Batch { id, epoch, batch, batches, loss, .. } => {
                write!(f, "{id}: epoch {} step {}/{batches}  loss {}", epoch + 1, batch + 1, Shown(*loss))
            }
            RunEvent::Metric { id, name, value } => write!(f, "{id}.{name} = {}", Shown(*value)),
            RunEvent::Checkpoint { id, epoch, file, role } => {
                write!(f, "{id}: {role} weights of epoch {} in {file}", epoch + 1)
            }
            RunEvent::Guard { id, code, text, .. } if code.is_empty() => write!(f, "{}{text}", Prefix(id)),
            RunEvent::Guard { id, code, text, .. } => write!(f, "{}{code}: {text}", Prefix(id)),
            RunEvent::Log { id, message, .. } => write!(f, "{}{message}", Prefix(id)),
            RunEvent::Assert { claim, held, found } => {
                write!(f, "assert {claim}: {} (found {found})", if *held { "held" } else { "FAILED" })
            }
            RunEvent::RunFinished { state, exit_code, seconds, verdict } => {
                write!(f, "{state} with exit code {exit_code} after {seconds:.1} s")?;
                verdict.iter().try_for_each(|text| write!(f, ": {text}"))
            }
            RunEvent::Unknown => write!(f, "(an event of a later version)"),
        }
    }
}

/// Five digits are enough to read along; the files hold all of them.
struct Shown(Option<f64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("undefined"),
            Some(v) if v != 0.0 && !(1e-3..1e6).contains(&v.abs()) => write!(f, "{v:.4e}"),
            Some(v) => write!(f, "{v:.5}"),
        }
    }
}

struct Prefix<'a>(&'a Option<String>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|id| write!(f, "{id}: "))
    }
}
