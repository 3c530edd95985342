//! The same elements in other places.

use super::{Array, slice};
use crate::backend::Scalar;

/// Side by side along a new dimension.
pub fn stack<S: Scalar>(parts: &[Array<S>], axis: usize) -> Array<S> {
    let mut shape = parts[0].shape.clone();
    shape.insert(axis, parts.len());
    Array::build(&shape, |i| {
        let mut from = i.to_vec();
        let part = from.remove(axis);
        parts[part].at(&from)
    })
}

/// Pieces of these sizes.
pub fn split<S: Scalar>(x: &Array<S>, axis: usize, sizes: &[usize]) -> Vec<Array<S>> {
    let starts = sizes.iter().scan(0, |at, size| Some(std::mem::replace(at, *at + size)));
    starts.zip(sizes).map(|(start, &size)| slice(x, axis, start, size, 1)).collect()
}

/// Room before and after each dimension, filled by `outside`: the element at a distance from the start of a dimension of
/// some size, or none for the constant `value`.
pub fn pad<S: Scalar>(
    x: &Array<S>,
    room: &[(usize, usize)],
    value: f64,
    outside: fn(isize, isize) -> Option<isize>,
) -> Array<S> {
    let shape: Vec<usize> = x.shape.iter().zip(room).map(|(n, (a, b))| n + a + b).collect();
    Array::build(&shape, |i| {
        let mut from = vec![0; i.len()];
        for d in 0..i.len() {
            let (at, size) = (i[d] as isize - room[d].0 as isize, x.shape[d] as isize);
            let at = if (0..size).contains(&at) { Some(at) } else { outside(at, size) };
            let Some(at) = at else { return S::from_f64(value) };
            from[d] = at as usize;
        }
        x.at(&from)
    })
}

/// Dimensions in reverse.
pub fn flip<S: Scalar>(x: &Array<S>, axes: &[usize]) -> Array<S> {
    Array::build(&x.shape, |i| {
        let mut from = i.to_vec();
        axes.iter().for_each(|&d| from[d] = x.shape[d] - 1 - i[d]);
        x.at(&from)
    })
}

/// Sliding windows, as a new last dimension.
pub fn unfold<S: Scalar>(x: &Array<S>, axis: usize, size: usize, step: usize) -> Array<S> {
    let mut shape = x.shape.clone();
    shape[axis] = (x.shape[axis] - size) / step + 1;
    shape.push(size);
    Array::build(&shape, |i| {
        let mut from = i[..i.len() - 1].to_vec();
        from[axis] = i[axis] * step + i[i.len() - 1];
        x.at(&from)
    })
}

/// All elements of a dimension again and again.
pub fn repeat<S: Scalar>(x: &Array<S>, times: &[usize]) -> Array<S> {
    let shape: Vec<usize> = x.shape.iter().zip(times).map(|(n, t)| n * t).collect();
    Array::build(&shape, |i| x.at(&i.iter().zip(&x.shape).map(|(i, n)| i % n).collect::<Vec<_>>()))
}

/// Elements moved on by `shift`; those beyond the end come in at the start.
pub fn roll<S: Scalar>(x: &Array<S>, axis: usize, shift: isize) -> Array<S> {
    Array::build(&x.shape, |i| {
        let mut from = i.to_vec();
        from[axis] = (i[axis] as isize - shift).rem_euclid(x.shape[axis] as isize) as usize;
        x.at(&from)
    })
}
