//! `adaptive_max_pool` and `adaptive_avg_pool`: the largest or the mean element of so many parts as are asked for.

use super::image::{check_positive, rows_and_columns};
use super::pool::{input, pool};
use super::sample::{ErrorSample, Operation, Sample, sample};
use crate::backend::reference::{self, Array};
use crate::backend::{Parts, PoolKind, Scalar};
use crate::{Result, Tensor};

/// Adaptive parts have no padding.
pub const AVERAGE: PoolKind = PoolKind::Average { count_padding: false };

/// `op` names it in errors.
pub fn adaptive<const D: usize>(
    op: &'static str,
    x: &Tensor,
    kind: PoolKind,
    counts: [usize; D],
) -> Result<Tensor> {
    pool::<D>(op, x, kind, |_| {
        check_positive(op, "size", counts)?;
        Ok(Parts::Adaptive(rows_and_columns(counts, 1)))
    })
}

impl Tensor {
    /// The mean of each of `size` parts that cover the length: `[batch, channels, length]` → `[batch, channels, size]`.
    /// Part i of n has the elements from ⌊i length / n⌋ to before ⌈(i + 1) length / n⌉, so that parts may overlap. As
    /// PyTorch's `adaptive_avg_pool1d`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 1, 5])?;
    /// assert_eq!(x.adaptive_avg_pool1d(2)?.to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `size` is 0, or the operand is no sequence or has no element.
    pub fn adaptive_avg_pool1d(&self, size: usize) -> Result<Tensor> {
        adaptive("adaptive_avg_pool1d", self, AVERAGE, [size])
    }

    /// The mean of each of `size` rows and columns of parts that cover the image: `[batch, channels, height, width]` →
    /// `[batch, channels, rows, columns]`, cut as in [`adaptive_avg_pool1d`](Tensor::adaptive_avg_pool1d).
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 1, 2, 3])?;
    /// assert_eq!(x.adaptive_avg_pool2d([1, 2])?.to_vec::<f32>()?, [3.0, 4.0]); // columns 0 and 1, columns 1 and 2
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a size is 0, or the operand is no image or has no element.
    pub fn adaptive_avg_pool2d(&self, size: [usize; 2]) -> Result<Tensor> {
        adaptive("adaptive_avg_pool2d", self, AVERAGE, size)
    }

    /// The largest element of each of `size` parts, cut as in
    /// [`adaptive_avg_pool1d`](Tensor::adaptive_avg_pool1d). The gradient goes to the first of equal ones.
    ///
    /// `[batch, channels, length]` → `[batch, channels, size]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 7.0, 4.0, 5.0], &[1, 1, 5])?;
    /// assert_eq!(x.adaptive_max_pool1d(2)?.to_vec::<f32>()?, [7.0, 7.0]); // the middle is in both parts
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `size` is 0, or the operand is no sequence or has no element.
    pub fn adaptive_max_pool1d(&self, size: usize) -> Result<Tensor> {
        adaptive("adaptive_max_pool1d", self, PoolKind::Max, [size])
    }

    /// The largest element of each of `size` rows and columns of parts, cut as in
    /// [`adaptive_avg_pool1d`](Tensor::adaptive_avg_pool1d). The gradient goes to the first of equal ones, row by row.
    ///
    /// `[batch, channels, height, width]` → `[batch, channels, rows, columns]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 9.0, 6.0], &[1, 1, 2, 3])?;
    /// assert_eq!(x.adaptive_max_pool2d([2, 1])?.to_vec::<f32>()?, [3.0, 9.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a size is 0, or the operand is no image or has no element.
    pub fn adaptive_max_pool2d(&self, size: [usize; 2]) -> Result<Tensor> {
        adaptive("adaptive_max_pool2d", self, PoolKind::Max, size)
    }
}

/// The registry's entries.
pub fn operations() -> Vec<Operation> {
    let of = |name, formula, samples, errors| Operation { name, formula, samples, errors };
    let (max, average) = ("max x in each part, the first of equal ones", "mean of x in each part");
    vec![
        of("adaptive_max_pool1d", max, || samples1d(true), Vec::new),
        of("adaptive_max_pool2d", max, || samples2d(true), Vec::new),
        of("adaptive_avg_pool1d", average, || samples1d(false), errors),
        of("adaptive_avg_pool2d", average, || samples2d(false), Vec::new),
    ]
}

fn oracle<S: Scalar>(max: bool, x: &Array<S>, counts: [usize; 2]) -> Array<S> {
    reference::adaptive_pool2d(x, counts, |part| match max {
        true => part.iter().copied().fold(part[0], |best, v| if v > best { v } else { best }),
        false => part.iter().fold(S::zero(), |sum, &v| sum + v) / S::from_f64(part.len() as f64),
    })
}

fn samples2d(max: bool) -> Vec<Sample> {
    // Sizes that divide the image's and sizes that do not, fewer and more parts than elements, rows unlike columns.
    let cases: [(&[usize], [usize; 2]); 6] = [
        (&[1, 1, 1, 1], [1, 1]),
        (&[2, 2, 4, 6], [2, 3]),
        (&[1, 2, 5, 7], [3, 2]),
        (&[1, 1, 3, 2], [5, 3]),
        (&[2, 3, 4, 5], [1, 1]),
        (&[0, 2, 4, 4], [2, 2]),
    ];
    let of = |(shape, size): (&[usize], [usize; 2])| {
        let run = move |x: &Tensor| match max {
            true => x.adaptive_max_pool2d(size),
            false => x.adaptive_avg_pool2d(size),
        };
        sample!(format!("{shape:?} to {size:?}"), vec![input(max, shape)], |x| run(&x[0])?, |r| {
            oracle(max, &r[0], size)
        })
    };
    cases.into_iter().map(of).chain([of((&[2, 3, 4, 5], [3, 2])).turned()]).collect()
}

fn samples1d(max: bool) -> Vec<Sample> {
    let cases: [(&[usize], usize); 3] = [(&[1, 1, 4], 1), (&[2, 2, 7], 3), (&[1, 2, 3], 5)];
    let of = |(shape, size): (&[usize], usize)| {
        let run = move |x: &Tensor| match max {
            true => x.adaptive_max_pool1d(size),
            false => x.adaptive_avg_pool1d(size),
        };
        sample!(format!("{shape:?} to {size}"), vec![input(max, shape)], |x| run(&x[0])?, |r| {
            let [a, b, length] = [0, 1, 2].map(|d| r[0].shape[d]);
            let y = oracle(max, &reference::reshape(&r[0], &[a, b, 1, length]), [1, size]);
            reference::reshape(&y, &[a, b, size])
        })
    };
    cases.into_iter().map(of).collect()
}

fn errors() -> Vec<ErrorSample> {
    let pool = |shape: &'static [usize], size: usize| {
        move || Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())?.adaptive_avg_pool1d(size)
    };
    vec![
        ErrorSample::new("adaptive_avg_pool1d: x is [2, 3], not [batch, channels, length]", pool(&[2, 3], 1)),
        ErrorSample::new("adaptive_avg_pool1d: size [0] must be at least 1 everywhere", pool(&[2, 3, 4], 0)),
    ]
}
