//! The tape: an arena of nodes in order of creation, which is a topological order, so backward is one loop.

use super::{Cx, Grads, ParamId};
use crate::layout::Layout;
use crate::{Error, ErrorKind, Result, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The derivative of one recorded operation, with what it kept of its forward.
///
/// Kept tensors must be untracked ([`Tensor::detach`]).
pub trait Backward: Send + Sync {
    /// Sends the gradients of the operands, given those of the results.
    fn backward(self: Box<Self>, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()>;
}

/// Gradients that arrive at the results of an operation.
pub struct Incoming<'a>(&'a mut [Option<Tensor>]);

impl Incoming<'_> {
    /// The gradient of result `i`, if anything depends on it.
    pub fn take(&mut self, i: usize) -> Option<Tensor> {
        self.0[i].take()
    }

    /// The gradient of the only result.
    pub fn one(mut self) -> Result<Tensor> {
        self.take(0).ok_or_else(|| Error::other("backward was called without a gradient"))
    }
}

/// Where the gradients of an operation's operands go.
pub struct Outgoing<'a> {
    operands: &'a [Option<u32>],
    slots: &'a mut [Option<Tensor>],
}

impl Outgoing<'_> {
    /// Whether operand `i` wants a gradient.
    pub fn wants(&self, i: usize) -> bool {
        self.operands[i].is_some()
    }

    /// Adds a gradient to what operand `i` has received.
    pub fn send(&mut self, i: usize, gradient: Tensor) -> Result<()> {
        let Some(slot) = self.operands[i] else { return Ok(()) };
        accumulate(&mut self.slots[slot as usize], gradient)
    }
}

/// Adds a gradient to a sum: in place only where nobody else holds it.
pub(super) fn accumulate(sum: &mut Option<Tensor>, gradient: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        None => gradient,
        Some(mut sum) => match sum.memory_mut() {
            Some((memory, device)) => {
                let all = Layout::contiguous(*gradient.dims());
                device.accumulate(gradient.arg(), memory, &all)?;
                sum
            }
            None => (&sum + &gradient)?,
        },
    });
    Ok(())
}

struct Node {
    operands: Box<[Option<u32>]>,
    first_result: u32,
    results: u32,
    backward: Box<dyn Backward>,
}

#[derive(Default)]
struct Arena {
    nodes: Vec<Node>,
    /// Number of tracked values so far: leaves and results.
    values: u32,
    params: Vec<(ParamId, u32)>,
    /// New values of buffers, in the order in which they were asked for.
    updates: Vec<(ParamId, Tensor)>,
    consumed: bool,
}

/// The record of one forward pass.
#[derive(Default)]
pub(crate) struct Tape(Mutex<Arena>);

/// A tracked value: its tape and its number there.
#[derive(Clone)]
pub(crate) struct Track {
    tape: Arc<Tape>,
    value: u32,
}

impl Track {
    pub fn is_of(&self, tape: &Arc<Tape>) -> bool {
        Arc::ptr_eq(&self.tape, tape)
    }

    pub fn value(&self) -> u32 {
        self.value
    }
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Arena> {
        // A poisoned arena is still whole: nodes are pushed last.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value without history that gradients are wanted for.
    pub fn leaf(self: &Arc<Self>) -> Track {
        let mut arena = self.lock();
        arena.values += 1;
        Track { tape: self.clone(), value: arena.values - 1 }
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
    pub fn param(self: &Arc<Self>, id: ParamId) -> Track {
        let mut arena = self.lock();
        let known = arena.params.iter().find(|(p, _)| *p == id).map(|(_, value)| *value);
        let value = known.unwrap_or_else(|| {
            let value = arena.values;
            arena.values += 1;
            arena.params.push((id, value));
            value
        });
        Track { tape: self.clone(), value }
    }
}

/// Puts an operation on the tape of its operands, if any of them has one, and gives its results back tracked.
///
/// `backward` is called only if needed, with which operands want gradients, so that nothing is kept in vain.
pub(crate) fn record<const N: usize>(
    op: &'static str,
    operands: &[&Tensor],
    mut results: [Tensor; N],
    backward: impl FnOnce(&dyn Fn(usize) -> bool) -> Box<dyn Backward>,
) -> Result<[Tensor; N]> {
    record_all(op, operands, &mut results, backward)?;
    Ok(results)
}

/// As [`record`], of any number of results, which become tracked.
pub(crate) fn record_all(
    op: &'static str,
    operands: &[&Tensor],
    results: &mut [Tensor],
    backward: impl FnOnce(&dyn Fn(usize) -> bool) -> Box<dyn Backward>,
) -> Result<()> {
    let mut tape: Option<&Arc<Tape>> = None;
    for track in operands.iter().filter_map(|t| t.track()) {
        match tape {
            Some(known) if !Arc::ptr_eq(known, &track.tape) => return Err(ErrorKind::TwoTapes { op }.into()),
            _ => tape = Some(&track.tape),
        }
    }
    let Some(tape) = tape else { return Ok(()) };
    let operand_values: Box<[Option<u32>]> = operands.iter().map(|t| t.track().map(Track::value)).collect();
    let backward = backward(&|i| operand_values[i].is_some());
    let mut arena = tape.lock();
    if arena.consumed {
        return Err(ErrorKind::TapeConsumed { op }.into());
    }
    let first_result = arena.values;
    let count = results.len() as u32;
    arena.values += count;
    arena.nodes.push(Node { operands: operand_values, first_result, results: count, backward });
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
        if !Arc::ptr_eq(&tape, &track.tape) {
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
        let (mut nodes, params) = (std::mem::take(&mut arena.nodes), std::mem::take(&mut arena.params));
        let updates = std::mem::take(&mut arena.updates);
        let mut slots: Vec<Option<Tensor>> = vec![None; arena.values as usize];
        drop(arena);
        slots[track.value as usize] = Some(seed);
        while let Some(node) = nodes.pop() {
            // Results come after operands, so the two halves do not overlap.
            let (before, results) = slots.split_at_mut(node.first_result as usize);
            let results = &mut results[..node.results as usize];
            if results.iter().any(Option::is_some) {
                let mut outgoing = Outgoing { operands: &node.operands, slots: before };
                node.backward.backward(Incoming(results), &mut outgoing)?;
                results.fill(None);
            }
        }
        Ok(Grads::new(tape, slots, params, updates))
    }
}
