use super::{Module, Tail};
use crate::{Cx, Error, Result, Tensor, parameters};

/// The last time step of a sequence.
#[derive(Debug)]
pub struct LastStep;

parameters!(LastStep {});

impl Module for LastStep {
    /// `[batch, time, features] → [batch, features]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        match *x.shape() {
            [_, time, _] if time > 0 => x.select(1, time - 1),
            _ => Err(Error::shape("last_step", format!("{:?} is not [batch, time, features]", x.shape()))),
        }
    }

    fn tail(&self) -> Option<Tail> {
        Some(Tail::LastStep)
    }

    fn describe(&self) -> String {
        "last step".into()
    }
}
