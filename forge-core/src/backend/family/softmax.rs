use crate::{Result, Tensor};

/// Softmax and its logarithm along one dimension, without overflow for any input.
///
/// Results have the shape of `x`.
///
/// ```
/// use forge_core::{Device, Tensor};
/// let (x, g) = (Tensor::new(&[0.0f64, 0.0], &[2])?, Tensor::new(&[1.0f64, 0.0], &[2])?);
/// let device = Device::cpu();
/// let y = device.softmax().softmax(&x, 0, false)?;
/// assert_eq!(y.to_vec::<f64>()?, [0.5, 0.5]);
/// assert_eq!(device.softmax().softmax_backward(&y, &g, 0, false)?.to_vec::<f64>()?, [0.25, -0.25]); // ½ (1 - ½), ½ (0 - ½)
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails. Dimension and type are checked before.
pub trait Softmax {
    /// `y = eˣ / Σ eˣ`, or its logarithm `x - ln Σ eˣ` if `log`, along dimension `axis`.
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor>;

    /// The gradient of the input from the result `y` and its gradient `g`: `y (g - Σ g y)`, or `g - e^y Σ g` if `log`.
    fn softmax_backward(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor>;
}
