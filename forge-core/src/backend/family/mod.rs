//! Families of coarse operations: a contract each, of forward and backward together.
//!
//! [`Composed`](super::Composed) implements every family in terms of the required primitives; a fast backend overrides a
//! family as a whole.

mod attention;
mod conv;
mod loss;
mod norm;
mod optim;
mod pool;
mod rnn;
mod softmax;
mod window;

pub use softmax::Softmax;
pub use window::Window;

pub use attention::{Attention, AttentionArgs};
pub use conv::{Conv, ConvArgs};
pub use loss::{CrossEntropyArgs, Loss, Targets};
pub use norm::{Norm, NormArgs, NormKind, NormOut};
pub use optim::{AdamStep, LionStep, Optim, RmsPropStep, SgdStep, Slot};
pub use pool::{Parts, Pool, PoolArgs, PoolKind, Span};
pub use rnn::{GruArgs, GruOut, LstmArgs, LstmOut, Rnn};

use crate::Result;
use std::any::Any;
use std::fmt::Debug;

/// What a family's forward keeps for its backward; known to that family only.
#[derive(Debug)]
pub struct Saved {
    value: Box<dyn Any + Send + Sync>,
    bytes: usize,
}

impl Saved {
    /// Wraps what is kept, with its size in bytes.
    pub fn new<T: Debug + Send + Sync + 'static>(value: T, bytes: usize) -> Self {
        Saved { value: Box::new(value), bytes }
    }

    /// The value, if it was wrapped as this type.
    pub fn take<T: 'static>(self) -> Result<T> {
        let value = self.value.downcast::<T>().map_err(|_| {
            crate::Error::other(
                "backward got what another backend's forward kept; a family overrides both or none",
            )
        })?;
        Ok(*value)
    }

    /// Bytes held until backward.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
