use super::Param;
use super::tape::Tape;
use crate::backend::Shared;
use crate::rng::Stream;
use crate::{Error, Result, Tensor};
use std::cell::{Cell, RefCell};
use std::fmt::Write;

/// What a forward pass is for.
///
/// ```
/// use forge_core::{Cx, Mode, Tensor, nn::{Dropout, Module}};
/// let x = Tensor::new(&[1.0f32; 100], &[100])?;
/// let dropped = |cx: &Cx| Dropout::new(0.5)?.forward(cx, &x)?.eq(&x.mul_scalar(0.0)?)?.sum_all()?.item();
/// assert_eq!((Cx::infer().mode(), dropped(&Cx::infer())?), (Mode::Infer, 0.0));
/// assert!(Cx::train(0, 0).mode() == Mode::Train && dropped(&Cx::train(0, 0))? > 20.0);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Training: values are tracked, dropout drops.
    Train,
    /// Inference: nothing is recorded.
    Infer,
}

/// The context of one forward pass: its tape, its mode, its random streams, and the path of the layer that runs.
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, Cx, Tensor};
/// let layer = Linear::new(&Init::new(1), 2, 1)?;
/// let x = Tensor::new(&[1.0f32, 2.0], &[1, 2])?;
/// assert!(layer.forward(&Cx::train(1, 0), &x)?.is_tracked());
/// assert!(!layer.forward(&Cx::infer(), &x)?.is_tracked());
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{Cx, Mode, Param, Tensor};
/// let (weight, mean) = (Param::new(Tensor::new(&[2.0f64], &[1])?), Param::buffer(Tensor::new(&[0.0f64], &[1])?));
/// let cx = Cx::train(7, 3);
/// let x = cx.track(&Tensor::new(&[5.0f64], &[1])?)?;
/// let y = cx.within("scale", |cx| {
///     cx.update(&mean, &x)?; // the optimizer's step will write it; this pass sees it already
///     &x * cx.param(&weight) + cx.param(&mean)
/// })?;
/// let (one, other) = (cx.stream(), cx.stream());
/// assert_ne!(one.uniform(0), other.uniform(0)); // each draw has a stream of its own,
/// assert_eq!(one, Cx::train(7, 3).stream()); // the same in every run of this step,
/// assert_ne!(one, Cx::train(7, 3).part(1).stream()); // another in the next micro-batch of it.
/// assert_eq!((cx.mode(), Cx::infer().mode()), (Mode::Train, Mode::Infer));
/// assert_eq!(y.to_vec::<f64>()?, [15.0]);
/// let grads = y.sum_all()?.backward(cx)?;
/// assert_eq!(grads.of(&weight).unwrap().to_vec::<f64>()?, [5.0]);
/// assert_eq!(grads.wrt(&x).unwrap().to_vec::<f64>()?, [2.0]);
/// assert_eq!(grads.update_of(&mean).unwrap().to_vec::<f64>()?, [5.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Cx {
    tape: Option<Shared<Tape>>,
    seed: u64,
    step: u64,
    part: usize,
    path: RefCell<String>,
    calls: Cell<u32>,
}

impl Cx {
    /// A training pass. Its random numbers are a function of seed, step and layer path.
    pub fn train(seed: u64, step: u64) -> Self {
        let tape = Tape::start();
        let (path, calls) = (RefCell::new(tape.path()), Cell::new(0));
        Cx { tape: Some(tape), seed, step, part: 0, path, calls }
    }

    /// The pass of micro-batch `part` (from 0) of a step, in gradient accumulation: each draws random numbers of its own,
    /// the first the same as a step without parts.
    pub fn part(mut self, part: usize) -> Self {
        self.part = part;
        self
    }

    /// A pass that records nothing and frees activations as it goes.
    pub fn infer() -> Self {
        Cx { tape: None, seed: 0, step: 0, part: 0, path: RefCell::default(), calls: Cell::new(0) }
    }

    /// Training or inference.
    pub fn mode(&self) -> Mode {
        if self.tape.is_some() { Mode::Train } else { Mode::Infer }
    }

    /// The value of a parameter in this pass: the only way from a weight to a tensor. Of a buffer, the value that this pass
    /// last [asked for](Cx::update), so that a layer that runs twice counts twice.
    pub fn param(&self, param: &Param) -> Tensor {
        let pending =
            self.tape.as_ref().filter(|_| param.is_buffer()).and_then(|tape| tape.updated(param.id()));
        if let Some(value) = pending {
            return value;
        }
        let track =
            self.tape.as_ref().filter(|_| !param.is_frozen()).map(|tape| Tape::param(tape, param.id()));
        param.value().clone().with_track(track)
    }

    /// Asks for a new value of a buffer: the optimizer's step writes it, after the pass that computed it. In inference
    /// nothing is asked for.
    ///
    /// # Errors
    /// When the parameter is not a buffer, or the value's shape is another.
    pub fn update(&self, buffer: &Param, value: &Tensor) -> Result<()> {
        if !buffer.is_buffer() || buffer.shape() != value.shape() {
            return Err(Error::argument(
                "update",
                format!(
                    "a value of {:?} for {} of {:?}; only a buffer of the same shape can be updated in a forward pass",
                    value.shape(),
                    if buffer.is_buffer() { "a buffer" } else { "a weight" },
                    buffer.shape()
                ),
            ));
        }
        if let Some(tape) = &self.tape {
            tape.update(buffer.id(), value.detach());
        }
        Ok(())
    }

    /// Makes an input a leaf, so that [`Grads::wrt`](super::Grads::wrt) has its gradient.
    ///
    /// ```
    /// use forge_core::{Cx, Tensor};
    /// let cx = Cx::train(0, 0);
    /// let x = cx.track(&Tensor::new(&[3.0f64], &[1])?)?;
    /// let square = (&x * &x)?;
    /// assert!(square.is_tracked() && !square.detach().is_tracked());
    /// // Half of the product is a constant to the tape: the derivative is x, not 2 x.
    /// assert_eq!((&x * x.detach())?.sum_all()?.backward(cx)?.wrt(&x).unwrap().item()?, 3.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the context does not record, or the input is tracked or holds integers.
    pub fn track(&self, input: &Tensor) -> Result<Tensor> {
        let Some(tape) = &self.tape else {
            return Err(Error::argument("track", "a context made by `Cx::infer()` records nothing"));
        };
        if input.is_tracked() || !input.dtype().is_float() {
            return Err(Error::argument(
                "track",
                format!("{input:?} cannot become a leaf; it must be float and untracked"),
            ));
        }
        Ok(input.clone().with_track(Some(Tape::leaf(tape))))
    }

    /// Runs `body` as the layer `name`: its errors and random streams carry the name.
    ///
    /// # Errors
    /// Those of `body`, with `name` before their path.
    pub fn within<T>(&self, name: &str, body: impl FnOnce(&Cx) -> Result<T>) -> Result<T> {
        let before = {
            let mut path = self.path.borrow_mut();
            let before = path.len();
            if before > 0 {
                path.push('.');
            }
            path.push_str(name);
            before
        };
        let result = body(self).map_err(|e| e.within(name));
        self.path.borrow_mut().truncate(before);
        result
    }

    /// The random stream of the next draw in this layer.
    pub fn stream(&self) -> Stream {
        let call = self.calls.replace(self.calls.get() + 1);
        // Written at the end of the path, which has room for it, and taken off again.
        let mut path = self.path.borrow_mut();
        let layer = path.len();
        let written = match self.part {
            0 => write!(path, "#{call}"),
            part => write!(path, "#{call}/{part}"),
        };
        debug_assert!(written.is_ok(), "a text takes any number");
        let stream = Stream::new(self.seed, &path).at(self.step);
        path.truncate(layer);
        stream
    }

    pub(super) fn into_tape(mut self) -> Option<Shared<Tape>> {
        let tape = self.tape.take()?;
        self.give_back(&tape);
        Some(tape)
    }

    /// The room of the path, for a later pass.
    fn give_back(&mut self, tape: &Tape) {
        tape.keep_path(std::mem::take(self.path.get_mut()));
    }
}

impl Drop for Cx {
    fn drop(&mut self) {
        if let Some(tape) = self.tape.take() {
            self.give_back(&tape);
        }
    }
}
