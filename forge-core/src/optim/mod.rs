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
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, optim::{Adam, Optimizer}, Cx, Parameters, Tensor};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let mut adam: Box<dyn Optimizer> = Box::new(Adam::new(0.1));
/// let cx = Cx::train(0, adam.steps());
/// let grads = model.forward(&cx, &Tensor::new(&[1.0f32], &[1, 1])?)?.mean_all()?.backward(cx)?;
/// adam.step(&mut model, &grads)?;
/// assert_eq!((adam.steps(), adam.learning_rate()), (1, 0.1));
/// assert_eq!(adam.state().len(), 4); // two moments of the weight, two of the bias
/// let mut resumed = Adam::new(0.1);
/// resumed.load_state(&adam.state(), adam.steps())?;
/// resumed.set_learning_rate(0.01);
/// assert_eq!((resumed.steps(), resumed.learning_rate()), (1, 0.01));
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Optimizer: Send {
    /// One update. Parameters without a gradient, and frozen ones, stay as they are; buffers get the values that the
    /// forward pass asked for.
    ///
    /// # Errors
    /// When a group's pattern fits no parameter, the model is another than in earlier steps, or a device fails.
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
    ///
    /// # Errors
    /// When the moments are not those of such an optimizer.
    fn load_state(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()>;
}
