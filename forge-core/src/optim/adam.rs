use super::Optimizer;
use super::moments::Moments;
use crate::backend::AdamStep;
use crate::{Grads, Parameters, Result, Tensor};

/// Adam: Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015; `eps` is placed as in PyTorch.
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, optim::{Adam, Optimizer}, Cx, Tensor};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let mut adam = Adam::new(0.1);
/// let (x, y) = (Tensor::new(&[1.0f32, 2.0], &[2, 1])?, Tensor::new(&[3.0f32, 5.0], &[2, 1])?);
/// let mut losses = Vec::new();
/// for step in 0..200 {
///     let cx = Cx::train(0, step);
///     let loss = model.forward(&cx, &x)?.mse(&y)?;
///     losses.push(loss.item()?);
///     let grads = loss.backward(cx)?;
///     adam.step(&mut model, &grads)?;
/// }
/// assert!(losses[199] < 1e-3 * losses[0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Adam {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    decay: f64,
    moments: Moments,
}

impl Adam {
    /// With β = (0.9, 0.999) and ε = 10⁻⁸.
    pub fn new(lr: f64) -> Self {
        Adam { lr, betas: (0.9, 0.999), eps: 1e-8, decay: 0.0, moments: Moments::default() }
    }

    /// With other decays of the moments.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.betas = (beta1, beta2);
        self
    }

    /// With another ε.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// AdamW: each step also takes the share `lr · decay` off every weight, apart from the gradient and its moments.
    /// Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR 2019.
    pub fn decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let (lr, (beta1, beta2), eps, decay) = (self.lr, self.betas, self.eps, self.decay);
        self.moments.step(model, grads, |slots, step| match slots.first() {
            Some(slot) => {
                let device = slot.grad.device().clone();
                device.optim().adam(slots, AdamStep { lr, beta1, beta2, eps, decay, step })
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
