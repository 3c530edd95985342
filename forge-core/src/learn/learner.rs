use super::{Callback, Flow, Listener, Outlet, Snapshot, State};
use crate::data::Dataset;
use crate::history::{EpochRecord, Event, FitHistory, StopReason};
use crate::nn::Module;
use crate::optim::Optimizer;
use crate::rng::Stream;
use crate::{Cx, Device, Error, ErrorKind, Parameters, Result, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

type LossFn = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send>;

/// Trains a model.
///
/// The same seed gives the same run, to the bit: the order of samples is a function of (seed, epoch), random layers of
/// (seed, step, layer).
///
/// ```
/// use forge_core::{data::TensorDataset, learn::Learner, nn::{Init, Linear}, optim::Adam, Tensor};
/// let x: Vec<f32> = (0..64).map(|i| i as f32 / 64.0).collect();
/// let y: Vec<f32> = x.iter().map(|x| 3.0 * x - 1.0).collect();
/// let data = TensorDataset::new(Tensor::new(&x, &[64, 1])?, Tensor::new(&y, &[64, 1])?)?;
/// let mut model = Linear::new(&Init::new(1), 1, 1)?;
/// let history = Learner::new("line").epochs(40).batch_size(8).fit(&mut model, &mut Adam::new(0.05), &data, None)?;
/// let loss = history.curve("train.loss");
/// assert!(loss[39].1 < 0.01 * loss[0].1);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Learner {
    name: String,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    device: Device,
    loss: LossFn,
    clip_norm: Option<f64>,
    callbacks: Vec<Box<dyn Callback>>,
    listeners: Vec<Box<dyn Listener>>,
    interrupt: Arc<AtomicBool>,
    monitor: Option<String>,
    step_limit: usize,
    fingerprint: String,
    resume: Option<Snapshot>,
}

impl Learner {
    /// 10 epochs, batches of 32, mean squared error, on the CPU.
    pub fn new(name: impl Into<String>) -> Self {
        Learner {
            name: name.into(),
            epochs: 10,
            batch_size: 32,
            seed: 0,
            device: Device::cpu(),
            loss: Box::new(|prediction, target| prediction.mse(target)),
            clip_norm: None,
            callbacks: Vec::new(),
            listeners: Vec::new(),
            interrupt: Arc::default(),
            monitor: None,
            step_limit: usize::MAX,
            fingerprint: String::new(),
            resume: None,
        }
    }

    /// How often the training samples are gone through.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Samples in a step. The last batch of an epoch may be smaller; none is dropped.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// The seed of sample order and random layers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The device that batches are put on; the model must be there already.
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The loss of (prediction, target): one number, the mean over samples.
    pub fn loss(mut self, loss: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + 'static) -> Self {
        self.loss = Box::new(loss);
        self
    }

    /// Scales gradients so that their norm is at most this.
    pub fn clip_norm(mut self, limit: f64) -> Self {
        self.clip_norm = Some(limit);
        self
    }

    /// One more callback, after those already there.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// One more listener.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// A flag that ends training after the step in progress once it is set.
    pub fn interrupt(mut self, flag: Arc<AtomicBool>) -> Self {
        self.interrupt = flag;
        self
    }

    /// The metric that the history names as the one that decides.
    pub fn monitor(mut self, metric: impl Into<String>) -> Self {
        self.monitor = Some(metric.into());
        self
    }

    /// At most this many steps an epoch: to see that everything runs.
    pub fn steps_per_epoch(mut self, limit: usize) -> Self {
        self.step_limit = limit;
        self
    }

    /// What a training that goes on from this one's [`Snapshot`] must have in common with it, in the caller's words: a
    /// digest of data and parameters.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }

    /// Goes on from a snapshot, with the same model, optimizer, data, seed and callbacks: training 2 N epochs, and
    /// training N, saving, loading and training N more give the same bits.
    pub fn resume_from(mut self, snapshot: Snapshot) -> Self {
        self.resume = Some(snapshot);
        self
    }

    /// Goes on from the snapshot that [`ModelCheckpoint`](super::ModelCheckpoint) left in a folder; from the beginning
    /// if there is none.
    ///
    /// # Errors
    /// As [`Snapshot::load`].
    pub fn resume(mut self, folder: &Path) -> Result<Self> {
        self.resume = Snapshot::load(folder)?;
        Ok(self)
    }

    /// Trains, and gives the history.
    ///
    /// # Errors
    /// When there is no sample, batch size or epochs are 0, a step fails, the loss is no longer finite, or the
    /// snapshot to go on from is of another training. Listeners hear of it as [`Event::Failed`].
    pub fn fit(
        mut self,
        model: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
        train: &dyn Dataset,
        val: Option<&dyn Dataset>,
    ) -> Result<FitHistory> {
        let outlet = Outlet::new(std::mem::take(&mut self.listeners));
        let result = self.run(model, optimizer, train, val, &outlet);
        if let Err(error) = &result {
            outlet.send(Event::Failed { message: error.to_string() });
        }
        result
    }

    fn run(
        &mut self,
        model: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
        train: &dyn Dataset,
        val: Option<&dyn Dataset>,
        outlet: &Outlet,
    ) -> Result<FitHistory> {
        if train.is_empty() || self.batch_size == 0 || self.epochs == 0 {
            return Err(Error::argument(
                "fit",
                format!(
                    "{} training samples, batch size {}, {} epochs: all must be at least 1",
                    train.len(),
                    self.batch_size,
                    self.epochs
                ),
            ));
        }
        let begin = Instant::now();
        let mut history = FitHistory {
            name: self.name.clone(),
            model: model.describe(),
            parameters: model.parameter_count(),
            epochs: Vec::new(),
            monitor: self.monitor.clone(),
            best_epoch: None,
            stop: StopReason::Finished,
            seconds: 0.0,
        };
        let resume = self.resume.take();
        let first_epoch = resume.as_ref().map_or(0, |s| s.history.epochs.len());
        outlet.send(Event::TrainBegin {
            epochs: self.epochs,
            steps_per_epoch: train.len().div_ceil(self.batch_size).min(self.step_limit),
            parameters: history.parameters,
            first_epoch,
        });
        let mut callbacks = std::mem::take(&mut self.callbacks);
        for callback in &mut callbacks {
            callback.train_begin(model)?;
        }
        if let Some(snapshot) = resume {
            self.take_over(snapshot, model, optimizer, &mut callbacks, &mut history)?;
        }
        let earlier = history.seconds;
        let ended = matches!(history.stop, StopReason::Callback { .. });
        for epoch in if ended { 0..0 } else { first_epoch..self.epochs } {
            outlet.send(Event::EpochBegin { epoch });
            let clock = Instant::now();
            let Some((train_loss, learning_rate)) =
                self.train_epoch(epoch, model, optimizer, train, outlet)?
            else {
                history.stop = StopReason::Interrupted;
                break;
            };
            let mut record = EpochRecord {
                epoch,
                step: optimizer.steps(),
                seconds: 0.0,
                learning_rate,
                metrics: vec![("train.loss".into(), train_loss)],
            };
            if let Some(val) = val.filter(|v| !v.is_empty()) {
                record.metrics.push(("val.loss".into(), self.evaluate(model, val)?));
            }
            let mut stop = None;
            let mut state =
                State { model, optimizer, record: &mut record, outlet, best_epoch: &mut history.best_epoch };
            for callback in &mut callbacks {
                if let Flow::Stop(message) = callback.epoch_end(&mut state)? {
                    stop.get_or_insert(message);
                }
            }
            record.seconds = clock.elapsed().as_secs_f64();
            history.epochs.push(record.clone());
            history.seconds = earlier + begin.elapsed().as_secs_f64();
            if let Some(message) = stop {
                history.stop = StopReason::Callback { message };
            }
            let snapshot = self.snapshot(&history, model, optimizer, &callbacks);
            for callback in &mut callbacks {
                callback.epoch_recorded(&snapshot, outlet)?;
            }
            // Last, so that a listener never tells of an epoch that a resumed training would have to repeat.
            outlet.send(Event::EpochEnd { record });
            if history.stop != StopReason::Finished {
                break;
            }
        }
        for callback in &mut callbacks {
            callback.train_end(model)?;
        }
        history.seconds = earlier + begin.elapsed().as_secs_f64();
        outlet.send(Event::TrainEnd {
            stop: history.stop.clone(),
            epochs: history.epochs.len(),
            seconds: history.seconds,
        });
        Ok(history)
    }

    /// Puts everything back as it was at the end of a snapshot's last epoch.
    fn take_over(
        &self,
        snapshot: Snapshot,
        model: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
        callbacks: &mut [Box<dyn Callback>],
        history: &mut FitHistory,
    ) -> Result<()> {
        let other = |what: String| Err(Error::argument("fit", format!("the snapshot to go on from {what}")));
        if snapshot.fingerprint != self.fingerprint {
            return other("was made with other data or parameters; train from the beginning".into());
        }
        if snapshot.callbacks.len() != callbacks.len() {
            let (there, here) = (snapshot.callbacks.len(), callbacks.len());
            return other(format!(
                "has {there} callbacks, this learner {here}; give the same, in the same order"
            ));
        }
        model.load_values(&snapshot.weights)?;
        let moved = |(name, t): (String, Tensor)| Ok((name, t.to_device(&self.device)?));
        let moments = snapshot.moments.into_iter().map(moved).collect::<Result<Vec<_>>>()?;
        optimizer.load_state(&moments, snapshot.step)?;
        optimizer.set_learning_rate(snapshot.learning_rate);
        for (callback, state) in callbacks.iter_mut().zip(snapshot.callbacks) {
            callback.load_state(state)?;
        }
        history.epochs = snapshot.history.epochs;
        history.best_epoch = snapshot.history.best_epoch;
        history.stop = snapshot.history.stop;
        history.seconds = snapshot.history.seconds;
        Ok(())
    }

    fn snapshot(
        &self,
        history: &FitHistory,
        model: &dyn Module,
        optimizer: &dyn Optimizer,
        callbacks: &[Box<dyn Callback>],
    ) -> Snapshot {
        Snapshot {
            history: history.clone(),
            step: optimizer.steps(),
            learning_rate: optimizer.learning_rate(),
            fingerprint: self.fingerprint.clone(),
            // Shares the storage; it is dropped before the next step, which can then write in place.
            weights: model.named_values(),
            moments: optimizer.state(),
            callbacks: callbacks.iter().map(|c| c.state()).collect(),
        }
    }

    /// The mean loss of an epoch and the learning rate of its last step, or `None` if it was interrupted.
    fn train_epoch(
        &self,
        epoch: usize,
        model: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
        train: &dyn Dataset,
        outlet: &Outlet,
    ) -> Result<Option<(f64, f64)>> {
        let order = Stream::new(self.seed, "order").at(epoch as u64).permutation(train.len());
        let (mut total, mut samples) = (0.0, 0.0_f64);
        let mut learning_rate = optimizer.learning_rate();
        for (number, indices) in order.chunks(self.batch_size).enumerate().take(self.step_limit) {
            if self.interrupt.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let step = optimizer.steps();
            let batch = train.batch(indices, &self.device)?;
            let cx = Cx::train(self.seed, step);
            let loss = batch.loss(&model.forward(&cx, &batch.x)?, &self.loss)?;
            let value = loss.item()?;
            let finite = |ok: bool, what: &str| {
                if ok { Ok(()) } else { Err(Error::from(ErrorKind::NotFinite { what: what.into(), step })) }
            };
            finite(value.is_finite(), "the training loss")?;
            let mut grads = loss.backward(cx)?;
            if let Some(limit) = self.clip_norm {
                finite(grads.clip_norm(limit)?.is_finite(), "the gradient's norm")?;
            }
            // A schedule gives the rate of the step to come: after this one, the next.
            learning_rate = optimizer.learning_rate();
            optimizer.step(as_parameters(model), &grads)?;
            let weight = batch.weight()?;
            total += value * weight;
            samples += weight;
            outlet.send(Event::BatchEnd { epoch, step, batch: number, loss: value });
        }
        Ok(Some((total / samples.max(f64::MIN_POSITIVE), learning_rate)))
    }

    /// The mean loss over a dataset, without training.
    fn evaluate(&self, model: &dyn Module, data: &dyn Dataset) -> Result<f64> {
        let (mut total, mut samples) = (0.0, 0.0_f64);
        for indices in all(data).chunks(self.batch_size) {
            let batch = data.batch(indices, &self.device)?;
            let loss = batch.loss(&model.forward(&Cx::infer(), &batch.x)?, &self.loss)?;
            let weight = batch.weight()?;
            total += loss.item()? * weight;
            samples += weight;
        }
        Ok(total / samples.max(f64::MIN_POSITIVE))
    }
}

fn as_parameters(model: &mut dyn Module) -> &mut dyn Parameters {
    model
}

fn all(data: &dyn Dataset) -> Vec<usize> {
    (0..data.len()).collect()
}

/// A model's output for every sample, in order, in batches of `batch_size`: `[samples, …]`.
///
/// # Errors
/// When there is no sample or a batch fails.
pub fn predict(model: &dyn Module, data: &dyn Dataset, batch_size: usize, device: &Device) -> Result<Tensor> {
    let mut outputs = Vec::new();
    for indices in all(data).chunks(batch_size.max(1)) {
        outputs.push(model.forward(&Cx::infer(), &data.batch(indices, device)?.x)?);
    }
    Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0)
}
