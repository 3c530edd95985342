//! The azuraforge spec language: cells, data sources, transforms, tasks and run directories.
//!
//! A spec becomes a run in three steps: [`engine::check`] reads, checks and plans it; [`engine::execute`] runs its
//! [`cells`] and writes a [`run`] directory; the caller renders the notebook. What a spec can ask for is in the
//! [`Registry`].

pub mod baselines;
pub mod builder;
pub mod calendar;
pub mod cells;
pub mod data_error;
mod dataset;
pub mod engine;
mod failure;
pub mod frame;
pub mod guards;
pub mod metrics;
pub mod models;
pub mod predict;
pub mod prepare;
mod quantile;
mod registry;
pub mod roles;
pub mod run;
pub mod sources;
pub mod spec;
pub mod split;
pub mod starter;
pub mod transforms;
pub mod value;
pub mod windows;

pub use data_error::{DataError, Problem};
pub use dataset::WindowDataset;
pub use failure::{Exit, Failure, RUN_CODES};
pub use registry::Registry;
