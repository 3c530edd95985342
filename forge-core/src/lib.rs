//! Tensors, verified automatic differentiation, layers, optimizers and a learner that knows no technology.
//!
//! The pieces, in the order in which a training step meets them:
//!
//! - [`Tensor`]: an immutable array on a [`Device`], with `Result`-valued arithmetic;
//! - [`Param`], [`Cx`] and [`Grads`]: weights, the context of a forward pass, and its gradients;
//! - [`nn`]: layers and models; [`optim`]: optimizers; [`metric`]: how well a model does;
//! - [`learn`]: the learner with callbacks and listeners, over [`data`] batches;
//! - [`checkpoint`] and [`npy`]: weights and arrays in files;
//! - [`history`]: what a run leaves behind, for reports;
//! - [`backend`] and [`ops`]: what a device does, and the table of operations that the verification harness walks.

mod atomic;
mod autograd;
pub mod backend;
pub mod checkpoint;
pub mod data;
mod device;
mod dtype;
mod error;
mod half;
pub mod history;
mod layout;
pub mod learn;
pub mod metric;
pub mod nn;
pub mod npy;
pub mod ops;
pub mod optim;
mod pattern;
pub mod rng;
mod storage;
mod tensor;

pub use atomic::{sync_folder, write_atomic};
pub use autograd::{Backward, Cx, Grads, Incoming, Mode, Outgoing, Param, ParamId, Parameters, Unmatched};
pub use backend::{set_threads, threads};
pub use device::Device;
pub use dtype::{DType, Element, Host};
pub use error::{Error, ErrorKind, Result};
pub use layout::{Dims, Layout, MAX_RANK, broadcast};
pub use tensor::Tensor;
