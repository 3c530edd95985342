use super::prefetch::{Slots, Stop};
use super::{Batch, Dataset};
use crate::rng::Stream;
use crate::{Device, Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The batches of a dataset in an order, gathered as they are asked for or ahead of it.
///
/// The batches and their order are the same whatever the number of threads.
///
/// ```
/// use forge_core::{data::{Loader, TensorDataset}, Tensor};
/// let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
/// let data = TensorDataset::new(Tensor::new(&x, &[10, 1])?, Tensor::new(&x, &[10, 1])?)?;
/// let loader = Loader::new(&data, 4)?.shuffled(7, 0).prefetch(2);
/// let sizes = loader.run(|batches| batches.map(|batch| Ok(batch?.x.shape()[0])).collect::<forge_core::Result<Vec<_>>>())?;
/// assert_eq!(sizes, [4, 4, 2]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{data::{Batches, Loader, TensorDataset}, Device, Tensor};
/// let x = Tensor::new(&[0.0f32, 1.0, 2.0, 3.0, 4.0], &[5, 1])?;
/// let data = TensorDataset::new(x.clone(), x)?;
/// let loader = Loader::new(&data, 2)?.on(&Device::cpu());
/// assert_eq!((loader.len(), loader.is_empty()), (3, false));
/// let first = loader.limit(1).run(|mut batches: Batches<'_>| batches.next().unwrap())?;
/// assert_eq!(first.y.to_vec::<f32>()?, [0.0, 1.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Loader<'a> {
    data: &'a dyn Dataset,
    order: Vec<usize>,
    batch_size: usize,
    device: Device,
    threads: usize,
    limit: usize,
}

impl<'a> Loader<'a> {
    /// All samples in their own order, on the CPU. The last batch may be smaller; none is dropped.
    ///
    /// # Errors
    /// When the batch size is 0.
    pub fn new(data: &'a dyn Dataset, batch_size: usize) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::argument("loader", "batch size 0; it must be at least 1"));
        }
        let order = (0..data.len()).collect();
        Ok(Loader { data, order, batch_size, device: Device::cpu(), threads: 0, limit: usize::MAX })
    }

    /// In an order that is a function of seed and epoch.
    pub fn shuffled(mut self, seed: u64, epoch: u64) -> Self {
        self.order = Stream::new(seed, "order").at(epoch).permutation(self.data.len());
        self
    }

    /// Batches on another device.
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// With so many threads that gather batches ahead, at most two each; 0 gathers each when it is asked for.
    pub fn prefetch(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// At most so many batches.
    pub fn limit(mut self, batches: usize) -> Self {
        self.limit = batches;
        self
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.order.len().div_ceil(self.batch_size).min(self.limit)
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `body` with the batches. However it ends, no thread is left when this returns.
    pub fn run<T>(&self, body: impl FnOnce(Batches<'_>) -> T) -> T {
        let threads = self.threads.min(self.len());
        if threads == 0 {
            return body(self.one_by_one());
        }
        let slots = Slots::new(self.len(), 2 * threads);
        std::thread::scope(|scope| {
            // However the body ends, by a panic too, the threads are told before the scope waits for them.
            let _stop = Stop(&slots);
            let spawn = |n: usize| {
                let named = std::thread::Builder::new().name(format!("prefetch {n}"));
                named.spawn_scoped(scope, || slots.fill(|number| self.gather(number))).is_ok()
            };
            // A system without room for a thread still trains.
            match (0..threads).filter(|n| spawn(*n)).count() {
                0 => body(self.one_by_one()),
                _ => body(Batches(Source::Ahead(Stop(&slots)))),
            }
        })
    }

    fn one_by_one(&self) -> Batches<'_> {
        Batches(Source::OneByOne { loader: self, next: 0 })
    }

    /// Batch `number`; a panic of the dataset is an error.
    fn gather(&self, number: usize) -> Result<Batch> {
        let start = number * self.batch_size;
        let end = (start + self.batch_size).min(self.order.len());
        let indices = self.order.get(start..end).unwrap_or_default();
        catch_unwind(AssertUnwindSafe(|| self.data.batch(indices, &self.device))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::other(format!("the dataset panicked while it gathered batch {number}: {text}")))
        })
    }
}

/// The batches of a [`Loader`], in order. After an error there are no more.
///
/// See [`Loader`].
pub struct Batches<'a>(Source<'a>);

enum Source<'a> {
    OneByOne { loader: &'a Loader<'a>, next: usize },
    Ahead(Stop<'a>),
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        match &mut self.0 {
            Source::Ahead(slots) => slots.0.take(),
            Source::OneByOne { loader, next } => {
                if *next >= loader.len() {
                    return None;
                }
                let batch = loader.gather(*next);
                *next = if batch.is_ok() { *next + 1 } else { usize::MAX };
                Some(batch)
            }
        }
    }
}
