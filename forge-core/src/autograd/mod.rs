//! Reverse-mode differentiation without global state.
//!
//! A [`Cx`] is made for each forward pass. Weights enter it only through [`Cx::param`], so a model cannot forget to
//! track one; `loss.backward(cx)` consumes the context with its tape and gives [`Grads`].

mod cx;
mod grads;
mod param;
mod tape;

pub use cx::{Cx, Mode};
pub use grads::Grads;
pub use param::{Param, ParamId, Parameters, Unmatched};
pub use tape::{Backward, Incoming, Outgoing};
pub(crate) use tape::{Track, record, record_all};
