use super::base::{Base, rule};
use crate::backend::SgdStep;
use crate::{Grads, Parameters, Result};

/// Stochastic gradient descent, with momentum and Nesterov's look-ahead as PyTorch defines them.
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
