use super::{Callback, Flow, Goal, State};
use crate::history::Event;
use crate::{Error, Result, checkpoint, write_atomic};
use serde_json::json;
use std::path::PathBuf;

/// Writes `best.safetensors` when a metric improves, and after each epoch `last.safetensors` (weights and optimizer
/// moments) with `last.json` (step, epoch, best so far).
#[derive(Debug)]
pub struct ModelCheckpoint {
    folder: PathBuf,
    monitor: String,
    goal: Goal,
    best: Option<f64>,
}

impl ModelCheckpoint {
    /// Into a folder, by a metric that should fall.
    pub fn new(folder: impl Into<PathBuf>, monitor: impl Into<String>) -> Self {
        ModelCheckpoint { folder: folder.into(), monitor: monitor.into(), goal: Goal::Minimize, best: None }
    }

    /// Whether the metric should fall or rise.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }
}

impl Callback for ModelCheckpoint {
    fn train_begin(&mut self, _model: &mut dyn crate::nn::Module) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|e| Error::io("create", &self.folder, e))
    }

    fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow> {
        let value = state.metric(&self.monitor)?;
        let epoch = state.record.epoch;
        let weights = state.model.named_values();
        let told = |file: &str, role: &str| {
            state.outlet.send(Event::Checkpoint { epoch, file: file.into(), role: role.into() });
        };
        if self.goal.beats(value, self.best, 0.0) {
            self.best = Some(value);
            *state.best_epoch = Some(epoch);
            let notes = [("epoch", epoch.to_string()), (self.monitor.as_str(), value.to_string())];
            checkpoint::save(&self.folder.join("best.safetensors"), &weights, &notes)?;
            told("best.safetensors", "best");
        }
        let moments = state.optimizer.state().into_iter().map(|(n, t)| (format!("optimizer.{n}"), t));
        let all: Vec<_> =
            weights.into_iter().map(|(n, t)| (format!("model.{n}"), t)).chain(moments).collect();
        checkpoint::save(&self.folder.join("last.safetensors"), &all, &[("epoch", epoch.to_string())])?;
        let last = json!({
            "schema": 1,
            "epoch": epoch,
            "step": state.optimizer.steps(),
            "learning_rate": state.optimizer.learning_rate(),
            "monitor": self.monitor,
            "best": self.best,
            "best_epoch": *state.best_epoch,
        });
        let path = self.folder.join("last.json");
        write_atomic(&path, format!("{last:#}\n").as_bytes()).map_err(|e| Error::io("write", &path, e))?;
        told("last.safetensors", "last");
        Ok(Flow::Continue)
    }
}
