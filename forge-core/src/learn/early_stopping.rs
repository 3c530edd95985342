use super::snapshot::{number, read_number};
use super::{Callback, CallbackState, Flow, Goal, State};
use crate::nn::Module;
use crate::{Error, Result, Tensor};
use serde_json::json;

/// Ends training when a metric has not improved for some epochs, and may put the best weights back.
///
/// ```
/// use forge_core::{data::TensorDataset, history::StopReason, learn::{EarlyStopping, Goal, Learner}, nn::{Init, Linear}};
/// use forge_core::{optim::Sgd, Tensor};
/// let data = TensorDataset::new(Tensor::new(&[0.0f32], &[1, 1])?, Tensor::new(&[0.0f32], &[1, 1])?)?;
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// // At a rate of 0 nothing improves after the first epoch: two more are borne.
/// let stop = EarlyStopping::new("train.loss", 2).goal(Goal::Minimize).min_delta(1e-6).restore_best(true);
/// let history = Learner::new("still").epochs(50).callback(stop).fit(&mut model, &mut Sgd::new(0.0), &data, None)?;
/// assert_eq!((history.epochs.len(), history.best_epoch), (3, Some(0)));
/// assert!(matches!(history.stop, StopReason::Callback { .. }));
/// # Ok::<(), forge_core::Error>(())
/// ```
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
