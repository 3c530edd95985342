//! Tensors, verified automatic differentiation, layers, optimizers and a learner that knows no technology.
//!
//! The pieces, in the order in which a training step meets them:
//!
//! - [`Tensor`]: an immutable array on a [`Device`], with `Result`-valued arithmetic;
//! - [`Param`], [`Cx`] and [`Grads`]: weights, the context of a forward pass, and its gradients;
//! - [`nn`]: layers and models; [`optim`]: optimizers; [`metric`]: how well a model does;
//! - [`learn`]: the learner with callbacks and listeners, over [`data`] batches;
//! - [`checkpoint`] and [`npy`]: weights and arrays in files;
//! - [`history`]: what a run leaves behind, for reports; [`profile`]: where its time goes;
//! - [`backend`] and [`ops`]: what a device does, and the table of operations that the verification harness walks.
//!
//! A training loop by hand; [`learn::Learner`] is one with validation, callbacks and checkpoints:
//!
//! ```
//! use forge_core::nn::{Activation, Init, Linear, Module, Sequential};
//! use forge_core::optim::{Adam, Optimizer};
//! use forge_core::{Cx, Tensor};
//!
//! let init = Init::new(7);
//! let mut model = Sequential::new()
//!     .with("hidden", Linear::new(&init.within("hidden"), 2, 8)?)
//!     .with("tanh", Activation::tanh())
//!     .with("head", Linear::new(&init.within("head"), 8, 1)?);
//! let x = Tensor::new(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], &[4, 2])?;
//! let exclusive_or = Tensor::new(&[0.0f32, 1.0, 1.0, 0.0], &[4, 1])?;
//! let mut adam = Adam::new(0.05);
//! for step in 0..300 {
//!     let cx = Cx::train(7, step); // the tape and the random numbers of this pass
//!     let loss = model.forward(&cx, &x)?.mse(&exclusive_or)?;
//!     adam.step(&mut model, &loss.backward(cx)?)?;
//! }
//! let answers = model.forward(&Cx::infer(), &x)?.to_vec::<f32>()?;
//! assert!(answers.iter().zip([0.0, 1.0, 1.0, 0.0]).all(|(found, wanted)| (found - wanted).abs() < 0.1));
//! # Ok::<(), forge_core::Error>(())
//! ```

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
pub mod profile;
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
