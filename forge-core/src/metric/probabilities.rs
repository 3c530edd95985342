use super::{Confusion, mean};
use crate::{Error, Result, Tensor};

/// How far a sample's probabilities may be from a sum of 1: what rounding in f32 does to many classes.
const SUM_TOLERANCE: f64 = 1e-3;

/// Probabilities of the classes of samples, with the actual classes.
///
/// ```
/// use forge_core::{metric::Probabilities, Tensor};
/// let logits = Tensor::new(&[2.0f32, 0.0, 0.0, 1.0, 1.0, 3.0], &[2, 3])?;
/// let probabilities = Probabilities::of_logits(&logits, &Tensor::new(&[0i64, 1], &[2])?)?;
/// assert_eq!(probabilities.confusion().accuracy(), Some(0.5));
/// assert_eq!(probabilities.top_k(2), Some(0.5));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{metric::{roc_auc, Probabilities}, Tensor};
/// let p = Tensor::new(&[0.75f64, 0.25, 0.5, 0.5], &[2, 2])?;
/// let probabilities = Probabilities::new(&p, &Tensor::new(&[0i64, 1], &[2])?)?;
/// assert_eq!(probabilities.nll(), Some(-(0.75f64.ln() + 0.5f64.ln()) / 2.0));
/// assert_eq!(probabilities.brier(), Some((2.0 * 0.0625 + 2.0 * 0.25) / 2.0));
/// // Of one bin: half are right, with a confidence of (0.75 + 0.5) / 2.
/// assert_eq!(probabilities.calibration_error(1), Some(0.125));
/// assert_eq!(probabilities.against_rest(1), [(false, 0.25), (true, 0.5)]);
/// assert_eq!(roc_auc(probabilities.against_rest(1)), Some(1.0));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    classes: usize,
    /// By sample, then class.
    values: Vec<f64>,
    actual: Vec<usize>,
}

impl Probabilities {
    /// Of probabilities `[samples, classes]` and classes `[samples]`.
    ///
    /// # Errors
    /// When shapes do not fit, a class is not in `0..classes`, or a sample's probabilities are not numbers from 0 to 1 with
    /// a sum of 1.
    pub fn new(probabilities: &Tensor, actual: &Tensor) -> Result<Self> {
        let new = Self::unchecked(probabilities, actual)?;
        let wrong = |row: &[f64]| {
            !row.iter().all(|p| (0.0..=1.0 + SUM_TOLERANCE).contains(p))
                || (row.iter().sum::<f64>() - 1.0).abs() > SUM_TOLERANCE
        };
        let found = new.rows().position(|(row, _)| wrong(row));
        match found {
            None => Ok(new),
            Some(sample) => Err(Error::argument(
                "probabilities",
                format!(
                    "those of sample {sample} are not numbers from 0 to 1 with a sum of 1; of logits, use `of_logits`"
                ),
            )),
        }
    }

    /// Of a classifier's outputs before the softmax, `[samples, classes]`, and classes `[samples]`.
    ///
    /// # Errors
    /// When shapes do not fit, a class is not in `0..classes`, or a logit is not finite.
    pub fn of_logits(logits: &Tensor, actual: &Tensor) -> Result<Self> {
        let mut new = Self::unchecked(logits, actual)?;
        if let Some(at) = new.values.iter().position(|v| !v.is_finite()) {
            let sample = at / new.classes;
            return Err(Error::argument(
                "probabilities",
                format!("a logit of sample {sample} is not finite"),
            ));
        }
        for row in new.values.chunks_mut(new.classes) {
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|v| *v = (*v - top).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        }
        Ok(new)
    }

    fn unchecked(values: &Tensor, actual: &Tensor) -> Result<Self> {
        let (&[samples, classes], &[labels]) = (values.shape(), actual.shape()) else {
            return Err(Error::shape(
                "probabilities",
                format!(
                    "{:?} and classes {:?}; they must be [samples, classes] and [samples]",
                    values.shape(),
                    actual.shape()
                ),
            ));
        };
        if samples != labels || classes == 0 {
            return Err(Error::shape(
                "probabilities",
                format!("{samples} samples of {classes} classes, and {labels} actual classes"),
            ));
        }
        let class = |(sample, class): (usize, i64)| {
            let known = usize::try_from(class).ok().filter(|c| *c < classes);
            known.ok_or_else(|| {
                let message = format!("sample {sample} is of class {class}; there are {classes} classes");
                Error::argument("probabilities", message)
            })
        };
        let actual = actual.to_vec::<i64>()?.into_iter().enumerate().map(class).collect::<Result<_>>()?;
        Ok(Probabilities { classes, values: values.to_f64_vec()?, actual })
    }

    /// Each sample's probabilities and its class.
    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> + '_ {
        self.values.chunks(self.classes).zip(self.actual.iter().copied())
    }

    /// The most probable class of each sample, the first of equals.
    fn best(row: &[f64]) -> usize {
        row.iter().enumerate().fold(0, |best, (class, p)| if *p > row[best] { class } else { best })
    }

    /// The counts of the most probable classes, the first of equals.
    pub fn confusion(&self) -> Confusion {
        Confusion::of_known(self.classes, self.rows().map(|(row, actual)| (actual, Self::best(row))))
    }

    /// Share of samples whose class is among the `k` most probable, the first of equals. Undefined without samples.
    pub fn top_k(&self, k: usize) -> Option<f64> {
        let rank = |row: &[f64], class: usize| {
            let own = row[class];
            row.iter().enumerate().filter(|(c, p)| **p > own || (**p == own && *c < class)).count()
        };
        mean(self.rows().map(|(row, actual)| f64::from(rank(row, actual) < k)))
    }

    /// Negative log-likelihood, the mean of -ln p of the actual class. Undefined without samples, and where an actual class
    /// had probability 0.
    pub fn nll(&self) -> Option<f64> {
        mean(self.rows().map(|(row, actual)| -row[actual].ln()))
    }

    /// The score of Brier, *Verification of forecasts expressed in terms of probability*, 1950: the mean of Σ (p - o)² over
    /// classes, o being 1 for the actual one and else 0. From 0 to 2; for two classes, twice the one-sided form.
    pub fn brier(&self) -> Option<f64> {
        let term = |(row, actual): (&[f64], usize)| {
            row.iter().enumerate().map(|(class, p)| (p - f64::from(class == actual)).powi(2)).sum()
        };
        mean(self.rows().map(term))
    }

    /// Expected calibration error: the mean over samples of |accuracy - confidence| of their bin, by the probability of the
    /// predicted class, in `bins` of equal width that are open below. Guo and others, *On calibration of modern neural
    /// networks*, ICML 2017, with 15 bins. Undefined without samples or bins.
    pub fn calibration_error(&self, bins: usize) -> Option<f64> {
        let mut gaps = vec![0.0; bins];
        for (row, actual) in self.rows() {
            let best = Self::best(row);
            let bin = (row[best] * bins as f64).ceil() as usize;
            *gaps.get_mut(bin.clamp(1, bins.max(1)) - 1)? += f64::from(best == actual) - row[best];
        }
        super::finite(gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / self.actual.len() as f64)
    }

    /// Each sample's probability of `class`, with whether it is of that class: for [`roc_auc`](super::roc_auc) and
    /// [`average_precision`](super::average_precision). Empty for a class that there is not.
    pub fn against_rest(&self, class: usize) -> Vec<(bool, f64)> {
        self.rows().filter_map(|(row, actual)| Some((actual == class, *row.get(class)?))).collect()
    }
}
