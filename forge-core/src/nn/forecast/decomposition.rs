use crate::nn::Module;
use crate::{Cx, Error, Result, Tensor, parameters};

/// The trend of a sequence: a centred moving average of the same length, the first and the last step standing for what
/// lies before and after. Wu and others, *Autoformer*, NeurIPS 2021.
///
/// `[batch, time, features]` → the same; see [`Tensor::moving_average`].
///
/// ```
/// use forge_core::{nn::MovingAverage, Tensor};
/// let x = Tensor::new(&[1.0f64, 2.0, 6.0, 7.0], &[1, 4, 1])?;
/// let (trend, season) = MovingAverage::new(3)?.decompose(&x)?;
/// assert_eq!((trend + season)?.to_vec::<f64>()?, x.to_vec::<f64>()?);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MovingAverage {
    pub(super) kernel: usize,
}

parameters!(MovingAverage {});

impl MovingAverage {
    /// Over `kernel` steps; Autoformer and DLinear take 25.
    ///
    /// # Errors
    /// When `kernel` is 0.
    pub fn new(kernel: usize) -> Result<Self> {
        if kernel == 0 {
            return Err(Error::argument("moving_average", "a kernel of 0; it must be at least 1"));
        }
        Ok(MovingAverage { kernel })
    }

    /// The trend and what is left, the season: their sum is `x`, `[batch, time, features]`.
    ///
    /// # Errors
    /// When the shape is another, or the sequence is empty.
    pub fn decompose(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let trend = x.moving_average(self.kernel)?;
        let season = (x - &trend)?;
        Ok((trend, season))
    }
}

impl Module for MovingAverage {
    /// `[batch, time, features]` to the same shape.
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        x.moving_average(self.kernel)
    }

    fn describe(&self) -> String {
        format!("moving average({})", self.kernel)
    }
}
