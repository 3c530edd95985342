//! Pooling, straight from its definitions.

use super::Array;
use crate::backend::{Scalar, Window};

/// Where element k of the kernel lies in the image at place i, if it is not padding.
fn inside(window: &Window, d: usize, size: usize, i: usize, k: usize) -> Option<usize> {
    let at = i * window.stride[d] + k * window.dilation[d];
    if at < window.padding[d][0] { None } else { Some(at - window.padding[d][0]) }.filter(|&at| at < size)
}

/// The largest element under the kernel, the first of equal ones.
pub fn max_pool2d<S: Scalar>(x: &Array<S>, window: &Window, places: [usize; 2]) -> Array<S> {
    Array::build(&[x.shape[0], x.shape[1], places[0], places[1]], |at| {
        let mut best: Option<S> = None;
        for p in 0..window.kernel[0] {
            for q in 0..window.kernel[1] {
                let row = inside(window, 0, x.shape[2], at[2], p);
                let col = inside(window, 1, x.shape[3], at[3], q);
                if let (Some(row), Some(col)) = (row, col) {
                    let v = x.at(&[at[0], at[1], row, col]);
                    if best.is_none_or(|b| v > b || v.is_nan()) {
                        best = Some(v);
                    }
                }
            }
        }
        best.unwrap_or(S::zero())
    })
}

/// The sum under the kernel, divided by its elements in the image and, with `count_padding`, in the padding.
pub fn avg_pool2d<S: Scalar>(
    x: &Array<S>,
    window: &Window,
    places: [usize; 2],
    count_padding: bool,
) -> Array<S> {
    let counted = |d: usize, i: usize, k: usize| {
        let end = window.padding[d][0] + x.shape[2 + d] + window.padding[d][1];
        i * window.stride[d] + k * window.dilation[d] < end
    };
    Array::build(&[x.shape[0], x.shape[1], places[0], places[1]], |at| {
        let (mut total, mut count) = (S::zero(), 0.0);
        for p in 0..window.kernel[0] {
            for q in 0..window.kernel[1] {
                let row = inside(window, 0, x.shape[2], at[2], p);
                let col = inside(window, 1, x.shape[3], at[3], q);
                if let (Some(row), Some(col)) = (row, col) {
                    total = total + x.at(&[at[0], at[1], row, col]);
                    count += 1.0;
                } else if count_padding && counted(0, at[2], p) && counted(1, at[3], q) {
                    count += 1.0;
                }
            }
        }
        total / S::from_f64(count)
    })
}

/// The parts that [`Parts::Adaptive`](crate::backend::Parts::Adaptive) cuts an image into, each reduced by `f`.
pub fn adaptive_pool2d<S: Scalar>(x: &Array<S>, counts: [usize; 2], f: impl Fn(&[S]) -> S) -> Array<S> {
    let part = |d: usize, i: usize| {
        let (size, n) = (x.shape[2 + d] as f64, counts[d] as f64);
        (i as f64 * size / n).floor() as usize..((i + 1) as f64 * size / n).ceil() as usize
    };
    Array::build(&[x.shape[0], x.shape[1], counts[0], counts[1]], |at| {
        let mut elements = Vec::new();
        for row in part(0, at[2]) {
            for col in part(1, at[3]) {
                elements.push(x.at(&[at[0], at[1], row, col]));
            }
        }
        f(&elements)
    })
}
