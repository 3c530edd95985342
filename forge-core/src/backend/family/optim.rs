//! Parameter updates.

use crate::{Error, Result, Tensor};

/// One parameter with its gradient and optimizer moments.
///
/// ```
/// use forge_core::{backend::{Slot, SgdStep}, Device, Tensor};
/// let (mut value, grad) = (Tensor::new(&[1.0f64], &[1])?, Tensor::new(&[2.0f64], &[1])?);
/// let mut slot = Slot { value: &mut value, grad: &grad, moments: &mut [] };
/// assert!(slot.parts::<2>("adam").is_err()); // there are none
/// let (_, g, []) = slot.parts("sgd")?;
/// assert_eq!(g.item()?, 2.0);
/// let step = SgdStep { lr: 0.25, momentum: 0.0, nesterov: false, decay: 0.0, step: 1 };
/// Device::cpu().optim().sgd(&mut [slot], step)?;
/// assert_eq!(value.item()?, 0.5);
/// # Ok::<(), forge_core::Error>(())
/// ```
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
///
/// See [`Optim`].
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
///
/// See [`Slot`].
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
///
/// ```
/// use forge_core::backend::RmsPropStep;
/// let step = RmsPropStep { lr: 0.1, alpha: 0.99, eps: 1e-8, momentum: 0.0, centered: true, decay: 0.0 };
/// assert_eq!(step.moments(), 2);
/// let mut moments = ["mean of squares", "mean"];
/// let (square, velocity, mean) = step.split(&mut moments)?;
/// assert_eq!((*square, velocity, mean.map(|m| *m)), ("mean of squares", None, Some("mean")));
/// assert!(step.split(&mut ["mean of squares"]).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
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
///
/// See [`Optim`].
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
///
/// ```
/// use forge_core::{backend::{AdamStep, LionStep, RmsPropStep, SgdStep, Slot}, Device, Tensor};
/// let device = Device::cpu();
/// let optim = device.optim();
/// let (grad, zero) = (Tensor::new(&[-8.0f64], &[1])?, Tensor::new(&[0.0f64], &[1])?);
/// // A step from 1 against a gradient of -8, at a rate of 0.25.
/// let after = |count: usize, step: &dyn Fn(&mut [Slot]) -> forge_core::Result<()>| {
///     let (mut value, mut moments) = (Tensor::new(&[1.0f64], &[1])?, vec![zero.clone(); count]);
///     step(&mut [Slot { value: &mut value, grad: &grad, moments: &mut moments }])?;
///     value.item()
/// };
/// let adam = AdamStep { lr: 0.25, beta1: 0.5, beta2: 0.5, eps: 0.0, decay: 0.0, step: 1 };
/// assert_eq!(after(2, &|slots| optim.adam(slots, adam))?, 1.25);
/// let sgd = SgdStep { lr: 0.25, momentum: 0.0, nesterov: false, decay: 0.0, step: 1 };
/// assert_eq!(after(0, &|slots| optim.sgd(slots, sgd))?, 3.0);
/// let rmsprop = RmsPropStep { lr: 0.25, alpha: 0.75, eps: 0.0, momentum: 0.0, centered: false, decay: 0.0 };
/// assert_eq!(after(1, &|slots| optim.rmsprop(slots, rmsprop))?, 1.5); // 0.25 · 8 / √(0.25 · 64)
/// let lion = LionStep { lr: 0.25, beta1: 0.9, beta2: 0.99, decay: 0.0 };
/// assert_eq!(after(1, &|slots| optim.lion(slots, lion))?, 1.25);
/// let mut x = Tensor::new(&[3.0f64, -4.0], &[2])?;
/// assert_eq!(optim.sum_of_squares(&mut [&x].into_iter())?, 25.0);
/// optim.scale(&mut x, 0.5)?;
/// optim.clamp(&mut x, 1.75)?;
/// assert_eq!(x.to_vec::<f64>()?, [1.5, -1.75]);
/// optim.average(&mut x, &Tensor::new(&[0.5f64, 0.25], &[2])?, 0.5)?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, -0.75]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When a slot has not the moments of the rule, or the device fails.
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
