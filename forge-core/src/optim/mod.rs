//! Optimizers: the only writers of parameters.

mod adam;
mod base;
mod ema;
mod group;
mod lion;
mod rmsprop;
mod schedule;
mod sgd;

pub use adam::Adam;
pub use ema::Ema;
pub use group::Group;
pub(crate) use group::no_match;
pub use lion::Lion;
pub use rmsprop::RmsProp;
pub use schedule::{Plateau, Schedule, Scheduled};
pub use sgd::Sgd;

use crate::{Grads, Parameters, Result, Tensor};

/// Updates a model's parameters from their gradients.
pub trait Optimizer: Send {
    /// One update. Parameters without a gradient, and frozen ones, stay as they are; buffers get the values that the
    /// forward pass asked for.
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()>;

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of the next steps.
    fn set_learning_rate(&mut self, lr: f64);

    /// Number of steps taken.
    fn steps(&self) -> u64;

    /// Moments by name, for a checkpoint: with [`Optimizer::steps`] all that is needed to go on.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Takes over what [`Optimizer::state`] and [`Optimizer::steps`] gave.
    fn load_state(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()>;
}
