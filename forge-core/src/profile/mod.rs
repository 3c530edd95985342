//! Where the time goes: wall-clock time, FLOP/s, bytes and memory of every operation, by the layer that runs it.
//!
//! A [`Profiler`] is switched on around any piece of work of its thread, a training loop of one's own as well as
//! [`Learner::fit`](crate::learn::Learner::fit); what it recorded is a [`Profile`]. While none is on, an operation costs
//! one predictable branch more, and nothing is allocated. On or off, the numbers of the work are the same to the bit.
//!
//! ```
//! use forge_core::nn::{Activation, Init, Linear, Module, Sequential};
//! use forge_core::{optim::{Optimizer, Sgd}, profile::Profiler, Cx, DType, Device, Tensor};
//!
//! let init = Init::new(1);
//! let mut model = Sequential::new()
//!     .with("hidden", Linear::new(&init.within("hidden"), 8, 32)?)
//!     .with("relu", Activation::relu())
//!     .with("head", Linear::new(&init.within("head"), 32, 1)?);
//! let (x, y) = (Tensor::zeros(&[16, 8], DType::F32, &Device::cpu())?, Tensor::zeros(&[16, 1], DType::F32, &Device::cpu())?);
//! let mut sgd = Sgd::new(0.1);
//!
//! let profiler = Profiler::start()?;
//! for step in 0..10 {
//!     let cx = Cx::train(0, step);
//!     let grads = model.forward(&cx, &x)?.mse(&y)?.backward(cx)?;
//!     sgd.step(&mut model, &grads)?;
//! }
//! let profile = profiler.finish();
//!
//! let hidden = profile.rows.iter().find(|row| row.operation == "linear + relu").unwrap();
//! assert_eq!((hidden.layer.as_str(), hidden.forward.calls, hidden.backward.calls), ("hidden", 10, 10));
//! assert_eq!(hidden.forward.flops, 10.0 * 2.0 * 16.0 * 8.0 * 32.0); // two for each element of x Wᵀ, times 8
//! for row in profile.by_time().iter().take(3) {
//!     println!("{:12} {:16} {:.6} s  {:?} GFLOP/s", row.layer, row.operation, row.total().seconds, row.total().gflops());
//! }
//! println!("not in any row: {:.6} s of {:.6} s", profile.unexplained(), profile.seconds);
//! # Ok::<(), forge_core::Error>(())
//! ```
//!
//! Time is cut at the ends of operations: what passes between two of them belongs to the later one, and after the last of a
//! layer to the layer. An operation that is made of others which have rows of their own has none, unless it is one node of
//! the tape. The learner adds rows for all else it does, by [`ProfileRow::stage`].

mod memory;
mod recorder;
mod work;

pub(crate) use memory::{gave, took};
pub(crate) use work::{Call, Flops, bilinear, count};

use crate::history::Profile;
#[cfg(doc)]
use crate::history::ProfileRow;
use crate::{Error, Result, Tensor, ops};
use recorder::{Kind, Recorder};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use work::Work;

/// Whether a profiler is on, in any thread.
static ON: AtomicBool = AtomicBool::new(false);

thread_local!(static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) });

#[inline(always)]
pub(crate) fn is_on() -> bool {
    ON.load(Relaxed)
}

/// Calls `body` with the recorder of this thread, if it is the one that is profiled.
#[cold]
fn with<T>(body: impl FnOnce(&mut Recorder) -> T) -> Option<T> {
    RECORDER.try_with(|recorder| recorder.borrow_mut().as_mut().map(body)).ok().flatten()
}

/// Records what its thread does until it is [finished](Profiler::finish) or dropped. One at a time in a process: memory is
/// counted for all threads together.
///
/// ```
/// use forge_core::{profile::Profiler, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0], &[2])?;
/// let mut profiler = Profiler::start()?;
/// assert!(Profiler::start().is_err()); // one at a time
/// x.exp()?;
/// assert_eq!(profiler.lap().rows[0].operation, "exp");
/// x.tanh()?;
/// let rest = profiler.finish(); // since the lap
/// assert_eq!((rest.rows.len(), rest.rows[0].operation.as_str()), (1, "tanh"));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Profiler {
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

impl Profiler {
    /// Begins to record.
    ///
    /// # Errors
    /// When another profiler is on.
    pub fn start() -> Result<Self> {
        if ON.swap(true, Relaxed) {
            return Err(Error::other(
                "a profiler is on already, and memory is counted for the whole process; finish that one first",
            ));
        }
        memory::begin();
        RECORDER.set(Some(Recorder::new()));
        Ok(Profiler { _here: PhantomData })
    }

    /// What was recorded since the last call, or since the beginning; it goes on from here. Memory is still counted from
    /// where the profiler began.
    pub fn lap(&mut self) -> Profile {
        with(Recorder::take).unwrap_or_default()
    }

    /// Ends the recording, and gives what there is since the last [`Profiler::lap`].
    pub fn finish(mut self) -> Profile {
        self.lap()
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        RECORDER.set(None);
        ON.store(false, Relaxed);
    }
}

/// Leaves a stage, a layer or an operation when it is dropped.
///
/// ```
/// use forge_core::profile::{Profiler, Scope, stage};
/// let profiler = Profiler::start()?;
/// let outer: Scope = stage("report");
/// drop(stage("tables")); // within the other
/// drop(outer);
/// assert!(profiler.finish().rows.iter().any(|row| row.stage == "report/tables"));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[must_use = "it ends where it is dropped"]
pub struct Scope(Option<fn(&mut Recorder)>);

const OFF: Scope = Scope(None);

impl Drop for Scope {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(leave) = self.0 {
            with(leave);
        }
    }
}

/// Runs as the layer `name`.
#[inline(always)]
pub(crate) fn layer(name: &str) -> Scope {
    if is_on() { entered(Kind::Layer, name) } else { OFF }
}

/// Something beside the passes through layers, until what this gives is dropped: a row of its own, and stages, layers and
/// operations inside it have theirs below its name. The learner has `data`, `loss`, `gradients`, `optimizer`, `average`,
/// `validation`, `prediction`, `callbacks`, `checkpoint` and `events`.
///
/// ```
/// use forge_core::{profile::{Profiler, stage}, Tensor};
/// let profiler = Profiler::start()?;
/// {
///     let _stage = stage("metrics");
///     Tensor::new(&[1.0f32, 2.0], &[2])?.mean_all()?;
/// }
/// assert!(profiler.finish().rows.iter().any(|row| row.stage == "metrics" && row.operation == "sum"));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[inline(always)]
pub fn stage(name: &str) -> Scope {
    if is_on() { entered(Kind::Stage, name) } else { OFF }
}

#[cold]
fn entered(kind: Kind, name: &str) -> Scope {
    match with(|recorder| recorder.enter(kind, name)) {
        Some(true) => Scope(Some(Recorder::leave)),
        _ => OFF,
    }
}

/// An operation that runs others on its way to its results, which are then part of it. It is counted when it is
/// [done](done). `fused` is what it does in the same pass over memory, if anything.
#[inline(always)]
pub(crate) fn operation(name: &'static str, fused: Option<&'static str>) -> Scope {
    if !is_on() {
        return OFF;
    }
    match with(|recorder| recorder.begin(name, fused.unwrap_or_default())) {
        Some(()) => Scope(Some(Recorder::end)),
        None => OFF,
    }
}

/// The operation under way computes this many elements, of which its results keep fewer.
#[inline(always)]
pub(crate) fn computes(shape: &[usize]) {
    if is_on() {
        with(|recorder| recorder.computes(count(shape)));
    }
}

/// Counts an operation that has its results, and gives the number to call [`derived`] with; 0 while nothing is recorded.
/// What goes on a tape is counted there.
#[inline(always)]
pub(crate) fn done(name: &'static str, operands: &[&Tensor], results: &[Tensor]) -> u32 {
    if is_on() { counted(name, operands, results) } else { 0 }
}

#[cold]
fn counted(name: &'static str, operands: &[&Tensor], results: &[Tensor]) -> u32 {
    let entry = with(|recorder| {
        recorder.counts(name).then(|| {
            let [forward, backward] =
                Call { operands, results, computed: recorder.computed() }.work(ops::flops(name));
            recorder.done(name, forward, backward)
        })
    });
    entry.flatten().unwrap_or(0)
}

/// The derivatives of a tape, one after the other; each is [counted](derived).
#[inline(always)]
pub(crate) fn backward() -> Scope {
    if !is_on() {
        return OFF;
    }
    match with(Recorder::begin_backward) {
        Some(()) => Scope(Some(Recorder::end)),
        None => OFF,
    }
}

/// Counts a derivative that has run.
#[inline(always)]
pub(crate) fn derived(entry: u32) {
    if is_on() {
        with(|recorder| recorder.derived(entry));
    }
}
