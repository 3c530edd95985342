use super::{Callback, Flow, Listener, Outlet, Snapshot, State};
use crate::data::Dataset;
use crate::history::{EpochRecord, Event, FitHistory, StopReason};
use crate::nn::Module;
use crate::optim::{Ema, Optimizer};
use crate::{Device, Error, Result, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
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
///
/// ```
/// use forge_core::{data::TensorDataset, history::{Event, StopReason}, learn::{EarlyStopping, Learner}, nn::{Init, Linear}};
/// use forge_core::{optim::{Ema, Sgd}, Device, Tensor};
/// use std::sync::{Arc, atomic::{AtomicBool, AtomicUsize, Ordering}};
/// let x: Vec<f32> = (0..40).map(|i| i as f32 / 40.0).collect();
/// let data = TensorDataset::new(Tensor::new(&x, &[40, 1])?, Tensor::new(&x, &[40, 1])?)?;
/// let (heard, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
/// let (count, folder) = (heard.clone(), tempfile::tempdir().unwrap());
/// let learner = Learner::new("line").seed(7).device(&Device::cpu()).batch_size(4).epochs(3).steps_per_epoch(3);
/// let learner = learner.loss(|prediction, target| prediction.mae(target)).monitor("val.loss");
/// let learner = learner.clip_value(1.0).clip_norm(0.5).accumulate(2).prefetch(1).ema(Ema::new(0.5)?);
/// let learner = learner.callback(EarlyStopping::new("val.loss", 9)).interrupt(stop).fingerprint("line 1");
/// let learner = learner.listener(move |event: &Event| {
///     if let Event::EpochEnd { .. } = event {
///         count.fetch_add(1, Ordering::Relaxed);
///     }
/// });
/// let mut model = Linear::new(&Init::new(1), 1, 1)?;
/// // There is no snapshot in the folder: from the beginning.
/// let history = learner.resume(folder.path())?.fit(&mut model, &mut Sgd::new(0.5), &data, Some(&data))?;
/// assert_eq!((history.epochs.len(), heard.load(Ordering::Relaxed)), (3, 3));
/// assert_eq!(history.epochs[0].step, 3); // of the five that ten batches make, two a step
/// assert_eq!(history.stop, StopReason::Finished);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Learner {
    name: String,
    epochs: usize,
    pub(super) batch_size: usize,
    pub(super) seed: u64,
    pub(super) device: Device,
    pub(super) loss: LossFn,
    pub(super) clip_norm: Option<f64>,
    pub(super) clip_value: Option<f64>,
    pub(super) accumulate: usize,
    pub(super) prefetch: usize,
    ema: Option<Ema>,
    callbacks: Vec<Box<dyn Callback>>,
    listeners: Vec<Box<dyn Listener>>,
    pub(super) interrupt: Arc<AtomicBool>,
    monitor: Option<String>,
    pub(super) step_limit: usize,
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
            clip_value: None,
            accumulate: 1,
            prefetch: 0,
            ema: None,
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

    /// Clips every element of the gradients to [-limit, limit], before the norm is looked at.
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.clip_value = Some(limit);
        self
    }

    /// Takes the gradients of `parts` batches together in each step of the optimizer: what a batch so many times as
    /// large gives, in the memory of a small one. Each batch counts by its number of samples; the last step of an epoch
    /// has what is left.
    pub fn accumulate(mut self, parts: usize) -> Self {
        self.accumulate = parts;
        self
    }

    /// Gathers batches ahead in so many threads, at most two each. The training is the same, to the bit.
    pub fn prefetch(mut self, threads: usize) -> Self {
        self.prefetch = threads;
        self
    }

    /// Averages the weights over steps. Validation and callbacks see the average in the model's place, so it is what
    /// early stopping and checkpoints keep; after training the model has it.
    pub fn ema(mut self, ema: Ema) -> Self {
        self.ema = Some(ema);
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
    ///
    /// See [`Snapshot`].
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
    /// When there is no sample, batch size, parts or epochs are 0, a step fails, the loss is no longer finite, or the
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
        let (samples, batch_size, parts, epochs) =
            (train.len(), self.batch_size, self.accumulate, self.epochs);
        if samples.min(batch_size).min(parts).min(epochs) == 0 {
            return Err(Error::argument(
                "fit",
                format!(
                    "{samples} training samples, batch size {batch_size}, {parts} batches a step, {epochs} epochs: \
                     all must be at least 1"
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
            steps_per_epoch: samples.div_ceil(batch_size.saturating_mul(parts)).min(self.step_limit),
            parameters: history.parameters,
            first_epoch,
        });
        let mut callbacks = std::mem::take(&mut self.callbacks);
        for callback in &mut callbacks {
            callback.train_begin(model)?;
        }
        let mut ema = self.ema.take();
        if let Some(snapshot) = resume {
            self.take_over(snapshot, model, optimizer, &mut ema, &mut callbacks, &mut history)?;
        }
        let earlier = history.seconds;
        let ended = matches!(history.stop, StopReason::Callback { .. });
        for epoch in if ended { 0..0 } else { first_epoch..self.epochs } {
            outlet.send(Event::EpochBegin { epoch });
            let clock = Instant::now();
            let Some((train_loss, learning_rate)) =
                self.train_epoch(epoch, model, optimizer, &mut ema, train, outlet)?
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
            swap(&mut ema, model)?;
            let seen: Result<Option<String>> = (|| {
                if let Some(val) = val.filter(|v| !v.is_empty()) {
                    record.metrics.push(("val.loss".into(), self.evaluate(model, val)?));
                }
                let best_epoch = &mut history.best_epoch;
                let mut state =
                    State { model: &mut *model, optimizer, record: &mut record, outlet, best_epoch };
                let mut stop = None;
                for callback in &mut callbacks {
                    if let Flow::Stop(message) = callback.epoch_end(&mut state)? {
                        stop.get_or_insert(message);
                    }
                }
                Ok(stop)
            })();
            swap(&mut ema, model)?;
            let stop = seen?;
            record.seconds = clock.elapsed().as_secs_f64();
            history.epochs.push(record.clone());
            history.seconds = earlier + begin.elapsed().as_secs_f64();
            if let Some(message) = stop {
                history.stop = StopReason::Callback { message };
            }
            let snapshot = self.snapshot(&history, model, optimizer, &ema, &callbacks);
            for callback in &mut callbacks {
                callback.epoch_recorded(&snapshot, outlet)?;
            }
            // Last, so that a listener never tells of an epoch that a resumed training would have to repeat.
            outlet.send(Event::EpochEnd { record });
            if history.stop != StopReason::Finished {
                break;
            }
        }
        swap(&mut ema, model)?;
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
        ema: &mut Option<Ema>,
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
        if snapshot.average.is_empty() != (ema.is_none() || snapshot.step == 0) {
            let (there, here) = if ema.is_none() { ("an", "takes none") } else { ("no", "takes one") };
            return other(format!("has {there} average of weights, this learner {here}; give the same"));
        }
        model.load_values(&snapshot.weights)?;
        let moved = |(name, t): (String, Tensor)| Ok((name, t.to_device(&self.device)?));
        let moments = snapshot.moments.into_iter().map(moved).collect::<Result<Vec<_>>>()?;
        optimizer.load_state(&moments, snapshot.step)?;
        if let Some(ema) = ema {
            let average = snapshot.average.into_iter().map(moved).collect::<Result<Vec<_>>>()?;
            ema.load_state(&average, model)?;
        }
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
        ema: &Option<Ema>,
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
            average: ema.as_ref().map(Ema::state).unwrap_or_default(),
            callbacks: callbacks.iter().map(|c| c.state()).collect(),
        }
    }
}

/// Exchanges weights and average, if there is one.
fn swap(ema: &mut Option<Ema>, model: &mut dyn Module) -> Result<()> {
    ema.as_mut().map_or(Ok(()), |ema| ema.swap(model))
}
