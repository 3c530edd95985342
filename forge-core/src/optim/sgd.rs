use super::base::{Base, rule};
use crate::backend::SgdStep;
use crate::{Grads, Parameters, Result};

/// Stochastic gradient descent, with momentum and Nesterov's look-ahead as PyTorch defines them.
///
/// v = μ v + g, w -= lr v; with Nesterov's look-ahead w -= lr (g + μ v).
///
/// ```
/// use forge_core::{optim::{Optimizer, Sgd}, parameters, Cx, Param, Parameters, Tensor};
/// struct Weight { w: Param }
/// parameters!(Weight { w });
/// let step = |mut rule: Sgd| {
///     let mut model = Weight { w: Param::new(Tensor::new(&[1.0f64], &[1])?) };
///     let cx = Cx::train(0, 0);
///     let grads = cx.param(&model.w).mul_scalar(2.0)?.sum_all()?.backward(cx)?;
///     rule.step(&mut model, &grads)?;
///     model.w.snapshot().item()
/// };
/// assert_eq!(step(Sgd::new(0.125))?, 0.75); // 1 - 0.125 · 2
/// assert_eq!(step(Sgd::new(0.125).decay(2.0))?, 0.5); // 1 - 0.125 (2 + 2 · 1)
/// assert_eq!(step(Sgd::new(0.125).momentum(0.5).nesterov(true))?, 0.625); // 1 - 0.125 (2 + 0.5 · 2)
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
    base: Base,
}

impl Sgd {
    /// Plain descent.
    pub fn new(lr: f64) -> Self {
        Sgd { momentum: 0.0, nesterov: false, base: Base::new(lr) }
    }

    /// With a velocity that decays by `momentum` a step.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// With the gradient taken ahead along the velocity. Sutskever and others, ICML 2013.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    /// With `decay` times each weight added to its gradient: an L2 penalty of half that.
    pub fn decay(mut self, decay: f64) -> Self {
        self.base.decay = decay;
        self
    }

    fn moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn update(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let (count, momentum, nesterov) = (self.moments(), self.momentum, self.nesterov);
        self.base.step(model, grads, count, |family, slots, now| {
            family.sgd(slots, SgdStep { lr: now.lr, momentum, nesterov, decay: now.decay, step: now.step })
        })
    }
}

rule!(Sgd);
