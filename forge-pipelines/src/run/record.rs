use super::RunError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Metric address, such as `fit.result.test.rmse`, and value. `None` is undefined or not finite, never 0.
pub type Metrics = BTreeMap<String, Option<f64>>;

/// The number in `run.json` that says how to read it. A higher one was written by a later version.
pub const RUN_SCHEMA: u32 = 1;

/// The tag of a run on a tiny slice, whose numbers mean nothing.
pub const SMOKE: &str = "smoke";

/// The tag of a run of one of several seeds, which is part of another run.
pub const SEED: &str = "seed";

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is at work.
    Running,
    /// It reached the end of its spec.
    Finished,
    /// It stopped with an error.
    Failed,
    /// The user stopped it; it can be resumed.
    Interrupted,
    /// Its process is gone without a word. Never written by a run: readers see it from the lease.
    Lost,
}

impl RunState {
    /// The word shown to the user: `running`, `finished`, `failed`, `interrupted` or `lost`.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            RunState::Interrupted => "interrupted",
            RunState::Lost => "lost",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The content of `run.json`: what a list of runs shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RUN_SCHEMA`].
    pub schema: u32,
    /// Name of the run directory.
    pub id: String,
    /// Title of the spec.
    pub title: String,
    /// Task of the spec, such as `forecast`.
    pub task: String,
    /// What became of it.
    pub state: RunState,
    /// When it began, to the millisecond.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Exit code of the program, once it ended.
    pub exit_code: Option<i32>,
    /// Wall-clock seconds, once it ended.
    pub seconds: Option<f64>,
    /// The few metrics that say how it went.
    pub metrics: Metrics,
    /// Of a run of several seeds, whose metrics are means over them: their standard deviations.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub spread: Metrics,
    /// The runs of the single seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// The verdict in one sentence.
    pub verdict: Option<String>,
    /// Labels given by the user.
    pub tags: Vec<String>,
    /// The run to compare with: the newest earlier one of the same spec that finished or has metrics. Of a run of one of
    /// several seeds, the run of them all.
    pub parent: Option<String>,
    /// BLAKE3 digest of the spec's bytes, hexadecimal.
    pub spec_hash: String,
    /// The values laid over the spec, as `ADDRESS=value`, in order: with the spec's bytes they say what is run.
    #[serde(default)]
    pub overrides: Vec<String>,
}

impl RunRecord {
    /// Reads a record as written, without asking whether the process still lives.
    pub(super) fn read(path: &Path) -> Result<Self, RunError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let bytes = std::fs::read(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                RunError::broken(path, "is missing, so its folder holds no run; remove the folder")
            }
            _ => RunError::io("read", path, e),
        })?;
        let Schema { schema } = serde_json::from_slice(&bytes).map_err(|e| RunError::json(path, &e))?;
        if schema > RUN_SCHEMA {
            return Err(RunError::broken(
                path,
                format!(
                    "has schema {schema}, this version reads up to {RUN_SCHEMA}: update forge to read it"
                ),
            ));
        }
        serde_json::from_slice(&bytes).map_err(|e| RunError::json(path, &e))
    }

    /// Whether the run is that of one of several seeds, and so part of its parent.
    pub fn is_child(&self) -> bool {
        self.tags.iter().any(|tag| tag == SEED)
    }

    /// The seed of a run of one of several.
    pub fn seed(&self) -> Option<&str> {
        let last = self.overrides.iter().rev().find_map(|set| set.strip_prefix("seed="));
        last.filter(|_| self.is_child())
    }

    /// Whether a later run of the same spec can be compared with this one.
    pub(super) fn is_comparable(&self) -> bool {
        let smoke = self.tags.iter().any(|tag| tag == SMOKE);
        !smoke
            && !self.is_child()
            && (self.state == RunState::Finished
                || (self.state != RunState::Running && !self.metrics.is_empty()))
    }
}
