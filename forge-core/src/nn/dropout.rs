use super::Module;
use crate::{Cx, Error, Mode, Result, Tensor, parameters};

/// Sets elements to 0 with probability `rate` in training, and divides the others by `1 - rate`; does nothing in
/// inference.
///
/// Any shape stays. Srivastava and others, *Dropout*, JMLR 2014; see [`Tensor::dropout`].
///
/// ```
/// use forge_core::{nn::{Dropout, Module}, Cx, Tensor};
/// let (layer, x) = (Dropout::new(0.5)?, Tensor::new(&[3.0f32; 50], &[50])?);
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [3.0; 50]);
/// let y = layer.forward(&Cx::train(0, 0), &x)?.to_vec::<f32>()?;
/// assert!(y.contains(&0.0) && y.contains(&6.0) && y.iter().all(|v| *v == 0.0 || *v == 6.0));
/// assert!(Dropout::new(1.0).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
}

parameters!(Dropout {});

impl Dropout {
    /// With this probability of a zero, from 0 to below 1.
    ///
    /// # Errors
    /// When `rate` is not in [0, 1).
    pub fn new(rate: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&rate) {
            return Err(Error::argument("dropout", format!("rate {rate} is not in [0, 1)")));
        }
        Ok(Dropout { rate })
    }
}

impl Module for Dropout {
    /// Any shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        match cx.mode() {
            Mode::Train => x.dropout(self.rate, cx.stream()),
            Mode::Infer => Ok(x.clone()),
        }
    }

    fn describe(&self) -> String {
        format!("dropout({})", self.rate)
    }
}
