use super::snapshot::{number, read_number};
use super::{Callback, CallbackState, Flow, Goal, State};
use crate::nn::Module;
use crate::{Error, Result, Tensor};
use serde_json::json;

/// Ends training when a metric has not improved for some epochs, and may put the best weights back.
#[derive(Debug)]
pub struct EarlyStopping {
    monitor: String,
    goal: Goal,
    patience: usize,
    min_delta: f64,
    restore_best: bool,
    best: Option<f64>,
    weights: Vec<(String, Tensor)>,
    waited: usize,
}

impl EarlyStopping {
    /// Ends after `patience` epochs without a smaller `monitor`; the best weights are put back.
    pub fn new(monitor: impl Into<String>, patience: usize) -> Self {
        EarlyStopping {
            monitor: monitor.into(),
            goal: Goal::Minimize,
            patience,
            min_delta: 0.0,
            restore_best: true,
            best: None,
            weights: Vec::new(),
            waited: 0,
        }
    }

    /// Whether the metric should fall or rise.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    /// An improvement must exceed this.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.min_delta = min_delta;
        self
    }

    /// Whether the best weights are put back when training ends, for whatever reason it does.
    pub fn restore_best(mut self, restore: bool) -> Self {
        self.restore_best = restore;
        self
    }
}

impl Callback for EarlyStopping {
    fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow> {
        let value = state.metric(&self.monitor)?;
        if self.goal.beats(value, self.best, self.min_delta) {
            self.best = Some(value);
            self.waited = 0;
            *state.best_epoch = Some(state.record.epoch);
            if self.restore_best {
                // Shares the storage: the optimizer writes elsewhere while someone holds it.
                self.weights = state.model.named_values();
            }
            return Ok(Flow::Continue);
        }
        self.waited += 1;
        if self.waited < self.patience.max(1) {
            return Ok(Flow::Continue);
        }
        Ok(Flow::Stop(format!("no better {} for {} epochs", self.monitor, self.waited)))
    }

    fn state(&self) -> CallbackState {
        let values = json!({
            "callback": "early_stopping",
            "monitor": self.monitor,
            "best": number(self.best),
            "waited": self.waited,
        });
        CallbackState { values, tensors: self.weights.clone() }
    }

    fn load_state(&mut self, state: CallbackState) -> Result<()> {
        self.best = read_number(&state.values["best"]);
        let waited = state.values["waited"].as_u64().and_then(|w| usize::try_from(w).ok());
        self.waited = waited.ok_or_else(|| {
            let found = &state.values;
            Error::other(format!(
                "{found} is no state of early stopping; give the callbacks in the same order"
            ))
        })?;
        self.weights = state.tensors;
        Ok(())
    }

    fn train_end(&mut self, model: &mut dyn Module) -> Result<()> {
        if self.weights.is_empty() { Ok(()) } else { model.load_values(&self.weights) }
    }
}
