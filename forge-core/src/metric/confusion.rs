use super::{finite, mean};
use crate::{Error, Result, Tensor};

/// How often each class was taken for each: the counts that accuracy, precision, recall and F1 are made of.
///
/// ```
/// use forge_core::metric::Confusion;
/// let actual = [0, 0, 1, 1, 2];
/// let predicted = [0, 1, 1, 1, 0];
/// let confusion = Confusion::of(3, actual.into_iter().zip(predicted))?;
/// assert_eq!(confusion.accuracy(), Some(0.6));
/// assert_eq!(confusion.recall(0), Some(0.5));
/// assert_eq!(confusion.precision(2), None); // never predicted
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{metric::Confusion, Tensor};
/// let actual = Tensor::new(&[0i64, 0, 0, 1], &[4])?;
/// let confusion = Confusion::of_tensors(2, &actual, &Tensor::new(&[0i64, 0, 1, 1], &[4])?)?;
/// assert_eq!((confusion.classes(), confusion.total(), confusion.count(0, 1)), (2, 4, 1));
/// assert_eq!((confusion.support(0), confusion.predicted(0)), (3, 2));
/// let (first, second) = (2.0 * 2.0 / 5.0, 2.0 * 1.0 / 3.0); // 2 TP / (2 TP + FP + FN)
/// assert_eq!((confusion.f1(0), confusion.f1(1)), (Some(first), Some(second)));
/// assert_eq!(confusion.macro_f1(), Some((first + second) / 2.0));
/// assert_eq!(confusion.weighted_f1(), Some((3.0 * first + second) / 4.0));
/// assert_eq!(confusion.balanced_accuracy(), Some((2.0 / 3.0 + 1.0) / 2.0));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// By actual class, then predicted.
    counts: Vec<u64>,
}

impl Confusion {
    /// Of `(actual, predicted)` classes, each below `classes`.
    ///
    /// # Errors
    /// When a class is not below `classes`.
    pub fn of(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Result<Self> {
        let pairs: Vec<(usize, usize)> = pairs.into_iter().collect();
        match pairs.iter().enumerate().find(|(_, (actual, predicted))| *actual.max(predicted) >= classes) {
            None => Ok(Self::of_known(classes, pairs)),
            Some((sample, (actual, predicted))) => Err(Error::argument(
                "confusion",
                format!(
                    "sample {sample} is of class {actual}, predicted {predicted}; there are {classes} classes"
                ),
            )),
        }
    }

    /// Of classes that are known to be below `classes`.
    pub(super) fn of_known(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (actual, predicted) in pairs {
            counts[actual * classes + predicted] += 1;
        }
        Confusion { classes, counts }
    }

    /// Of integer tensors of one shape.
    ///
    /// # Errors
    /// When the shapes differ, an element is not an integer type, or a class is not in `0..classes`.
    pub fn of_tensors(classes: usize, actual: &Tensor, predicted: &Tensor) -> Result<Self> {
        if actual.shape() != predicted.shape() {
            return Err(Error::shape(
                "confusion",
                format!(
                    "actual classes of {:?} and predicted ones of {:?}",
                    actual.shape(),
                    predicted.shape()
                ),
            ));
        }
        // A negative class is too large as an unsigned one.
        let class = |c: i64| c as usize;
        let (actual, predicted) = (actual.to_vec::<i64>()?, predicted.to_vec::<i64>()?);
        Self::of(classes, actual.into_iter().map(class).zip(predicted.into_iter().map(class)))
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often class `actual` was taken for class `predicted`.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        if actual.max(predicted) < self.classes { self.counts[actual * self.classes + predicted] } else { 0 }
    }

    /// Number of samples of a class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    /// How often a class was predicted.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|actual| self.count(actual, class)).sum()
    }

    /// Number of samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of samples whose class was predicted. Undefined without samples.
    pub fn accuracy(&self) -> Option<f64> {
        let hits: u64 = (0..self.classes).map(|class| self.count(class, class)).sum();
        finite(hits as f64 / self.total() as f64)
    }

    /// Share of a class among what was taken for it. Undefined for a class that was never predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        finite(self.count(class, class) as f64 / self.predicted(class) as f64)
    }

    /// Share of a class that was found. Undefined for a class without samples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        finite(self.count(class, class) as f64 / self.support(class) as f64)
    }

    /// 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall. Undefined for a class that is neither among
    /// the samples nor among the predictions.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let hits = self.count(class, class) as f64;
        finite(2.0 * hits / (self.support(class) + self.predicted(class)) as f64)
    }

    /// The mean of F1 over the classes that have one.
    pub fn macro_f1(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.f1(class)))
    }

    /// The mean of F1 over samples, each having that of its class.
    pub fn weighted_f1(&self) -> Option<f64> {
        let sum: f64 =
            (0..self.classes).filter_map(|class| Some(self.f1(class)? * self.support(class) as f64)).sum();
        finite(sum / self.total() as f64)
    }

    /// The mean of recall over the classes that have samples.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.recall(class)))
    }
}
