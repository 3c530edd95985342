use super::{Module, Tail};
use crate::{Cx, Error, Result, Tensor, parameters};

/// The last time step of a sequence.
///
/// `[batch, time, features]` → `[batch, features]`: `y[n] = x[n, time - 1]`.
///
/// ```
/// use forge_core::{nn::{LastStep, Module}, Cx, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[1, 2, 2])?;
/// assert_eq!(LastStep.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
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
