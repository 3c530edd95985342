use super::Module;
use crate::{Cx, Error, Mode, Result, Tensor, parameters};

/// Sets elements to 0 with probability `rate` in training, and divides the others by `1 - rate`; does nothing in
/// inference.
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
}

parameters!(Dropout {});

impl Dropout {
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
