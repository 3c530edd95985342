use super::{Callback, Flow, State};
use crate::Result;
use crate::optim::Plateau;

/// Lowers the learning rate when a metric no longer falls; see [`Plateau`].
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
}
