//! The run directory: everything a run leaves behind, readable at any moment, even after a kill.
//!
//! [`Home`] holds the runs; [`Home::create_run`] begins one as an [`ActiveRun`], [`Home::find`] opens one as a
//! [`RunDir`]. Small files are replaced whole ([`write_atomic`]); `events.jsonl` and `metrics.jsonl` grow a line at a
//! time, and readers ignore a torn last line. A run that was killed is known by its lease; [`Home::resume_run`] takes it
//! over.
//!
//! | file | content |
//! |---|---|
//! | `run.json` | [`RunRecord`]: id, title, state, times, headline metrics |
//! | `spec.yaml`, `spec.lock.json` | the spec as given, and with every default filled in |
//! | `env.json`, `git.diff` | [`Environment`]; changes of tracked files, if there are any |
//! | `data.json` | the sources as they were read |
//! | `events.jsonl`, `log.txt` | [`EventLine`]s; the same without batches, in plain words |
//! | `metrics.jsonl` | training metrics, one number a line |
//! | `predictions.parquet` | all forecasts, see [`write_predictions`] |
//! | `profile.json` | with `--profile`: [`RunProfile`](forge_core::history::RunProfile), the time, FLOPs and memory of cells, layers and operations |
//! | `notebook.json` | all that the report shows |
//! | `figures/`, `fits/<id>/`, `report.html` | figures, weights, the report |
//! | `lease.json` | [`LeaseRecord`], while the run is at work |

mod active;
mod append;
mod atomic;
mod dir;
mod environment;
mod error;
mod events;
mod home;
mod lease;
mod log;
mod memory;
mod predictions;
mod record;
mod resume;
mod usage;

pub use active::{ActiveRun, NewRun, Outcome};
pub use atomic::write_atomic;
pub use dir::RunDir;
pub use environment::{Environment, GitState, git_diff};
pub use error::RunError;
pub use events::{EventLine, FitEvents, PlannedCell, RunEvent};
pub use home::{Home, RunSummary};
pub use lease::LeaseRecord;
pub use log::{EventLog, MetricLog};
pub use memory::{bytes, memory};
pub use predictions::{read_predictions, write_predictions};
pub use record::{Metrics, RUN_SCHEMA, RunRecord, RunState, SEED, SMOKE};
pub(crate) use usage::{cpu_seconds, forget_peak, resident_peak};
