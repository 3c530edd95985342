//! Recurrent layers over a sequence.

use super::Saved;
use crate::{Result, Tensor};
use std::sync::Arc;

/// The operands of an LSTM over a sequence, all untracked.
///
/// Gates are in PyTorch's order: input, forget, cell, output.
///
/// See [`Rnn`].
#[derive(Clone, Debug)]
pub struct LstmArgs {
    /// `[batch, time, features]`
    pub x: Tensor,
    /// `[batch, hidden]`
    pub h0: Tensor,
    /// `[batch, hidden]`
    pub c0: Tensor,
    /// `[4 hidden, features]`
    pub w_ih: Tensor,
    /// `[4 hidden, hidden]`
    pub w_hh: Tensor,
    /// `[4 hidden]`
    pub b_ih: Tensor,
    /// `[4 hidden]`
    pub b_hh: Tensor,
    /// The number of time steps of each sample, 0 to time; all of them where it is `None`.
    pub lengths: Option<Arc<[usize]>>,
    /// Whether the sequence is taken from its last step to its first; outputs stay at the steps of their inputs.
    pub reverse: bool,
}

/// The results of an LSTM over a sequence, or the gradients that arrive at them.
///
/// See [`Rnn`].
#[derive(Clone, Debug)]
pub struct LstmOut<T = Tensor> {
    /// `[batch, time, hidden]`, 0 after the end of a sample.
    pub y: T,
    /// `[batch, hidden]`, the hidden state after the last step that was taken.
    pub h_n: T,
    /// `[batch, hidden]`, the cell state after the last step that was taken.
    pub c_n: T,
}

/// The operands of a GRU over a sequence, all untracked.
///
/// Gates are in PyTorch's order: reset, update, new.
///
/// See [`Rnn`].
#[derive(Clone, Debug)]
pub struct GruArgs {
    /// `[batch, time, features]`
    pub x: Tensor,
    /// `[batch, hidden]`
    pub h0: Tensor,
    /// `[3 hidden, features]`
    pub w_ih: Tensor,
    /// `[3 hidden, hidden]`
    pub w_hh: Tensor,
    /// `[3 hidden]`
    pub b_ih: Tensor,
    /// `[3 hidden]`; the new gate's part stands inside the product with the reset gate.
    pub b_hh: Tensor,
    /// The number of time steps of each sample, 0 to time; all of them where it is `None`.
    pub lengths: Option<Arc<[usize]>>,
    /// Whether the sequence is taken from its last step to its first; outputs stay at the steps of their inputs.
    pub reverse: bool,
}

/// The results of a GRU over a sequence, or the gradients that arrive at them.
///
/// See [`Rnn`].
#[derive(Clone, Debug)]
pub struct GruOut<T = Tensor> {
    /// `[batch, time, hidden]`, 0 after the end of a sample.
    pub y: T,
    /// `[batch, hidden]`, the state after the last step that was taken.
    pub h_n: T,
}

/// Recurrent layers over a whole sequence: one node of the tape each.
///
/// A sample's steps after its length are not taken: whatever `x` holds there (NaN, too) reaches no result and no
/// gradient. In reverse, a sample starts at its own last step. A fast backend may leave cases to
/// [`Composed`](crate::backend::Composed), such as lengths, if it does so forward and backward alike.
///
/// ```
/// use forge_core::{backend::{GruArgs, GruOut, LstmArgs, LstmOut}, Device, Tensor};
/// let device = Device::cpu();
/// let full = |value: f64, shape: &[usize]| Tensor::full(value, shape, forge_core::DType::F64, &device);
/// // Without weights every gate is σ(0) = ½ and every candidate tanh 0 = 0: the LSTM's cell and the GRU's state are halved.
/// let (x, w_ih, w_hh) = (full(9.0, &[1, 2, 1])?, full(0.0, &[4, 1])?, full(0.0, &[4, 1])?);
/// let (h0, c0, b) = (full(0.0, &[1, 1])?, full(8.0, &[1, 1])?, full(0.0, &[4])?);
/// let args = LstmArgs { x: x.clone(), h0, c0, w_ih, w_hh, b_ih: b.clone(), b_hh: b, lengths: None, reverse: false };
/// let (LstmOut { y, c_n, .. }, saved) = device.rnn().lstm(&args, true)?;
/// assert_eq!((y.shape(), c_n.item()?), (&[1, 2, 1][..], 2.0)); // halved twice
/// let arrive = LstmOut { y: None, h_n: None, c_n: Some(full(1.0, &[1, 1])?) };
/// let needs = [false, false, true, false, false, false, false];
/// let [_, _, c0, ..] = device.rnn().lstm_backward(&args, saved.unwrap(), arrive, &needs)?;
/// assert_eq!(c0.unwrap().item()?, 0.25);
///
/// let (w, b) = (full(0.0, &[3, 1])?, full(0.0, &[3])?);
/// let args = GruArgs { x, h0: full(8.0, &[1, 1])?, w_ih: w.clone(), w_hh: w, b_ih: b.clone(), b_hh: b,
///     lengths: Some([1].into()), reverse: false };
/// let (GruOut { y, h_n }, saved) = device.rnn().gru(&args, true)?;
/// assert_eq!((y.to_vec::<f64>()?, h_n.item()?), (vec![4.0, 0.0], 4.0)); // the sample has one step
/// let arrive = GruOut { y: None, h_n: Some(full(1.0, &[1, 1])?) };
/// let [_, h0, ..] = device.rnn().gru_backward(&args, saved.unwrap(), arrive, &[false, true, false, false, false, false])?;
/// assert_eq!(h0.unwrap().item()?, 0.5);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails, or `saved` is another family's. Shapes are checked before.
pub trait Rnn: Send + Sync {
    /// Runs the sequence. With `keep`, also gives what backward needs.
    fn lstm(&self, args: &LstmArgs, keep: bool) -> Result<(LstmOut, Option<Saved>)>;

    /// Gradients of the seven operands in the order of [`LstmArgs`]; those not needed may be `None`.
    fn lstm_backward(
        &self,
        args: &LstmArgs,
        saved: Saved,
        grads: LstmOut<Option<Tensor>>,
        needs: &[bool; 7],
    ) -> Result<[Option<Tensor>; 7]>;

    /// Runs the sequence. With `keep`, also gives what backward needs.
    fn gru(&self, args: &GruArgs, keep: bool) -> Result<(GruOut, Option<Saved>)>;

    /// Gradients of the six operands in the order of [`GruArgs`]; those not needed may be `None`.
    fn gru_backward(
        &self,
        args: &GruArgs,
        saved: Saved,
        grads: GruOut<Option<Tensor>>,
        needs: &[bool; 6],
    ) -> Result<[Option<Tensor>; 6]>;
}
