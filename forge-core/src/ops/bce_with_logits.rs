//! `bce_with_logits`: the binary cross entropy of logits.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{DType, Device, Error, Result, Tensor};

impl Tensor {
    /// The mean of -p y ln σ(z) - (1 - y) ln(1 - σ(z)), with logits z (`self`) and targets y in [0, 1] of the same shape:
    /// one number. p, `positive`, is the weight of positive answers, of a shape that broadcasts to the logits' (1 where
    /// it is `None`): PyTorch's `pos_weight`.
    ///
    /// Computed as p y softplus(-z) + (1 - y) softplus(z), which loses no digit and never overflows.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let z = Tensor::new(&[0.0f64, 1e4], &[2])?;
    /// let loss = z.bce_with_logits(&Tensor::new(&[1.0f64, 1.0], &[2])?, None)?;
    /// assert!((loss.item()? - 0.5 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes differ, there is no element, or the weights do not broadcast.
    pub fn bce_with_logits(&self, target: &Tensor, positive: Option<&Tensor>) -> Result<Tensor> {
        self.check_alike("bce_with_logits", target)?;
        if self.shape() != target.shape() || self.count() == 0 {
            return Err(Error::shape(
                "bce_with_logits",
                format!("logits of {:?} and a target of {:?}", self.shape(), target.shape()),
            ));
        }
        // No threshold: the function itself at every logit.
        let softplus = |z: &Tensor| z.softplus(1.0, f64::INFINITY);
        let mut yes = (target * softplus(&self.mul_scalar(-1.0)?)?)?;
        if let Some(positive) = positive {
            let weighted = (&yes * positive)?;
            if weighted.shape() != self.shape() {
                return Err(Error::shape(
                    "bce_with_logits",
                    format!("weights of {:?} for logits of {:?}", positive.shape(), self.shape()),
                ));
            }
            yes = weighted;
        }
        let no = (target.mul_scalar(-1.0)?.add_scalar(1.0)? * softplus(self)?)?;
        (yes + no)?.mean_all()
    }
}

pub const OPERATION: Operation = Operation {
    name: "bce_with_logits",
    formula: "mean of -p y ln σ(z) - (1 - y) ln(1 - σ(z))",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[f64]); 4] =
        [(&[1], &[1.0]), (&[3, 4], &[1.0]), (&[3, 4], &[0.5, 2.0, 1.0, 8.0]), (&[2, 1, 2], &[3.0, 0.25])];
    let mut all: Vec<Sample> = cases
        .into_iter()
        .map(|(shape, positive)| {
            sample!(
                format!("{shape:?}, positive {positive:?}"),
                vec![Input::new(shape), Input::within(shape, (0.0, 1.0))],
                |x| {
                    let positive = Tensor::new(positive, &[positive.len()])?.to_dtype(x[0].dtype())?;
                    x[0].bce_with_logits(&x[1], Some(&positive))?
                },
                |r| reference::bce_with_logits(&r[0], &r[1], positive)
            )
        })
        .collect();
    let extreme = [-1e4, 1e4, -200.0, 200.0, 0.0, -30.0];
    all.push(
        sample!(
            "extreme logits",
            vec![Input::given(&[6], &extreme), Input::given(&[6], &[0.0, 1.0, 1.0, 0.0, 0.5, 0.0])],
            |x| x[0].bce_with_logits(&x[1], None)?,
            |r| reference::bce_with_logits(&r[0], &r[1], &[1.0])
        )
        .values_only(),
    );
    all
}

fn errors() -> Vec<ErrorSample> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::cpu());
    vec![
        ErrorSample::new("bce_with_logits: logits of [2, 3] and a target of [3]", move || {
            zeros(&[2, 3])?.bce_with_logits(&zeros(&[3])?, None)
        }),
        ErrorSample::new("bce_with_logits: weights of [2, 2, 3] for logits of [2, 3]", move || {
            zeros(&[2, 3])?.bce_with_logits(&zeros(&[2, 3])?, Some(&zeros(&[2, 2, 3])?))
        }),
    ]
}
