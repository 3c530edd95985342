//! Data sources, splits, transforms, windows, baselines and metrics: everything numeric between a data file and
//! scores.

pub mod baselines;
pub mod data_error;
pub mod frame;
pub mod metrics;
pub mod prepare;
pub mod sources;
pub mod split;
pub mod transforms;
pub mod windows;

pub use data_error::{DataError, Problem};
