//! Reductions along one or several dimensions.

use super::{Array, sum};
use crate::backend::Scalar;

/// For each index of the other dimensions, a function of the elements over `axes`, which get the size 1.
fn over<S: Scalar>(x: &Array<S>, axes: &[usize], f: impl Fn(Vec<S>) -> S) -> Array<S> {
    let mut kept = x.shape.clone();
    axes.iter().for_each(|&d| kept[d] = 1);
    Array::build(&kept, |to| {
        let mut slice = Vec::new();
        Array::build(&x.shape, |i| {
            if i.iter().zip(to).enumerate().all(|(d, (a, b))| axes.contains(&d) || a == b) {
                slice.push(x.at(i));
            }
            0.0
        });
        f(slice)
    })
}

fn without<S>(mut x: Array<S>, axes: &[usize], keep: bool) -> Array<S> {
    if !keep {
        let sizes = x.shape.iter().enumerate();
        x.shape = sizes.filter(|(d, _)| !axes.contains(d)).map(|(_, &n)| n).collect();
    }
    x
}

/// The first of the largest or smallest elements along one dimension, and its position; NaN is more extreme than any.
pub fn extreme<S: Scalar>(x: &Array<S>, axis: usize, largest: bool, keep: bool) -> (Array<S>, Array<S>) {
    let at = |slice: &[S]| {
        let nan = slice.iter().position(|v| v.is_nan());
        let beats = |a: &S, b: &S| if largest { a >= b } else { a <= b };
        nan.or_else(|| slice.iter().position(|v| slice.iter().all(|w| beats(v, w)))).unwrap_or(0)
    };
    let values = over(x, &[axis], |slice| slice[at(&slice)]);
    let positions = over(x, &[axis], |slice| S::from_f64(at(&slice) as f64));
    (without(values, &[axis], keep), without(positions, &[axis], keep))
}

/// Product along one dimension.
pub fn prod<S: Scalar>(x: &Array<S>, axis: usize, keep: bool) -> Array<S> {
    without(over(x, &[axis], |s| s.into_iter().fold(S::one(), |a, b| a * b)), &[axis], keep)
}

/// Sum of an element and all before it along one dimension.
pub fn cumsum<S: Scalar>(x: &Array<S>, axis: usize) -> Array<S> {
    Array::build(&x.shape, |i| {
        let mut from = i.to_vec();
        Array::total((0..=i[axis]).map(|k| {
            from[axis] = k;
            x.at(&from)
        }))
    })
}

/// Sum of squared distances from the mean, divided by the count less `correction`.
pub fn var<S: Scalar>(x: &Array<S>, axes: &[usize], correction: usize, keep: bool) -> Array<S> {
    let variance = over(x, axes, |slice| {
        let n = slice.len();
        let mean = Array::total(slice.iter().copied()) / S::from_f64(n as f64);
        let squares = Array::total(slice.iter().map(|&v| (v - mean) * (v - mean)));
        squares / S::from_f64((n - correction) as f64)
    });
    without(variance, axes, keep)
}

/// Square root of the variance.
pub fn std<S: Scalar>(x: &Array<S>, axes: &[usize], correction: usize, keep: bool) -> Array<S> {
    let mut out = var(x, axes, correction, keep);
    out.data.iter_mut().for_each(|v| *v = v.sqrt());
    out
}

/// ln Σ eˣ, for values whose exponential is a number.
pub fn logsumexp<S: Scalar>(x: &Array<S>, axes: &[usize], keep: bool) -> Array<S> {
    let mut out =
        sum(&Array { shape: x.shape.clone(), data: x.data.iter().map(|v| v.exp()).collect() }, axes, keep);
    out.data.iter_mut().for_each(|v| *v = v.ln());
    out
}

/// eˣ / Σ eˣ, for values whose exponential is a number.
pub fn softmax<S: Scalar>(x: &Array<S>, axis: usize) -> Array<S> {
    let total = over(x, &[axis], |slice| Array::total(slice.iter().map(|v| v.exp())));
    Array::build(&x.shape, |i| x.at(i).exp() / total.at(i))
}

/// x - ln Σ eˣ, for values whose exponential is a number.
pub fn log_softmax<S: Scalar>(x: &Array<S>, axis: usize) -> Array<S> {
    let total = over(x, &[axis], |slice| Array::total(slice.iter().map(|v| v.exp())));
    Array::build(&x.shape, |i| x.at(i) - total.at(i).ln())
}
