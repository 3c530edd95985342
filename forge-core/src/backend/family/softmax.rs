use crate::{Result, Tensor};

/// Softmax and its logarithm along one dimension, without overflow for any input.
pub trait Softmax {
    /// `y = eˣ / Σ eˣ`, or its logarithm `x - ln Σ eˣ` if `log`, along dimension `axis`.
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor>;

    /// The gradient of the input from the result `y` and its gradient `g`: `y (g - Σ g y)`, or `g - e^y Σ g` if `log`.
    fn softmax_backward(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor>;
}
