//! Parameter updates.

use crate::{Result, Tensor};

/// One parameter with its gradient and optimizer moments.
#[derive(Debug)]
pub struct Slot<'a> {
    /// The parameter's value, updated in place where it is uniquely held.
    pub value: &'a mut Tensor,
    /// Its gradient.
    pub grad: &'a Tensor,
    /// First moment: Adam's mean, SGD's velocity.
    pub first: &'a mut Tensor,
    /// Second moment (Adam).
    pub second: &'a mut Tensor,
}

/// The constants of one Adam step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Share of each weight that a step at a learning rate of 1 would take away, apart from the gradient.
    pub decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
}

/// The constants of one SGD step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the velocity; 0 for plain SGD, which leaves the moments untouched.
    pub momentum: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// Times each weight is added to its gradient.
    pub decay: f64,
    /// Number of this step, from 1. The first sets the velocity to the gradient.
    pub step: u64,
}

/// Updates of many parameters at once.
pub trait Optim: Send + Sync {
    /// Adam: Kingma and Ba, ICLR 2015, with PyTorch's placement of `eps`; with decay, AdamW.
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()>;

    /// Stochastic gradient descent with momentum and weight decay, as PyTorch defines it.
    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()>;

    /// The sum of squares of all elements of all tensors, accumulated in f64.
    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64>;
}
