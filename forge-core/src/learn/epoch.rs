//! One epoch of a learner, and a model's outputs over a dataset.

use super::{Learner, Outlet};
use crate::data::{Batch, Batches, Dataset, Loader};
use crate::history::Event;
use crate::nn::Module;
use crate::optim::{Ema, Optimizer};
use crate::{Cx, Device, Error, ErrorKind, Grads, Result, Tensor};
use std::sync::atomic::Ordering;

impl Learner {
    /// The mean loss of an epoch and the learning rate of its last step, or `None` if it was interrupted.
    pub(super) fn train_epoch(
        &self,
        epoch: usize,
        model: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
        ema: &mut Option<Ema>,
        train: &dyn Dataset,
        outlet: &Outlet,
    ) -> Result<Option<(f64, f64)>> {
        let loader = Loader::new(train, self.batch_size)?.shuffled(self.seed, epoch as u64).on(&self.device);
        let loader = loader.limit(self.step_limit.saturating_mul(self.accumulate)).prefetch(self.prefetch);
        let steps = loader.len().div_ceil(self.accumulate);
        loader.run(|mut batches| {
            let mut all = Mean::default();
            let mut learning_rate = optimizer.learning_rate();
            for number in 0..steps {
                if self.interrupt.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let step = optimizer.steps();
                let Some((mut grads, losses, loss)) = self.gradients(step, model, &mut batches)? else {
                    break;
                };
                if let Some(limit) = self.clip_value {
                    grads.clip_value(limit)?;
                }
                if let Some(limit) = self.clip_norm {
                    finite(grads.clip_norm(limit)?.is_finite(), "the gradient's norm", step)?;
                }
                // A schedule gives the rate of the step to come: after this one, the next.
                learning_rate = optimizer.learning_rate();
                optimizer.step(model, &grads)?;
                if let Some(ema) = ema {
                    ema.update(model)?;
                }
                all.add(losses.total, losses.weight);
                outlet.send(Event::BatchEnd { epoch, step, batch: number, loss });
            }
            Ok(Some((all.value(), learning_rate)))
        })
    }

    /// The gradients of one step, its losses and their mean; `None` if no batch is left.
    fn gradients(
        &self,
        step: u64,
        model: &mut dyn Module,
        batches: &mut Batches<'_>,
    ) -> Result<Option<(Grads, Mean, f64)>> {
        let (mut sum, mut losses): (Option<Grads>, Mean) = (None, Mean::default());
        for (part, batch) in batches.take(self.accumulate).enumerate() {
            let batch = batch?;
            let cx = Cx::train(self.seed, step).part(part);
            let loss = self.batch_loss(&cx, model, &batch)?;
            let (value, weight) = (loss.item()?, batch.weight()?);
            finite(value.is_finite(), "the training loss", step)?;
            losses.add(value * weight, weight);
            if self.accumulate == 1 {
                return Ok(Some((loss.backward(cx)?, losses, value)));
            }
            let seed = Tensor::full(weight, loss.shape(), loss.dtype(), loss.device())?;
            let grads = loss.backward_from(seed, cx)?;
            // The next batch goes on from the statistics that this one left.
            grads.write_buffers(model)?;
            match &mut sum {
                None => sum = Some(grads),
                Some(sum) => sum.add(grads)?,
            }
        }
        let Some(mut grads) = sum else { return Ok(None) };
        if losses.weight > 0.0 {
            grads.scale(1.0 / losses.weight)?;
        }
        Ok(Some((grads, losses, losses.value())))
    }

    fn batch_loss(&self, cx: &Cx, model: &dyn Module, batch: &Batch) -> Result<Tensor> {
        batch.loss(&model.forward(cx, &batch.x)?, &self.loss)
    }

    /// The mean loss over a dataset, without training.
    pub(super) fn evaluate(&self, model: &dyn Module, data: &dyn Dataset) -> Result<f64> {
        let loader = Loader::new(data, self.batch_size)?.on(&self.device).prefetch(self.prefetch);
        loader.run(|batches| {
            let mut all = Mean::default();
            for batch in batches {
                let batch = batch?;
                let (loss, weight) = (self.batch_loss(&Cx::infer(), model, &batch)?.item()?, batch.weight()?);
                all.add(loss * weight, weight);
            }
            Ok(all.value())
        })
    }
}

/// A weighted mean in the making.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    total: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, total: f64, weight: f64) {
        self.total += total;
        self.weight += weight;
    }

    fn value(self) -> f64 {
        self.total / self.weight.max(f64::MIN_POSITIVE)
    }
}

fn finite(ok: bool, what: &str, step: u64) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::from(ErrorKind::NotFinite { what: what.into(), step })) }
}

/// A model's output for every sample, in order, in batches of `batch_size`: `[samples, …]`.
///
/// ```
/// use forge_core::{data::TensorDataset, learn::predict, nn::{Flatten, Module}, Device, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2, 1])?;
/// let data = TensorDataset::new(x.clone(), x.clone())?;
/// let y = predict(&Flatten, &data, 2, &Device::cpu())?; // a batch of two and one of one
/// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[3, 2][..], x.to_vec::<f32>()?));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When there is no sample or a batch fails.
pub fn predict(model: &dyn Module, data: &dyn Dataset, batch_size: usize, device: &Device) -> Result<Tensor> {
    let loader = Loader::new(data, batch_size.max(1))?.on(device);
    let outputs = loader.run(|batches| {
        batches.map(|batch| model.forward(&Cx::infer(), &batch?.x)).collect::<Result<Vec<_>>>()
    })?;
    Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0)
}
