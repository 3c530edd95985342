//! Attention.

use super::Saved;
use crate::rng::Stream;
use crate::{Result, Tensor};

/// The operands of scaled dot-product attention, all untracked.
///
/// See [`Attention`].
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
///
/// ```
/// use forge_core::{backend::AttentionArgs, Device, Tensor};
/// let row = |x: [f64; 2]| Tensor::new(&x, &[1, 1, 2, 1]);
/// let args = AttentionArgs { q: row([0.0, 0.0])?, k: row([5.0, 7.0])?, v: row([1.0, 3.0])?, mask: None, causal: false,
///     scale: 1.0, dropout: None };
/// let device = Device::cpu();
/// let (y, saved) = device.attention().attention(&args, true)?;
/// assert_eq!(y.to_vec::<f64>()?, [2.0, 2.0]); // the scores are 0, so both keys count the same
/// let needs = [false, false, true, false];
/// let [_, _, v, _] = device.attention().attention_backward(&args, saved.unwrap(), row([1.0, 1.0])?, &needs)?;
/// assert_eq!(v.unwrap().to_vec::<f64>()?, [1.0, 1.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails, or `saved` is another family's. Shapes are checked before.
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
