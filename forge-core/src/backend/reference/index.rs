//! Elements chosen by positions and masks.

use super::{Array, broadcast_shape};
use crate::backend::Scalar;

/// One number without dimensions.
pub fn number<S: Scalar>(value: f64) -> Array<S> {
    Array { shape: vec![], data: vec![S::from_f64(value)] }
}

/// Elements of `a` where the mask is not 0, else of `b`.
pub fn where_<S: Scalar>(mask: &Array<f64>, a: &Array<S>, b: &Array<S>) -> Array<S> {
    let shape = broadcast_shape(&mask.shape, &broadcast_shape(&a.shape, &b.shape));
    Array::build(&shape, |i| if mask.at(i) == 0.0 { b.at(i) } else { a.at(i) })
}

/// The index with one of its numbers replaced.
fn with(i: &[usize], axis: usize, at: usize) -> Vec<usize> {
    let mut to = i.to_vec();
    to[axis] = at;
    to
}

/// The indexed slices of one dimension.
pub fn index_select<S: Scalar>(x: &Array<S>, axis: usize, index: &[usize]) -> Array<S> {
    Array::build(&with(&x.shape, axis, index.len()), |i| x.at(&with(i, axis, index[i[axis]])))
}

/// A position along one dimension for each element.
pub fn gather<S: Scalar>(x: &Array<S>, axis: usize, index: &Array<f64>) -> Array<S> {
    Array::build(&index.shape, |i| x.at(&with(i, axis, index.at(i) as usize)))
}

/// Elements of `source` added to those of `x` that the index names.
pub fn scatter_add<S: Scalar>(x: &Array<S>, axis: usize, index: &Array<f64>, source: &Array<S>) -> Array<S> {
    Array::build(&x.shape, |to| {
        let mut total = x.at(to);
        Array::build(&index.shape, |i| {
            if with(i, axis, index.at(i) as usize) == to {
                total = total + source.at(i);
            }
            0.0
        });
        total
    })
}
