//! Layers and models for forecasts of several steps at once, `[batch, lookback, features] → [batch, horizon, features]`.

mod decomposition;
mod linear;
mod revin;

pub use decomposition::MovingAverage;
pub use linear::{DLinear, NLinear};
pub use revin::{Normalized, RevIn, Statistics};
