//! Attention.

use super::Saved;
use crate::rng::Stream;
use crate::{Result, Tensor};

/// The operands of scaled dot-product attention, all untracked.
#[derive(Clone, Debug)]
pub struct AttentionArgs {
    /// Queries, `[batch, heads, time, dim]`.
    pub q: Tensor,
    /// Keys, `[batch, heads, source, dim]`.
    pub k: Tensor,
    /// Values, `[batch, heads, source, width]`.
    pub v: Tensor,
    /// Added to the scores, of a shape that broadcasts to `[batch, heads, time, source]`; -∞ hides a key.
    pub mask: Option<Tensor>,
    /// Whether step t sees the keys 0 to t only.
    pub causal: bool,
    /// Factor of the scores.
    pub scale: f64,
    /// Rate, and the stream of the factors, of dropout on the weights of the keys.
    pub dropout: Option<(f64, Stream)>,
}

/// Attention: one node of the tape.
pub trait Attention: Send + Sync {
    /// Values weighted by softmax(scale · q kᵀ + mask), `[batch, heads, time, width]`; 0 where every key is hidden. With
    /// `keep`, also gives what backward needs.
    fn attention(&self, args: &AttentionArgs, keep: bool) -> Result<(Tensor, Option<Saved>)>;

    /// Gradients of q, k, v and of the masked scores, `[batch, heads, time, source]`, given that of the output; those not
    /// needed may be `None`.
    fn attention_backward(
        &self,
        args: &AttentionArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 4],
    ) -> Result<[Option<Tensor>; 4]>;
}
