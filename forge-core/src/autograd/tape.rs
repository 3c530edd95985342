//! The tape: an arena of nodes in order of creation, which is a topological order, so backward is one loop.
//!
//! What one pass used serves the next: a node keeps the box of its derivative when backward has taken it out, and the
//! lists keep their room. A steady training step so asks the system for nothing.

use super::{Cx, Grads, ParamId};
use crate::backend::{Pooled, Rooms, Shared, Unique};
use crate::layout::Layout;
use crate::{Error, ErrorKind, Result, Tensor, profile};
use std::any::Any;
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::LocalKey;

/// The derivative of one recorded operation, with what it kept of its forward.
///
/// Kept tensors must be untracked ([`Tensor::detach`]).
///
/// Outside code puts an operation of its own on the tape by [`ops::custom`](crate::ops::custom).
///
/// ```
/// use forge_core::{Backward, Cx, Incoming, Outgoing, Result, Tensor, ops};
///
/// /// y = x³, kept: x. The derivative is 3 x².
/// struct Cube(Tensor);
///
/// impl Backward for Cube {
///     fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
///         let g = incoming.one()?; // of a second result it would be `incoming.take(1)`
///         if outgoing.wants(0) {
///             outgoing.send(0, (g * self.0.square()?)?.mul_scalar(3.0)?)?;
///         }
///         Ok(())
///     }
/// }
///
/// let cx = Cx::train(0, 0);
/// let x = cx.track(&Tensor::new(&[1.0f64, -2.0], &[2])?)?;
/// let y = ops::custom("cube", &[&x], |x| x[0].square()? * &x[0], |x, _| Cube(x[0].clone()))?;
/// assert_eq!(y.to_vec::<f64>()?, [1.0, -8.0]);
/// assert_eq!(y.sum_all()?.backward(cx)?.wrt(&x).unwrap().to_vec::<f64>()?, [3.0, 12.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Backward: Send + Sync + Sized + 'static {
    /// Sends the gradients of the operands, given those of the results.
    ///
    /// # Errors
    /// When an operation on the gradients fails; the message then names the layer.
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()>;
}

/// Gradients that arrive at the results of an operation.
///
/// See [`Backward`].
pub struct Incoming<'a>(&'a mut [Option<Tensor>]);

impl Incoming<'_> {
    /// The gradient of result `i`, if anything depends on it.
    ///
    /// See [`Backward`].
    pub fn take(&mut self, i: usize) -> Option<Tensor> {
        self.0[i].take()
    }

    /// Sends the gradient of result `i` on to operand `to` as it is.
    #[inline]
    pub(crate) fn pass(&mut self, i: usize, outgoing: &mut Outgoing<'_>, to: usize) -> Result<()> {
        let slot = match outgoing.operands[to] {
            UNTRACKED => return Ok(()),
            slot => &mut outgoing.slots[slot as usize],
        };
        match slot {
            None => *slot = self.0[i].take(),
            Some(_) => self.0[i].take().map_or(Ok(()), |gradient| accumulate(slot, gradient))?,
        }
        Ok(())
    }

    /// The gradient of the only result.
    ///
    /// See [`Backward`].
    ///
    /// # Errors
    /// When no gradient has arrived.
    #[inline]
    pub fn one(mut self) -> Result<Tensor> {
        self.take(0).ok_or_else(|| Error::other("backward was called without a gradient"))
    }
}

/// In a list of value numbers: an operand without one.
const UNTRACKED: u32 = u32::MAX;

/// Where the gradients of an operation's operands go.
///
/// See [`Backward`].
pub struct Outgoing<'a> {
    operands: &'a [u32],
    slots: &'a mut [Option<Tensor>],
}

impl Outgoing<'_> {
    /// Whether operand `i` wants a gradient.
    ///
    /// See [`Backward`].
    pub fn wants(&self, i: usize) -> bool {
        self.operands[i] != UNTRACKED
    }

    /// Adds a gradient to what operand `i` has received.
    ///
    /// Of the operand's shape. See [`Backward`].
    ///
    /// # Errors
    /// When the device fails, or an earlier gradient of the operand has another shape.
    #[inline]
    pub fn send(&mut self, i: usize, gradient: Tensor) -> Result<()> {
        match self.operands[i] {
            UNTRACKED => Ok(()),
            slot => accumulate(&mut self.slots[slot as usize], gradient),
        }
    }
}

/// Adds a gradient to a sum: in place only where nobody else holds it.
#[inline]
pub(super) fn accumulate(sum: &mut Option<Tensor>, gradient: Tensor) -> Result<()> {
    match sum {
        None => *sum = Some(gradient),
        Some(sum) => match sum.memory_mut() {
            Some((memory, device)) => {
                let all = Layout::contiguous(*gradient.dims());
                device.accumulate(gradient.arg(), memory, &all)?;
            }
            None => *sum = (&*sum + &gradient)?,
        },
    }
    Ok(())
}

/// A derivative of any type, in a box that can be filled again.
trait Step: Send + Sync {
    /// Takes the derivative out and runs it.
    fn run(&mut self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()>;
    /// Lets go of what is kept.
    fn clear(&mut self);
    /// For [`Arena::push`] to see whether a derivative fits.
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<B: Backward> Step for Option<B> {
    fn run(&mut self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        self.take().map_or(Ok(()), |backward| backward.backward(incoming, outgoing))
    }

    fn clear(&mut self) {
        *self = None;
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

struct Node {
    /// Where its operands begin in the arena's list; they end where those of the next node begin.
    first_operand: u32,
    first_result: u32,
    results: u32,
    /// Of a recorded operation, its number in the profile.
    profiled: u32,
    step: Box<dyn Step>,
}

/// A pass in which more nodes were recorded gives its memory back to the system.
const KEPT_NODES: usize = 1 << 14;
/// Arenas that a thread keeps for its next passes.
const KEPT_ARENAS: usize = 4;

#[derive(Default)]
pub(super) struct Arena {
    /// The first `used` are of this pass; what comes after are empty boxes of the last.
    nodes: Vec<Node>,
    used: usize,
    operands: Vec<u32>,
    /// Number of tracked values so far: leaves and results.
    values: u32,
    pub(super) params: Vec<(ParamId, u32)>,
    /// New values of buffers, in the order in which they were asked for.
    pub(super) updates: Vec<(ParamId, Tensor)>,
    /// Room for the gradients of backward.
    pub(super) slots: Vec<Option<Tensor>>,
    /// Room for the path of the layer that runs.
    path: String,
    consumed: bool,
}

impl Arena {
    /// Adds a node whose operands are listed already.
    fn push<B: Backward>(&mut self, first_operand: u32, results: u32, profiled: u32, backward: B) {
        let first_result = self.values;
        self.values += results;
        match self.nodes.get_mut(self.used) {
            Some(node) => {
                (node.first_operand, node.first_result, node.results, node.profiled) =
                    (first_operand, first_result, results, profiled);
                match node.step.as_any().downcast_mut::<Option<B>>() {
                    Some(step) => *step = Some(backward),
                    None => node.step = Box::new(Some(backward)),
                }
            }
            None => {
                let step = Box::new(Some(backward));
                self.nodes.push(Node { first_operand, first_result, results, profiled, step });
            }
        }
        self.used += 1;
    }

    /// Lets go of all that the pass kept, last first, and keeps the room.
    fn clear(&mut self) {
        for node in self.nodes[..self.used].iter_mut().rev() {
            node.step.clear();
        }
        self.operands.clear();
        self.params.clear();
        self.updates.clear();
        self.slots.clear();
        self.path.clear();
        (self.used, self.values, self.consumed) = (0, 0, false);
    }

    /// The derivatives from the last to the first, each run if a gradient has arrived at a result of it.
    fn run(&mut self) -> Result<()> {
        let _backward = profile::backward();
        while let Some(last) = self.used.checked_sub(1) {
            self.used = last;
            let node = &mut self.nodes[last];
            // Results come after operands, so the two halves do not overlap.
            let (before, results) = self.slots.split_at_mut(node.first_result as usize);
            let results = &mut results[..node.results as usize];
            if results.iter().any(Option::is_some) {
                let operands = &self.operands[node.first_operand as usize..];
                node.step.run(Incoming(&mut *results), &mut Outgoing { operands, slots: before })?;
                results.iter_mut().for_each(|result| *result = None);
                profile::derived(node.profiled);
            } else {
                node.step.clear();
            }
            self.operands.truncate(node.first_operand as usize);
        }
        Ok(())
    }
}

/// The record of one forward pass.
pub(crate) struct Tape(Mutex<Arena>);

thread_local! {
    static TAPES: Rooms<Tape> = const { RefCell::new(Vec::new()) };
    static ARENAS: RefCell<Vec<Arena>> = const { RefCell::new(Vec::new()) };
}

impl Pooled for Tape {
    const ROOMS: &'static LocalKey<Rooms<Self>> = &TAPES;
}

impl Drop for Tape {
    fn drop(&mut self) {
        let mut arena = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        arena.clear();
        if arena.nodes.len() <= KEPT_NODES && arena.slots.capacity() <= 4 * KEPT_NODES {
            // A thread that ends keeps nothing.
            let _ = ARENAS.try_with(|arenas| {
                let mut arenas = arenas.borrow_mut();
                if arenas.len() < KEPT_ARENAS {
                    arenas.push(arena);
                }
            });
        }
    }
}

/// A tracked value: its tape and its number there.
#[derive(Clone)]
pub(crate) struct Track {
    tape: Shared<Tape>,
    value: u32,
}

impl Track {
    pub fn is_of(&self, tape: &Shared<Tape>) -> bool {
        Shared::same(&self.tape, tape)
    }

    pub fn value(&self) -> u32 {
        self.value
    }
}

impl Tape {
    /// An empty tape.
    pub fn start() -> Shared<Self> {
        let arena = ARENAS.try_with(|arenas| arenas.borrow_mut().pop()).ok().flatten();
        Unique::new(Tape(Mutex::new(arena.unwrap_or_default()))).share()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Arena> {
        // A poisoned arena is still whole: nodes are pushed last.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty text with room for a path; [`Tape::keep_path`] takes it back.
    pub fn path(&self) -> String {
        std::mem::take(&mut self.lock().path)
    }

    /// Keeps the room of a path for a later pass.
    pub fn keep_path(&self, path: String) {
        self.lock().path = path;
    }

    /// A value without history that gradients are wanted for.
    pub fn leaf(tape: &Shared<Self>) -> Track {
        let mut arena = tape.lock();
        arena.values += 1;
        Track { tape: tape.clone(), value: arena.values - 1 }
    }

    /// Notes a new value of a buffer.
    pub fn update(&self, id: ParamId, value: Tensor) {
        self.lock().updates.push((id, value));
    }

    /// The new value of a buffer that was noted last.
    pub fn updated(&self, id: ParamId) -> Option<Tensor> {
        self.lock().updates.iter().rev().find(|(of, _)| *of == id).map(|(_, value)| value.clone())
    }

    /// The leaf of a parameter: the same one each time, so that a weight used twice has one gradient.
    pub fn param(tape: &Shared<Self>, id: ParamId) -> Track {
        let mut arena = tape.lock();
        let known = arena.params.iter().find(|(p, _)| *p == id).map(|(_, value)| *value);
        let value = known.unwrap_or_else(|| {
            let value = arena.values;
            arena.values += 1;
            arena.params.push((id, value));
            value
        });
        Track { tape: tape.clone(), value }
    }
}

/// Puts an operation on the tape of its operands, if any of them has one, and gives its results back tracked.
///
/// `backward` is called only if needed, with which operands want gradients, so that nothing is kept in vain.
pub(crate) fn record<B: Backward, const N: usize>(
    op: &'static str,
    operands: &[&Tensor],
    mut results: [Tensor; N],
    backward: impl FnOnce(&dyn Fn(usize) -> bool) -> B,
) -> Result<[Tensor; N]> {
    record_all(op, operands, &mut results, backward)?;
    Ok(results)
}

/// As [`record`], of any number of results, which become tracked.
pub(crate) fn record_all<B: Backward>(
    op: &'static str,
    operands: &[&Tensor],
    results: &mut [Tensor],
    backward: impl FnOnce(&dyn Fn(usize) -> bool) -> B,
) -> Result<()> {
    let profiled = profile::done(op, operands, results);
    let mut tape: Option<&Shared<Tape>> = None;
    for track in operands.iter().filter_map(|t| t.track()) {
        match tape {
            Some(known) if !track.is_of(known) => return Err(ErrorKind::TwoTapes { op }.into()),
            _ => tape = Some(&track.tape),
        }
    }
    let Some(tape) = tape else { return Ok(()) };
    let backward = backward(&|i| operands.get(i).is_some_and(|t| t.is_tracked()));
    let mut arena = tape.lock();
    if arena.consumed {
        return Err(ErrorKind::TapeConsumed { op }.into());
    }
    let (first_operand, first_result) = (arena.operands.len() as u32, arena.values);
    arena.operands.extend(operands.iter().map(|t| t.track().map_or(UNTRACKED, Track::value)));
    arena.push(first_operand, results.len() as u32, profiled, backward);
    drop(arena);
    for (value, result) in (first_result..).zip(results) {
        result.set_track(Track { tape: tape.clone(), value });
    }
    Ok(())
}

impl Tensor {
    /// Gradients of this one number with respect to every parameter and tracked input it depends on.
    ///
    /// Consumes the context with its tape; activations are freed as the loop passes them.
    ///
    /// # Errors
    /// When the tensor is not one number, when no parameter reaches it (nothing would be learnt), or when it belongs to
    /// another context. There are no second-order gradients.
    ///
    /// ```
    /// use forge_core::{Cx, Tensor};
    /// let cx = Cx::train(0, 0);
    /// let x = cx.track(&Tensor::new(&[3.0f64], &[1])?)?;
    /// let grads = (&x * &x)?.sum_all()?.backward(cx)?;
    /// assert_eq!(grads.wrt(&x).unwrap().to_vec::<f64>()?, [6.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    pub fn backward(&self, cx: Cx) -> Result<Grads> {
        if self.count() != 1 {
            return Err(Error::shape(
                "backward",
                format!("the loss must be one number, not {:?}; reduce it with `.mean_all()`", self.shape()),
            ));
        }
        self.backward_from(Tensor::full(1.0, self.shape(), self.dtype(), self.device())?, cx)
    }

    /// The product of `seed` (a gradient of this tensor's shape) with the Jacobian: what [`Tensor::backward`] is for
    /// a seed of one.
    ///
    /// ```
    /// use forge_core::{Cx, Tensor};
    /// let cx = Cx::train(0, 0);
    /// let x = cx.track(&Tensor::new(&[1.0f64, 2.0], &[2])?)?;
    /// let grads = (&x * &x)?.backward_from(Tensor::new(&[10.0f64, 1.0], &[2])?, cx)?;
    /// assert_eq!(grads.wrt(&x).unwrap().to_vec::<f64>()?, [20.0, 4.0]); // seed · 2 x
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the seed's shape is not this tensor's, and as [`Tensor::backward`].
    pub fn backward_from(&self, seed: Tensor, cx: Cx) -> Result<Grads> {
        let not_tracked = |message: &str| Error::from(ErrorKind::NotTracked { message: message.into() });
        let Some(tape) = cx.into_tape() else {
            return Err(not_tracked(
                "the context was made by `Cx::infer()`, which records nothing; use `Cx::train(seed, step)`",
            ));
        };
        let Some(track) = self.track() else {
            return Err(not_tracked(
                "this value depends on no parameter, so nothing would be learnt; take weights through `cx.param(...)`",
            ));
        };
        if !track.is_of(&tape) {
            return Err(not_tracked("this value was computed with another context"));
        }
        if seed.shape() != self.shape() {
            return Err(Error::shape(
                "backward",
                format!("a seed of {:?} for {:?}", seed.shape(), self.shape()),
            ));
        }
        let mut arena = tape.lock();
        if std::mem::replace(&mut arena.consumed, true) {
            return Err(ErrorKind::TapeConsumed { op: "backward" }.into());
        }
        // Out of the lock, which derivatives must be free to take.
        let mut pass = std::mem::take(&mut *arena);
        arena.consumed = true;
        drop(arena);
        pass.slots.resize_with(pass.values as usize, || None);
        pass.slots[track.value as usize] = Some(seed);
        pass.run()?;
        let grads = Grads::new(
            tape.clone(),
            std::mem::take(&mut pass.slots),
            std::mem::take(&mut pass.params),
            std::mem::take(&mut pass.updates),
        );
        pass.consumed = true;
        *tape.lock() = pass;
        Ok(grads)
    }
}
