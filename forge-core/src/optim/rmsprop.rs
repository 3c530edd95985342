use super::base::{Base, rule};
use crate::backend::RmsPropStep;
use crate::{Grads, Parameters, Result};

/// RMSprop as PyTorch defines it: Tieleman and Hinton, *Lecture 6.5*, Neural networks for machine learning, 2012;
/// centered: Graves, *Generating sequences with recurrent neural networks*, 2013, with `eps` outside the root.
///
/// v = α v + (1 - α) g², w -= lr g / (√v + ε).
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, optim::{Optimizer, RmsProp}, Cx, Tensor};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let mut rmsprop = RmsProp::new(0.01).momentum(0.5);
/// let (x, y) = (Tensor::new(&[1.0f32, 2.0], &[2, 1])?, Tensor::new(&[3.0f32, 5.0], &[2, 1])?);
/// let mut losses = Vec::new();
/// for step in 0..300 {
///     let cx = Cx::train(0, step);
///     let loss = model.forward(&cx, &x)?.mse(&y)?;
///     losses.push(loss.item()?);
///     rmsprop.step(&mut model, &loss.backward(cx)?)?;
/// }
/// assert!(losses[299] < 1e-2 * losses[0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{optim::{Optimizer, RmsProp}, parameters, Cx, Param, Parameters, Tensor};
/// struct Weight { w: Param }
/// parameters!(Weight { w });
/// let step = |mut rule: RmsProp| {
///     let mut model = Weight { w: Param::new(Tensor::new(&[1.0f64], &[1])?) };
///     let cx = Cx::train(0, 0);
///     let grads = cx.param(&model.w).mul_scalar(8.0)?.sum_all()?.backward(cx)?;
///     rule.step(&mut model, &grads)?;
///     model.w.snapshot().item()
/// };
/// assert_eq!(step(RmsProp::new(0.25).alpha(0.75).eps(4.0))?, 0.75); // 1 - 0.25 · 8 / (√(0.25 · 64) + 4)
/// assert_eq!(step(RmsProp::new(0.25).alpha(0.75).eps(4.0).decay(8.0))?, 0.6666666666666667); // the gradient is 8 + 8 · 1
/// assert_eq!(step(RmsProp::new(0.25).alpha(0.5).eps(0.0).centered(true))?, 0.5); // √(0.5 g² - (0.5 g)²) = 4
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RmsProp {
    alpha: f64,
    eps: f64,
    momentum: f64,
    centered: bool,
    base: Base,
}

impl RmsProp {
    /// With α = 0.99 and ε = 10⁻⁸, without momentum, not centered.
    pub fn new(lr: f64) -> Self {
        RmsProp { alpha: 0.99, eps: 1e-8, momentum: 0.0, centered: false, base: Base::new(lr) }
    }

    /// With another decay of the mean of squared gradients.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// With another ε.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// With a velocity that decays by `momentum` a step.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Whether gradients are divided by an estimate of their standard deviation instead of their size.
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }

    /// With `decay` times each weight added to its gradient: an L2 penalty of half that.
    pub fn decay(mut self, decay: f64) -> Self {
        self.base.decay = decay;
        self
    }

    fn constants(&self, lr: f64, decay: f64) -> RmsPropStep {
        let RmsProp { alpha, eps, momentum, centered, .. } = *self;
        RmsPropStep { lr, alpha, eps, momentum, centered, decay }
    }

    fn moments(&self) -> usize {
        self.constants(0.0, 0.0).moments()
    }

    fn update(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let (count, constants) = (self.moments(), self.constants(0.0, 0.0));
        self.base.step(model, grads, count, |family, slots, now| {
            family.rmsprop(slots, RmsPropStep { lr: now.lr, decay: now.decay, ..constants })
        })
    }
}

rule!(RmsProp);
