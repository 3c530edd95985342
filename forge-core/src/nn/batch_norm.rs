use super::{Init, Initial, Module};
use crate::{Cx, DType, Error, Mode, Param, Result, Tensor, parameters};

/// Each channel of `[batch, channels, …]` set to mean 0 and variance 1, then scaled and shifted: PyTorch's `BatchNorm1d`
/// and `BatchNorm2d`. Ioffe and Szegedy, ICML 2015.
///
/// In training the statistics are those of the batch, and the running ones move towards them (with the unbiased variance)
/// when the optimizer steps; in inference the running ones are used. Names are PyTorch's: `weight` and `bias`, and the
/// buffers `running_mean`, `running_var` and `num_batches_tracked`.
///
/// ```
/// use forge_core::{nn::{BatchNorm, Init, Module}, optim::{Optimizer, Sgd}, Cx, Parameters, Tensor};
/// let mut layer = BatchNorm::new(&Init::new(0), 1)?;
/// let x = Tensor::new(&[1.0f32, 3.0], &[2, 1])?;
/// let cx = Cx::train(0, 0);
/// let grads = layer.forward(&cx, &x)?.sum_all()?.backward(cx)?;
/// Sgd::new(0.1).step(&mut layer, &grads)?;
/// let running = layer.named_values();
/// assert_eq!(running[0].1.to_vec::<f32>()?, [0.2]); // 0.9 · 0 + 0.1 · 2
/// assert_eq!(running[1].1.to_vec::<f32>()?, [1.1]); // 0.9 · 1 + 0.1 · 2
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{BatchNorm, Init, Module}, Cx, Parameters, Tensor};
/// let plain = BatchNorm::new(&Init::new(0), 1)?.eps(3.0).momentum(None).without_affine();
/// assert_eq!(plain.parameter_count(), 0);
/// // In inference (x - running mean 0) / √(running variance 1 + 3).
/// assert_eq!(plain.forward(&Cx::infer(), &Tensor::new(&[8.0f32], &[1, 1])?)?.to_vec::<f32>()?, [4.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchNorm {
    weight: Option<Param>,
    bias: Option<Param>,
    running_mean: Param,
    running_var: Param,
    num_batches_tracked: Param,
    eps: f64,
    momentum: Option<f64>,
}

parameters!(BatchNorm { running_mean, running_var, num_batches_tracked } optional { weight, bias });

impl BatchNorm {
    /// Weight 1, bias 0, ε 10⁻⁵, momentum 0.1.
    ///
    /// # Errors
    /// When there is no channel.
    pub fn new(init: &Init, channels: usize) -> Result<Self> {
        if channels == 0 {
            return Err(Error::argument("batch_norm", "there must be at least one channel"));
        }
        Ok(BatchNorm {
            weight: Some(init.draw("weight", &[channels], &Initial::Ones)?),
            bias: Some(init.draw("bias", &[channels], &Initial::Zeros)?),
            running_mean: init.buffer(0.0, &[channels])?,
            running_var: init.buffer(1.0, &[channels])?,
            num_batches_tracked: init.counter()?,
            eps: 1e-5,
            momentum: Some(0.1),
        })
    }

    /// The number added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The share of a batch in the running statistics; with `None` all batches count the same.
    pub fn momentum(mut self, momentum: Option<f64>) -> Self {
        self.momentum = momentum;
        self
    }

    /// The same without weight and bias.
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }

    /// Asks for running statistics that have moved towards those of a batch with `count` elements a channel.
    fn track(&self, cx: &Cx, mean: &Tensor, variance: &Tensor, count: usize) -> Result<()> {
        let batches = cx.param(&self.num_batches_tracked).item()? + 1.0;
        let counter = Tensor::full(batches, &[], DType::I64, mean.device())?;
        cx.update(&self.num_batches_tracked, &counter)?;
        let share = self.momentum.unwrap_or(1.0 / batches);
        let unbiased = variance.mul_scalar(count as f64 / (count as f64 - 1.0))?;
        for (running, found) in [(&self.running_mean, mean), (&self.running_var, &unbiased)] {
            let moved = (cx.param(running).mul_scalar(1.0 - share)? + found.mul_scalar(share)?)?;
            cx.update(running, &moved)?;
        }
        Ok(())
    }
}

impl Module for BatchNorm {
    /// `[batch, channels, …]`, the same shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| cx.param(p)));
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        match cx.mode() {
            Mode::Infer => {
                let [mean, variance] = [&self.running_mean, &self.running_var].map(|p| cx.param(p));
                x.batch_norm_by([&mean, &variance], weight, bias, self.eps)
            }
            Mode::Train => {
                let out = x.batch_norm(weight, bias, self.eps)?;
                self.track(cx, &out.mean, &out.variance, x.count() / out.mean.count().max(1))?;
                Ok(out.y)
            }
        }
    }

    fn describe(&self) -> String {
        format!("batch_norm({})", self.running_mean.count())
    }
}
