//! Parameter updates.

use crate::{Error, Result, Tensor};

/// One parameter with its gradient and optimizer moments.
#[derive(Debug)]
pub struct Slot<'a> {
    /// The parameter's value, updated in place where it is uniquely held.
    pub value: &'a mut Tensor,
    /// Its gradient.
    pub grad: &'a Tensor,
    /// What the rule remembers of earlier gradients: as many tensors of the parameter's shape as it says.
    pub moments: &'a mut [Tensor],
}

impl Slot<'_> {
    /// Value, gradient and the moments, if there are `N` of them.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn parts<const N: usize>(
        &mut self,
        op: &'static str,
    ) -> Result<(&mut Tensor, &Tensor, &mut [Tensor; N])> {
        let found = self.moments.len();
        match self.moments.try_into() {
            Ok(moments) => Ok((self.value, self.grad, moments)),
            Err(_) => Err(Error::argument(op, format!("{found} moments for a parameter, not {N}"))),
        }
    }
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

/// The constants of one RMSprop step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of squared gradients.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decay of the velocity; 0 for none.
    pub momentum: f64,
    /// Whether the square of the mean gradient is taken off the mean of squares.
    pub centered: bool,
    /// Times each weight is added to its gradient.
    pub decay: f64,
}

impl RmsPropStep {
    /// Number of moments: the mean of squares, then the velocity if there is momentum, then the mean if centered.
    pub fn moments(&self) -> usize {
        1 + usize::from(self.momentum != 0.0) + usize::from(self.centered)
    }

    /// The moments by what they are: mean of squares, velocity, mean.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn split<'a, T>(
        &self,
        moments: &'a mut [T],
    ) -> Result<(&'a mut T, Option<&'a mut T>, Option<&'a mut T>)> {
        match (self.momentum != 0.0, self.centered, moments) {
            (false, false, [square]) => Ok((square, None, None)),
            (true, false, [square, velocity]) => Ok((square, Some(velocity), None)),
            (false, true, [square, mean]) => Ok((square, None, Some(mean))),
            (true, true, [square, velocity, mean]) => Ok((square, Some(velocity), Some(mean))),
            (_, _, moments) => Err(Error::argument(
                "rmsprop",
                format!("{} moments for a parameter, not {}", moments.len(), self.moments()),
            )),
        }
    }
}

/// The constants of one Lion step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LionStep {
    /// Learning rate.
    pub lr: f64,
    /// Share of the momentum in the direction of a step.
    pub beta1: f64,
    /// Decay of the momentum.
    pub beta2: f64,
    /// Share of each weight that a step at a learning rate of 1 would take away, apart from the gradient.
    pub decay: f64,
}

/// Updates of many parameters at once, and of their gradients before.
pub trait Optim: Send + Sync {
    /// Adam: Kingma and Ba, ICLR 2015, with PyTorch's placement of `eps`; with decay, AdamW. Two moments.
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()>;

    /// Stochastic gradient descent with momentum and weight decay, as PyTorch defines it. One moment with momentum, none
    /// without.
    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()>;

    /// RMSprop as PyTorch defines it; a difference below 0, which only rounding can give, counts as 0 when centered. As
    /// many moments as [`RmsPropStep::moments`] says.
    fn rmsprop(&self, slots: &mut [Slot], step: RmsPropStep) -> Result<()>;

    /// Lion: Chen and others, NeurIPS 2023, algorithm 2. One moment.
    fn lion(&self, slots: &mut [Slot], step: LionStep) -> Result<()>;

    /// `x ← factor · x`, in place where it is uniquely held.
    fn scale(&self, x: &mut Tensor, factor: f64) -> Result<()>;

    /// `x ← min(max(x, -limit), limit)`, in place where it is uniquely held. NaN stays NaN.
    fn clamp(&self, x: &mut Tensor, limit: f64) -> Result<()>;

    /// `average ← keep · average + (1 - keep) · x`, in place where it is uniquely held.
    fn average(&self, average: &mut Tensor, x: &Tensor, keep: f64) -> Result<()>;

    /// The sum of squares of all elements of all tensors, accumulated in f64.
    fn sum_of_squares(&self, tensors: &mut dyn Iterator<Item = &Tensor>) -> Result<f64>;
}
