//! Recurrent layers over a sequence.

use super::Saved;
use crate::{Result, Tensor};

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
}

/// The results of an LSTM over a sequence, or the gradients that arrive at them.
#[derive(Clone, Debug)]
pub struct LstmOut<T = Tensor> {
    /// `[batch, time, hidden]`
    pub y: T,
    /// `[batch, hidden]`, the hidden state after the last step.
    pub h_n: T,
    /// `[batch, hidden]`, the cell state after the last step.
    pub c_n: T,
}

/// Recurrent layers over a whole sequence: one node of the tape each.
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
}
