//! Recurrent layers over a sequence.

use super::Saved;
use crate::{Result, Tensor};
use std::sync::Arc;

/// The operands of an LSTM over a sequence, all untracked.
///
/// Gates are in PyTorch's order: input, forget, cell, output.
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
