use super::Optimizer;
use super::moments::Moments;
use crate::backend::SgdStep;
use crate::{Grads, Parameters, Result, Tensor};

/// Stochastic gradient descent, with momentum and Nesterov's look-ahead as PyTorch defines them.
#[derive(Debug)]
pub struct Sgd {
    lr: f64,
    momentum: f64,
    nesterov: bool,
    decay: f64,
    moments: Moments,
}

impl Sgd {
    /// Plain descent.
    pub fn new(lr: f64) -> Self {
        Sgd { lr, momentum: 0.0, nesterov: false, decay: 0.0, moments: Moments::default() }
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
        self.decay = decay;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let Sgd { lr, momentum, nesterov, decay, .. } = *self;
        self.moments.step(model, grads, |slots, step| match slots.first() {
            Some(slot) => {
                let device = slot.grad.device().clone();
                device.optim().sgd(slots, SgdStep { lr, momentum, nesterov, decay, step })
            }
            None => Ok(()),
        })
    }

    fn learning_rate(&self) -> f64 {
        self.lr
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn steps(&self) -> u64 {
        self.moments.steps
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        self.moments.state()
    }

    fn load_state(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        self.moments.load(state, steps)
    }
}
