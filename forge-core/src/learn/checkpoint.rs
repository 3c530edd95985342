use super::snapshot::{LAST, number, read_number};
use super::{Callback, CallbackState, Flow, Goal, Outlet, Snapshot, State};
use crate::history::Event;
use crate::{Error, Result, checkpoint, write_atomic};
use serde_json::json;
use std::path::PathBuf;

/// Writes `best.safetensors` when a metric improves, and after each epoch `last.safetensors`, a [`Snapshot`], from which
/// training goes on after a kill; `last.json` shows its text.
///
/// The order of the three files is what makes a kill between any two of them harmless. `last.safetensors` alone decides
/// where training goes on, and each file is replaced whole:
/// - killed before `best.safetensors`: training goes on from the epoch before, as if this one had not begun;
/// - killed between it and `last.safetensors`: the same; the epoch is repeated to the bit, so it writes the same best
///   weights again. The other order could lose them: the snapshot would say that a best was written;
/// - killed between `last.safetensors` and `last.json`: the latter is one epoch old. Nothing reads it back.
///
/// ```
/// use forge_core::{checkpoint, data::TensorDataset, learn::{Goal, Learner, ModelCheckpoint}, nn::{Init, Linear}};
/// use forge_core::{optim::Sgd, Parameters, Tensor};
/// let x = Tensor::new(&[0.0f32, 1.0], &[2, 1])?;
/// let (data, folder) = (TensorDataset::new(x.clone(), x)?, tempfile::tempdir().unwrap());
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let keep = ModelCheckpoint::new(folder.path(), "train.loss").goal(Goal::Minimize);
/// Learner::new("line").epochs(3).callback(keep).fit(&mut model, &mut Sgd::new(0.1), &data, None)?;
/// let best = checkpoint::load(&folder.path().join("best.safetensors"))?;
/// model.load_values(&best.tensors)?;
/// assert!(folder.path().join("last.safetensors").exists());
/// # Ok::<(), forge_core::Error>(())
/// ```
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
        if self.goal.beats(value, self.best, 0.0) {
            self.best = Some(value);
            *state.best_epoch = Some(epoch);
            let notes = [("epoch", epoch.to_string()), (self.monitor.as_str(), value.to_string())];
            checkpoint::save(&self.folder.join("best.safetensors"), &state.model.named_values(), &notes)?;
            let (file, role) = ("best.safetensors".into(), "best".into());
            state.outlet.send(Event::Checkpoint { epoch, file, role });
        }
        Ok(Flow::Continue)
    }

    fn epoch_recorded(&mut self, snapshot: &Snapshot, outlet: &Outlet) -> Result<()> {
        snapshot.save(&self.folder)?;
        let path = self.folder.join("last.json");
        let text = format!("{:#}\n", snapshot.text());
        write_atomic(&path, text.as_bytes()).map_err(|e| Error::io("write", &path, e))?;
        let epoch = snapshot.history.epochs.last().map_or(0, |e| e.epoch);
        outlet.send(Event::Checkpoint { epoch, file: LAST.into(), role: "last".into() });
        Ok(())
    }

    fn state(&self) -> CallbackState {
        let values =
            json!({"callback": "model_checkpoint", "monitor": self.monitor, "best": number(self.best)});
        CallbackState { values, tensors: Vec::new() }
    }

    fn load_state(&mut self, state: CallbackState) -> Result<()> {
        self.best = read_number(&state.values["best"]);
        Ok(())
    }
}
