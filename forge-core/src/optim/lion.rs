use super::base::{Base, rule};
use crate::backend::LionStep;
use crate::{Grads, Parameters, Result};

/// Lion: Chen and others, *Symbolic discovery of optimization algorithms*, NeurIPS 2023, algorithm 2. Every weight moves by
/// the learning rate at every step, so a good rate is three to ten times smaller than Adam's, and a decay as much larger.
///
/// w -= lr sign(β₁ m + (1 - β₁) g), then m = β₂ m + (1 - β₂) g.
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, optim::{Lion, Optimizer}, Cx, Tensor};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let mut lion = Lion::new(0.01);
/// let (x, y) = (Tensor::new(&[1.0f32, 2.0], &[2, 1])?, Tensor::new(&[3.0f32, 5.0], &[2, 1])?);
/// let mut losses = Vec::new();
/// for step in 0..300 {
///     let cx = Cx::train(0, step);
///     let loss = model.forward(&cx, &x)?.mse(&y)?;
///     losses.push(loss.item()?);
///     lion.step(&mut model, &loss.backward(cx)?)?;
/// }
/// assert!(losses[299] < 1e-2 * losses[0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{optim::{Lion, Optimizer}, parameters, Cx, Param, Parameters, Tensor};
/// struct Weight { w: Param }
/// parameters!(Weight { w });
/// let mut model = Weight { w: Param::new(Tensor::new(&[1.0f64], &[1])?) };
/// let cx = Cx::train(0, 0);
/// let grads = cx.param(&model.w).mul_scalar(8.0)?.sum_all()?.backward(cx)?;
/// Lion::new(0.25).betas(0.9, 0.5).decay(0.5).step(&mut model, &grads)?;
/// assert_eq!(model.w.snapshot().to_vec::<f64>()?, [0.625]); // 1 - 0.25 · 0.5 · 1 - 0.25
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Lion {
    betas: (f64, f64),
    base: Base,
}

impl Lion {
    /// With β = (0.9, 0.99).
    pub fn new(lr: f64) -> Self {
        Lion { betas: (0.9, 0.99), base: Base::new(lr) }
    }

    /// With another share of the momentum in a step, and another decay of it.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.betas = (beta1, beta2);
        self
    }

    /// Each step also takes the share `lr · decay` off every weight, apart from the gradient.
    pub fn decay(mut self, decay: f64) -> Self {
        self.base.decay = decay;
        self
    }

    fn moments(&self) -> usize {
        1
    }

    fn update(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        let (count, (beta1, beta2)) = (self.moments(), self.betas);
        self.base.step(model, grads, count, |family, slots, now| {
            family.lion(slots, LionStep { lr: now.lr, beta1, beta2, decay: now.decay })
        })
    }
}

rule!(Lion);
