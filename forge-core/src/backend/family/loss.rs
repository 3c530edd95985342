//! Losses of several operations.

use super::Saved;
use crate::{Error, Result, Tensor};

/// What the logits of a cross entropy are compared with.
///
/// See [`Loss`].
#[derive(Clone, Debug)]
pub enum Targets {
    /// One class a row, `[rows]` of i64, each less than the number of classes; rows of the class `ignore` do not count.
    Classes {
        /// The classes.
        index: Tensor,
        /// The class, of any value, that marks a row as absent.
        ignore: Option<i64>,
    },
    /// A share of each class, `[rows, classes]`.
    Shares(Tensor),
}

/// The operands of a softmax cross entropy, all untracked.
///
/// See [`Loss`].
#[derive(Clone, Debug)]
pub struct CrossEntropyArgs {
    /// `[rows, classes]`
    pub logits: Tensor,
    /// What they are compared with.
    pub targets: Targets,
    /// `[classes]`
    pub weight: Option<Tensor>,
    /// The part of each row's target that is spread over all classes, in [0, 1].
    pub smoothing: f64,
}

const OP: &str = "cross_entropy";

impl CrossEntropyArgs {
    /// The class of a row, one of as many as there are; `None` for a row that does not count.
    pub(crate) fn class(&self, row: usize, class: i64, ignore: Option<i64>) -> Result<Option<usize>> {
        if Some(class) == ignore {
            return Ok(None);
        }
        let classes = self.logits.shape()[1];
        let known = usize::try_from(class).ok().filter(|&c| c < classes);
        known.map(Some).ok_or_else(|| {
            let range = format!("the {classes} classes (0 to {})", classes.saturating_sub(1));
            Error::argument(OP, format!("class {class} of row {row} is outside {range}"))
        })
    }

    /// What the mean divides by, from the sum of the weights of the rows' classes.
    pub(crate) fn divisor(&self, weights: f64) -> Result<f64> {
        if weights == 0.0 {
            let rows = self.logits.shape()[0];
            return Err(Error::argument(OP, format!("none of the {rows} rows counts, so there is no mean")));
        }
        Ok(weights)
    }
}

/// Losses: one node of the tape each.
///
/// ```
/// use forge_core::{backend::{CrossEntropyArgs, Targets}, Device, Tensor};
/// let targets = Targets::Classes { index: Tensor::new(&[1i64], &[1])?, ignore: None };
/// let args = CrossEntropyArgs { logits: Tensor::new(&[0.0f64, 0.0], &[1, 2])?, targets, weight: None, smoothing: 0.0 };
/// let device = Device::cpu();
/// let (loss, saved) = device.loss().cross_entropy(&args, true)?;
/// assert!((loss.item()? - 2f64.ln()).abs() < 1e-15);
/// let one = Tensor::new(&[1.0f64], &[])?;
/// let [logits, _] = device.loss().cross_entropy_backward(&args, saved.unwrap(), one, &[true, false])?;
/// assert_eq!(logits.unwrap().to_vec::<f64>()?, [0.5, -0.5]); // softmax less target
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When a class does not exist, the device fails, or `saved` is another family's. Shapes are checked before.
pub trait Loss: Send + Sync {
    /// The mean of weighted cross entropies, as [`Tensor::cross_entropy`] defines it: one number. With `keep`, also gives
    /// what backward needs.
    fn cross_entropy(&self, args: &CrossEntropyArgs, keep: bool) -> Result<(Tensor, Option<Saved>)>;

    /// Gradients of the logits and of the shares, given that of the loss; those not needed may be `None`.
    fn cross_entropy_backward(
        &self,
        args: &CrossEntropyArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 2],
    ) -> Result<[Option<Tensor>; 2]>;
}
