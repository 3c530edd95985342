//! The azuraforge spec language: cells, data sources, transforms, tasks and run directories.

pub mod baselines;
pub mod data_error;
pub mod frame;
pub mod metrics;
pub mod prepare;
pub mod run;
pub mod sources;
pub mod spec;
pub mod split;
pub mod transforms;
pub mod windows;

pub use data_error::{DataError, Problem};
