//! One error type for the whole crate: what went wrong, in which operation and in which layer.

use crate::DType;
use std::fmt;
use std::path::PathBuf;

/// The crate's result.
///
/// ```
/// fn half(n: usize) -> forge_core::Result<usize> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(forge_core::Error::other("an odd number has no half")) }
/// }
/// assert_eq!(half(6)?, 3);
/// assert!(half(7).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
///
/// ```
/// use forge_core::{ErrorKind, Tensor};
/// let error = Tensor::new(&[1.0f32; 3], &[2, 2]).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Shape { op: "tensor", .. }));
/// assert_eq!(error.to_string(), "tensor: 3 elements do not fill the shape [2, 2], which has 4");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes do not fit the operation.
    #[error("{op}: {message}")]
    Shape {
        /// Operation.
        op: &'static str,
        /// Both shapes and what was expected.
        message: String,
    },
    /// Element types do not fit the operation.
    #[error("{op}: {left} and {right} do not mix; convert one of them with `.to_dtype(...)`")]
    DTypes {
        /// Operation.
        op: &'static str,
        /// Left operand's type.
        left: DType,
        /// Right operand's type.
        right: DType,
    },
    /// The operation does not exist for this element type.
    #[error("{op}: not defined for {dtype}; {hint}")]
    DType {
        /// Operation.
        op: &'static str,
        /// Type of the operand.
        dtype: DType,
        /// How to mend.
        hint: &'static str,
    },
    /// Operands live on different devices.
    #[error("{op}: operands are on {left} and {right}; move one of them with `.to_device(...)`")]
    Devices {
        /// Operation.
        op: &'static str,
        /// Left operand's device.
        left: String,
        /// Right operand's device.
        right: String,
    },
    /// An argument is out of its range.
    #[error("{op}: {message}")]
    Argument {
        /// Operation or constructor.
        op: &'static str,
        /// Which argument, what it was, what it may be.
        message: String,
    },
    /// An operation mixes values that two different contexts track.
    #[error(
        "{op}: its operands are tracked by two different contexts; run the whole forward pass with one `Cx`"
    )]
    TwoTapes {
        /// Operation.
        op: &'static str,
    },
    /// An operation uses a value whose tape was consumed by `backward`.
    #[error(
        "{op}: the tape of this value was already consumed by `backward`; run the forward pass again with a new `Cx`, or use `.detach()`"
    )]
    TapeConsumed {
        /// Operation.
        op: &'static str,
    },
    /// `backward` was called on something that no parameter reaches.
    #[error("backward: {message}")]
    NotTracked {
        /// Why, and how to mend.
        message: String,
    },
    /// A tensor holds NaN or infinity where training needs numbers.
    #[error(
        "{what} is not finite at step {step}; try a smaller learning rate, gradient clipping, or look for extreme values in the data"
    )]
    NotFinite {
        /// Loss, gradient or parameter, by name.
        what: String,
        /// Optimizer step, from 0.
        step: u64,
    },
    /// A file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A model file does not fit.
    #[error("{}: {message}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not fit and how to mend.
        message: String,
    },
    /// A data file is torn, or of a form that is not known.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and how to mend.
        message: String,
    },
    /// A message of outside code: a callback, a custom operation, a dataset.
    #[error("{0}")]
    Other(String),
}

/// An error with the path of the layer in which it arose, such as `lstm.weight_ih`.
///
/// ```
/// use forge_core::{Error, ErrorKind};
/// let error = Error::other("no such mode").within("attention").within("encoder");
/// assert_eq!(error.path(), "encoder.attention");
/// assert_eq!(error.to_string(), "encoder.attention: no such mode");
/// assert!(matches!(error.kind(), ErrorKind::Other(_)));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    /// Innermost layer first.
    path: Vec<String>,
    kind: ErrorKind,
}

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The layer path, outermost first, joined by dots; empty outside layers.
    pub fn path(&self) -> String {
        self.0.path.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }

    /// The same error, known to have arisen within the layer `name`.
    pub fn within(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.0.path.push(name.to_owned());
        }
        self
    }

    /// An error with a message of its own, for callbacks and datasets of outside code.
    pub fn other(message: impl Into<String>) -> Self {
        ErrorKind::Other(message.into()).into()
    }

    pub(crate) fn shape(op: &'static str, message: impl Into<String>) -> Self {
        ErrorKind::Shape { op, message: message.into() }.into()
    }

    pub(crate) fn argument(op: &'static str, message: impl Into<String>) -> Self {
        ErrorKind::Argument { op, message: message.into() }.into()
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        ErrorKind::Io { action, path: path.into(), source }.into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { path: Vec::new(), kind }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.path.is_empty() {
            write!(f, "{}", self.0.kind)
        } else {
            write!(f, "{}: {}", self.path(), self.0.kind)
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
