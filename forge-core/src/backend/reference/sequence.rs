//! Tables of tokens and moving averages.

use super::Array;
use crate::backend::Scalar;

/// Rows of a table by number, arranged in `shape`.
pub fn embedding<S: Scalar>(table: &Array<S>, index: &[usize], shape: &[usize]) -> Array<S> {
    let width = table.shape[1];
    let data = index.iter().flat_map(|&row| (0..width).map(move |j| table.at(&[row, j]))).collect();
    Array { shape: [shape, &[width]].concat(), data }
}

/// The mean of `kernel` neighbours in time, `[batch, time, features]`, where the first and the last step stand for what
/// lies before and after.
pub fn moving_average<S: Scalar>(x: &Array<S>, kernel: usize) -> Array<S> {
    let before = (kernel - 1) / 2;
    Array::build(&x.shape, |i| {
        let steps = (0..kernel).map(|j| (i[1] + j).saturating_sub(before).min(x.shape[1] - 1));
        let total = Array::total(steps.map(|t| x.at(&[i[0], t, i[2]])));
        total / S::from_f64(kernel as f64)
    })
}
