//! Neural networks for prices, weather and images, from one declarative YAML notebook to one offline HTML report.
//!
//! This crate is the facade: it re-exports the crates below and holds the `forge` program.
//!
//! - [`forge_core`]: tensors, verified differentiation, layers, optimizers, the learner;
//! - [`pipelines`]: the YAML language, data sources, transforms, the run directory;
//! - [`report`]: HTML from a run's history.

pub mod cli;

pub use forge_core::*;
pub use forge_pipelines as pipelines;
pub use forge_report as report;

/// What a program that trains a model usually needs.
pub mod prelude {
    pub use forge_core::data::{Batch, Dataset, TensorDataset};
    pub use forge_core::learn::{Callback, EarlyStopping, Learner, ModelCheckpoint};
    pub use forge_core::nn::{
        Activation, Dropout, Flatten, Gru, Init, LastStep, Linear, Lstm, Module, Sequential,
    };
    pub use forge_core::optim::{Adam, Optimizer, Sgd};
    pub use forge_core::{Cx, DType, Device, Error, Param, Parameters, Result, Tensor};
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
