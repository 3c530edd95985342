//! The oracle: naive loops straight from the definitions, generic over the number.
//!
//! With f64 they give values, with [`Dual`](super::Dual) numbers exact derivatives in a direction. Nothing here shares
//! code with the fast kernels, and nothing here is ever made fast.

mod attention;
mod conv;
mod index;
mod loss;
mod norm;
mod pool;
mod reduce;
mod rnn;
mod sequence;
mod structure;

pub use attention::attention;

pub use conv::{conv_transpose2d, conv2d};
pub use index::{gather, index_select, number, scatter_add, where_};
pub use loss::{Truth, bce_with_logits, cross_entropy, kl_divergence, nll};
pub use norm::{moments, normalise};
pub use pool::{adaptive_pool2d, avg_pool2d, max_pool2d};
pub use reduce::{cumsum, extreme, log_softmax, logsumexp, prod, softmax, std, var};
pub use rnn::{gru, lstm};
pub use sequence::{embedding, moving_average};
pub use structure::{flip, pad, repeat, roll, split, stack, unfold};

use super::{Binary, Random, Scalar, Unary};
use crate::rng::Stream;

/// A row-major array.
#[derive(Clone, Debug)]
pub struct Array<S> {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Vec<S>,
}

impl<S: Scalar> Array<S> {
    /// An array whose element at each index is `f(index)`.
    pub fn build(shape: &[usize], mut f: impl FnMut(&[usize]) -> S) -> Self {
        let count: usize = shape.iter().product();
        let mut index = vec![0; shape.len()];
        let data = (0..count)
            .map(|flat| {
                let mut rest = flat;
                for d in (0..shape.len()).rev() {
                    index[d] = rest % shape[d];
                    rest /= shape[d];
                }
                f(&index)
            })
            .collect();
        Array { shape: shape.to_vec(), data }
    }

    /// The element at an index; dimensions of size 1 repeat, and missing leading ones are ignored.
    pub fn at(&self, index: &[usize]) -> S {
        let lead = index.len() - self.shape.len();
        let flat =
            self.shape.iter().zip(&index[lead..]).fold(0, |flat, (&size, &i)| flat * size + i.min(size - 1));
        self.data[flat]
    }

    /// The values, without derivatives.
    pub fn values(&self) -> Array<f64> {
        Array { shape: self.shape.clone(), data: self.data.iter().map(|v| v.to_f64()).collect() }
    }

    fn total(values: impl Iterator<Item = S>) -> S {
        values.fold(S::zero(), |a, b| a + b)
    }
}

fn broadcast_shape(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], d: usize| (d + s.len()).checked_sub(rank).map_or(1, |k| s[k]);
    (0..rank).map(|d| if size(a, d) == 1 { size(b, d) } else { size(a, d) }).collect()
}

/// Elementwise, one operand.
pub fn unary<S: Scalar>(op: Unary, x: &Array<S>) -> Array<S> {
    let constants = op.constants.map(S::from_f64);
    Array { shape: x.shape.clone(), data: x.data.iter().map(|&v| op.kind.value(v, constants)).collect() }
}

/// Elementwise, two operands, broadcast together.
pub fn binary<S: Scalar>(op: Binary, a: &Array<S>, b: &Array<S>) -> Array<S> {
    Array::build(&broadcast_shape(&a.shape, &b.shape), |i| op.value(a.at(i), b.at(i)))
}

/// `[…, m, k] x […, k, n]`, leading dimensions broadcast.
pub fn matmul<S: Scalar>(a: &Array<S>, b: &Array<S>) -> Array<S> {
    let (ra, rb) = (a.shape.len(), b.shape.len());
    let (m, k, n) = (a.shape[ra - 2], a.shape[ra - 1], b.shape[rb - 1]);
    let mut shape = broadcast_shape(&a.shape[..ra - 2], &b.shape[..rb - 2]);
    shape.extend([m, n]);
    Array::build(&shape, |i| {
        let (lead, at) = i.split_at(i.len() - 2);
        Array::total(
            (0..k).map(|p| a.at(&[lead, &[at[0], p]].concat()) * b.at(&[lead, &[p, at[1]]].concat())),
        )
    })
}

/// Sum over `axes`; kept as size 1 with `keep`.
pub fn sum<S: Scalar>(x: &Array<S>, axes: &[usize], keep: bool) -> Array<S> {
    let kept: Vec<usize> =
        (0..x.shape.len()).map(|d| if axes.contains(&d) { 1 } else { x.shape[d] }).collect();
    let mut out = Array::build(&kept, |_| S::zero());
    let each = Array::build(&x.shape, |i| {
        let to = kept.iter().zip(i).fold(0, |flat, (&size, &i)| flat * size + i.min(size.max(1) - 1));
        out.data[to] = out.data[to] + x.at(i);
        S::zero()
    });
    drop(each);
    if !keep {
        out.shape = (0..x.shape.len()).filter(|d| !axes.contains(d)).map(|d| x.shape[d]).collect();
    }
    out
}

/// Another shape over the same elements.
pub fn reshape<S: Scalar>(x: &Array<S>, shape: &[usize]) -> Array<S> {
    Array { shape: shape.to_vec(), data: x.data.clone() }
}

/// Another order of dimensions.
pub fn permute<S: Scalar>(x: &Array<S>, order: &[usize]) -> Array<S> {
    let shape: Vec<usize> = order.iter().map(|&d| x.shape[d]).collect();
    Array::build(&shape, |i| {
        let mut from = vec![0; order.len()];
        order.iter().zip(i).for_each(|(&d, &i)| from[d] = i);
        x.at(&from)
    })
}

/// `len` elements of one dimension from `start` in steps of `step`.
pub fn slice<S: Scalar>(x: &Array<S>, axis: usize, start: usize, len: usize, step: usize) -> Array<S> {
    let mut shape = x.shape.clone();
    shape[axis] = len;
    Array::build(&shape, |i| {
        let mut from = i.to_vec();
        from[axis] = start + i[axis] * step;
        x.at(&from)
    })
}

/// Repeats dimensions of size 1 to reach `shape`.
pub fn expand<S: Scalar>(x: &Array<S>, shape: &[usize]) -> Array<S> {
    Array::build(shape, |i| x.at(i))
}

/// Side by side along one dimension.
pub fn concat<S: Scalar>(parts: &[Array<S>], axis: usize) -> Array<S> {
    let mut shape = parts[0].shape.clone();
    shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
    Array::build(&shape, |i| {
        let mut from = i.to_vec();
        for part in parts {
            if from[axis] < part.shape[axis] {
                return part.at(&from);
            }
            from[axis] -= part.shape[axis];
        }
        S::zero()
    })
}

/// Inverted dropout with the factors of a stream.
pub fn dropout<S: Scalar>(x: &Array<S>, keep: f64, stream: &Stream) -> Array<S> {
    let factor = |i| S::from_f64(Random::Mask { keep }.draw(stream, i));
    Array { shape: x.shape.clone(), data: x.data.iter().enumerate().map(|(i, &v)| v * factor(i)).collect() }
}

/// Mean of squared differences.
pub fn mse<S: Scalar>(a: &Array<S>, b: &Array<S>) -> Array<S> {
    let squares = Array::total(a.data.iter().zip(&b.data).map(|(&x, &y)| (x - y) * (x - y)));
    Array { shape: vec![], data: vec![squares / S::from_f64(a.data.len() as f64)] }
}

/// Mean of absolute differences.
pub fn mae<S: Scalar>(a: &Array<S>, b: &Array<S>) -> Array<S> {
    let total = Array::total(a.data.iter().zip(&b.data).map(|(&x, &y)| (x - y).abs()));
    Array { shape: vec![], data: vec![total / S::from_f64(a.data.len() as f64)] }
}

/// Huber's loss: ½ c² + δ (|d| - c) with c = min(|d|, δ).
pub fn huber<S: Scalar>(a: &Array<S>, b: &Array<S>, delta: f64) -> Array<S> {
    let delta = S::from_f64(delta);
    let penalty = |(&x, &y): (&S, &S)| {
        let d = if x < y { y - x } else { x - y };
        let c = if d < delta { d } else { delta };
        c * c / S::from_f64(2.0) + delta * (d - c)
    };
    let total = Array::total(a.data.iter().zip(&b.data).map(penalty));
    Array { shape: vec![], data: vec![total / S::from_f64(a.data.len() as f64)] }
}

/// The pinball loss of quantiles in the last dimension of `prediction`.
pub fn pinball<S: Scalar>(prediction: &Array<S>, target: &Array<S>, quantiles: &[f64]) -> Array<S> {
    let penalty = |(i, &p): (usize, &S)| {
        let (y, q) = (target.data[i / quantiles.len()], quantiles[i % quantiles.len()]);
        if p < y { S::from_f64(q) * (y - p) } else { S::from_f64(1.0 - q) * (p - y) }
    };
    let total = Array::total(prediction.data.iter().enumerate().map(penalty));
    Array { shape: vec![], data: vec![total / S::from_f64(prediction.data.len() as f64)] }
}
