//! `kl_divergence`: how far a predicted distribution is from the true one.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{DType, Device, Error, Result, Tensor};

impl Tensor {
    /// The Kullback–Leibler divergence Σ t (ln t - self) / batch, where `self` holds log-probabilities `[batch, …]` and
    /// `target` probabilities t of the same shape, or with `log_target` their logarithms: one number. What PyTorch calls
    /// `kl_div` with the reduction `batchmean`. Where t is 0 the term is 0. Kullback and Leibler, 1951.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let log_q = Tensor::new(&[0.5f64.ln(), 0.5f64.ln()], &[1, 2])?;
    /// let loss = log_q.kl_divergence(&Tensor::new(&[1.0f64, 0.0], &[1, 2])?, false)?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes differ, or there is no row.
    pub fn kl_divergence(&self, target: &Tensor, log_target: bool) -> Result<Tensor> {
        self.check_alike("kl_divergence", target)?;
        if self.shape() != target.shape() || self.rank() == 0 || self.count() == 0 {
            return Err(Error::shape(
                "kl_divergence",
                format!("a prediction of {:?} and a target of {:?}", self.shape(), target.shape()),
            ));
        }
        let terms = if log_target {
            (&target.exp()? * (target - self)?)?
        } else {
            // 0 ln 0 is 0 here, so the logarithm of 0 must be a number.
            let log = target.clamp(f64::from(f32::MIN_POSITIVE), f64::INFINITY)?.log()?;
            (target * (log - self)?)?
        };
        terms.sum_all()?.mul_scalar(1.0 / self.shape()[0] as f64)
    }
}

pub const OPERATION: Operation =
    Operation { name: "kl_divergence", formula: "Σ t (ln t - x) / batch", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], bool); 4] =
        [(&[1, 1], false), (&[3, 4], false), (&[3, 4], true), (&[2, 3, 2], true)];
    let mut all: Vec<Sample> = cases
        .into_iter()
        .map(|(shape, log_target)| {
            let target = if log_target { (-4.0, -0.1) } else { (0.1, 0.9) };
            sample!(
                format!("{shape:?}, log_target {log_target}"),
                vec![Input::within(shape, (-4.0, -0.1)), Input::within(shape, target)],
                |x| x[0].kl_divergence(&x[1], log_target)?,
                |r| reference::kl_divergence(&r[0], &r[1], log_target)
            )
        })
        .collect();
    // As one tensor, a prediction is in the domain of a target only where that is a logarithm.
    all[0].checks = super::Checks::NoRepeats;
    all[1].checks = super::Checks::NoRepeats;
    all.push(
        sample!(
            "a target of 0 and 1",
            vec![Input::within(&[1, 2], (-4.0, -0.1)), Input::given(&[1, 2], &[0.0, 1.0])],
            |x| x[0].kl_divergence(&x[1], false)?,
            |r| reference::kl_divergence(&r[0], &r[1], false)
        )
        .values_only(),
    );
    all
}

fn errors() -> Vec<ErrorSample> {
    let with = |prediction: &'static [usize], target: &'static [usize]| {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::cpu());
        move || zeros(prediction)?.kl_divergence(&zeros(target)?, false)
    };
    vec![
        ErrorSample::new("kl_divergence: a prediction of [2, 3] and a target of [3]", with(&[2, 3], &[3])),
        ErrorSample::new("kl_divergence: a prediction of [] and a target of []", with(&[], &[])),
        ErrorSample::new(
            "kl_divergence: a prediction of [0, 3] and a target of [0, 3]",
            with(&[0, 3], &[0, 3]),
        ),
    ]
}
