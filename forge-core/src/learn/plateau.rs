use super::{Callback, CallbackState, Flow, State};
use crate::optim::Plateau;
use crate::{Error, Result};
use serde_json::json;

/// Lowers the learning rate when a metric no longer falls; see [`Plateau`].
///
/// ```
/// use forge_core::{data::TensorDataset, learn::{Learner, ReduceOnPlateau}, nn::{Init, Linear}};
/// use forge_core::{optim::{Plateau, Sgd}, Tensor};
/// let data = TensorDataset::new(Tensor::new(&[0.0f32], &[1, 1])?, Tensor::new(&[0.0f32], &[1, 1])?)?;
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let lower = ReduceOnPlateau::new("train.loss", Plateau::new(0, 0.5)?);
/// let learner = Learner::new("still").epochs(3).loss(|p, _| p.mul_scalar(0.0)?.sum_all()).callback(lower);
/// let history = learner.fit(&mut model, &mut Sgd::new(0.4), &data, None)?;
/// let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
/// assert_eq!(rates, [0.4, 0.4, 0.2]); // the loss is 0 throughout: from the second epoch on it no longer falls
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ReduceOnPlateau {
    monitor: String,
    plateau: Plateau,
}

impl ReduceOnPlateau {
    /// By a metric that should fall.
    pub fn new(monitor: impl Into<String>, plateau: Plateau) -> Self {
        ReduceOnPlateau { monitor: monitor.into(), plateau }
    }
}

impl Callback for ReduceOnPlateau {
    fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow> {
        let metric = state.metric(&self.monitor)?;
        let rate = self.plateau.next_rate(metric, state.optimizer.learning_rate());
        state.optimizer.set_learning_rate(rate);
        Ok(Flow::Continue)
    }

    fn state(&self) -> CallbackState {
        let values = json!({"callback": "plateau", "monitor": self.monitor, "plateau": self.plateau});
        CallbackState { values, tensors: Vec::new() }
    }

    fn load_state(&mut self, state: CallbackState) -> Result<()> {
        let wrong = |e| {
            Error::other(format!(
                "{} is no state of a plateau ({e}); give the callbacks in the same order",
                state.values
            ))
        };
        self.plateau = serde_json::from_value(state.values["plateau"].clone()).map_err(wrong)?;
        Ok(())
    }
}
