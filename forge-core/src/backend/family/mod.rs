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
use std::cell::RefCell;
use std::fmt::Debug;

/// A value of a type that only the family knows, in a box that serves again once it is empty.
type Slotted = Box<dyn Any + Send + Sync>;

/// Empty boxes that a thread keeps.
const BOXES: usize = 64;

thread_local!(static EMPTY: RefCell<Vec<Slotted>> = const { RefCell::new(Vec::new()) });

/// What a family's forward keeps for its backward; known to that family only.
///
/// ```
/// use forge_core::backend::Saved;
/// let saved = Saved::new(vec![1.0f32; 3], 12);
/// assert_eq!(saved.bytes(), 12);
/// assert_eq!(saved.take::<Vec<f32>>()?, [1.0; 3]);
/// assert!(Saved::new(vec![1.0f32; 3], 12).take::<String>().is_err()); // another family's
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Saved {
    /// An `Option` of the value.
    value: Slotted,
    bytes: usize,
}

impl Saved {
    /// Wraps what is kept, with its size in bytes.
    pub fn new<T: Debug + Send + Sync + 'static>(value: T, bytes: usize) -> Self {
        // A thread that ends has no boxes any more.
        let empty = EMPTY.try_with(|empty| {
            let mut empty = empty.borrow_mut();
            let fits = empty.iter().rposition(|slot| slot.is::<Option<T>>())?;
            Some(empty.swap_remove(fits))
        });
        let mut slot = empty.ok().flatten().unwrap_or_else(|| Box::new(None::<T>));
        let value = match slot.downcast_mut::<Option<T>>() {
            Some(room) => {
                *room = Some(value);
                slot
            }
            None => Box::new(Some(value)),
        };
        Saved { value, bytes }
    }

    /// The value, if it was wrapped as this type.
    ///
    /// # Errors
    /// When it was wrapped as another type.
    pub fn take<T: 'static>(mut self) -> Result<T> {
        let value = self.value.downcast_mut::<Option<T>>().and_then(Option::take).ok_or_else(|| {
            crate::Error::other(
                "backward got what another backend's forward kept; a family overrides both or none",
            )
        })?;
        let _ = EMPTY.try_with(|empty| {
            let mut empty = empty.borrow_mut();
            if empty.len() < BOXES {
                empty.push(self.value);
            }
        });
        Ok(value)
    }

    /// Bytes held until backward.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
