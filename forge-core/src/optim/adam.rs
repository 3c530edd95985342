use super::base::{Base, rule};
use crate::backend::AdamStep;
use crate::{Grads, Parameters, Result};

/// Adam: Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015; `eps` is placed as in PyTorch.
///
/// m = β₁ m + (1 - β₁) g, v = β₂ v + (1 - β₂) g², w -= lr (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε).
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
///
/// ```
/// use forge_core::{optim::{Adam, Optimizer}, parameters, Cx, Param, Parameters, Tensor};
/// struct Weight { w: Param }
/// parameters!(Weight { w });
/// let mut model = Weight { w: Param::new(Tensor::new(&[1.0f64], &[1])?) };
/// let cx = Cx::train(0, 0);
/// let grads = cx.param(&model.w).mul_scalar(8.0)?.sum_all()?.backward(cx)?;
/// Adam::new(0.25).betas(0.5, 0.5).eps(8.0).decay(0.5).step(&mut model, &grads)?;
/// // The first moments, put right, are g and g²: 1 - 0.25 · 0.5 · 1 - 0.25 · 8 / (8 + 8).
/// assert_eq!(model.w.snapshot().to_vec::<f64>()?, [0.75]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Adam {
    betas: (f64, f64),
    eps: f64,
    base: Base,
}

impl Adam {
    /// With β = (0.9, 0.999) and ε = 10⁻⁸.
    pub fn new(lr: f64) -> Self {
        Adam { betas: (0.9, 0.999), eps: 1e-8, base: Base::new(lr) }
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
        self.base.decay = decay;
        self
    }

    fn moments(&self) -> usize {
        2
    }

    fn update(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let (count, (beta1, beta2), eps) = (self.moments(), self.betas, self.eps);
        self.base.step(model, grads, count, |family, slots, now| {
            family.adam(slots, AdamStep { lr: now.lr, beta1, beta2, eps, decay: now.decay, step: now.step })
        })
    }
}

rule!(Adam);
