//! Reductions and running reductions, in an order that depends on the shape alone.

use crate::Element;
use crate::backend::{Extreme, Reduce, Scan};
use crate::layout::{Dims, Layout, Runs};

/// An element type with the operations of [`Reduce`].
pub trait Reducible: Element + PartialOrd {
    const ZERO: Self;
    const ONE: Self;
    const LOWEST: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The larger, or NaN if either is.
    fn larger(self, other: Self) -> Self {
        if self > other || self.is_nan() { self } else { other }
    }
    fn is_nan(self) -> bool;
}

macro_rules! reducible {
    ($type:ty, $zero:literal, $one:literal, $lowest:expr, |$a:ident, $b:ident| $plus:expr, $times:expr, $nan:expr) => {
        impl Reducible for $type {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LOWEST: Self = $lowest;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $plus
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $times
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                let $a = self;
                $nan
            }
        }
    };
}
reducible!(f32, 0.0, 1.0, f32::NEG_INFINITY, |a, b| a + b, a * b, f32::is_nan(a));
reducible!(f64, 0.0, 1.0, f64::NEG_INFINITY, |a, b| a + b, a * b, f64::is_nan(a));
// Integers wrap around, as they do everywhere else in numerics.
reducible!(i64, 0, 1, i64::MIN, |a, b| a.wrapping_add(b), a.wrapping_mul(b), {
    let _ = a;
    false
});

/// Runs `$body` with the operation's identity and function, a loop of its own for each.
macro_rules! with_operation {
    ($op:expr, $T:ident, |$identity:ident, $combine:ident| $body:expr) => {
        match $op {
            Reduce::Sum => {
                let ($identity, $combine) = ($T::ZERO, $T::plus);
                $body
            }
            Reduce::Prod => {
                let ($identity, $combine) = ($T::ONE, $T::times);
                $body
            }
            Reduce::Max => {
                let ($identity, $combine) = ($T::LOWEST, $T::larger);
                $body
            }
        }
    };
}

/// Reduces the trailing `axes` dimensions.
pub fn reduce<T: Reducible>(op: Reduce, x: &[T], layout: &Layout, axes: usize, out: &mut [T]) {
    with_operation!(op, T, |identity, combine| fold(x, layout, axes, out, identity, combine));
}

#[inline(always)]
fn fold<T: Copy>(
    x: &[T],
    layout: &Layout,
    axes: usize,
    out: &mut [T],
    identity: T,
    f: impl Fn(T, T) -> T + Copy,
) {
    let kept = layout.rank() - axes;
    let (keep, drop) = (layout.leading(kept), layout.trailing(kept));
    let inner = Runs::new([&drop]);
    // Side by side in the kept dimension: take whole rows, so that memory is read in order.
    if kept > 0 && layout.strides()[kept - 1] == 1 && !(inner.strides[0] == 1 && inner.n > 1) {
        out.fill(identity);
        let rows = Runs::new([&keep]);
        if rows.strides[0] == 1 {
            let mut out = out.chunks_exact_mut(rows.n.max(1));
            rows.each(|[start]| {
                let Some(out) = out.next() else { return };
                inner.each(|[at]| {
                    for i in 0..inner.n {
                        let from = start + at + i * inner.strides[0];
                        for (o, &v) in out.iter_mut().zip(&x[from..from + rows.n]) {
                            *o = f(*o, v);
                        }
                    }
                });
            });
            return;
        }
    }
    let outer = Runs::new([&keep]);
    let mut out = out.iter_mut();
    outer.each(|[start]| {
        for k in 0..outer.n {
            let Some(o) = out.next() else { return };
            let base = start + k * outer.strides[0];
            let mut total = identity;
            inner.each(|[at]| {
                let from = base + at;
                let part = match inner.strides[0] {
                    1 => pairwise(&x[from..from + inner.n], identity, f),
                    s => strided(x, from, s, inner.n, identity, f),
                };
                total = f(total, part);
            });
            *o = total;
        }
    });
}

/// In pairs: the error of a sum grows with log n, not n. Eight lanes at the bottom, so that it vectorises.
fn pairwise<T: Copy>(x: &[T], identity: T, f: impl Fn(T, T) -> T + Copy) -> T {
    const BLOCK: usize = 128;
    if x.len() > BLOCK {
        let half = (x.len() / 2).next_multiple_of(8);
        return f(pairwise(&x[..half], identity, f), pairwise(&x[half..], identity, f));
    }
    let mut lanes = [identity; 8];
    let chunks = x.chunks_exact(8);
    let tail = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = f(*lane, v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(tail) {
        *lane = f(*lane, v);
    }
    let [a, b, c, d, e, g, h, i] = lanes;
    f(f(f(a, b), f(c, d)), f(f(e, g), f(h, i)))
}

fn strided<T: Copy>(
    x: &[T],
    from: usize,
    stride: usize,
    n: usize,
    identity: T,
    f: impl Fn(T, T) -> T + Copy,
) -> T {
    if n > 128 {
        let half = n / 2;
        let rest = strided(x, from + half * stride, stride, n - half, identity, f);
        return f(strided(x, from, stride, half, identity, f), rest);
    }
    (0..n).fold(identity, |total, i| f(total, x[from + i * stride]))
}

/// The position of an extreme along the last dimension: the first of equals, NaN before all.
pub fn position<T: Reducible>(of: Extreme, x: &[T], layout: &Layout, out: &mut [i64]) {
    match of {
        Extreme::Max => first(x, layout, out, |v, best| v > best),
        Extreme::Min => first(x, layout, out, |v, best| v < best),
    }
}

#[inline(always)]
fn first<T: Reducible>(x: &[T], layout: &Layout, out: &mut [i64], better: impl Fn(T, T) -> bool) {
    let last = layout.rank() - 1;
    let (n, stride) = (layout.shape()[last], layout.strides()[last]);
    let rows = Runs::new([&layout.leading(last)]);
    let mut out = out.iter_mut();
    rows.each(|[start]| {
        for (k, o) in out.by_ref().take(rows.n).enumerate() {
            let base = start + k * rows.strides[0];
            let (mut at, mut best) = (0, x[base]);
            for i in 1..n {
                let v = x[base + i * stride];
                if better(v, best) || (v.is_nan() && !best.is_nan()) {
                    (at, best) = (i, v);
                }
            }
            *o = at as i64;
        }
    });
}

/// A running reduction in place, over row-major elements.
pub fn scan<T: Reducible>(scan: Scan, shape: &Dims, out: &mut [T]) {
    with_operation!(scan.op, T, |identity, combine| running(scan, shape, out, identity, combine));
}

#[inline(always)]
fn running<T: Copy>(scan: Scan, shape: &Dims, out: &mut [T], identity: T, f: impl Fn(T, T) -> T) {
    let width: usize = shape[scan.axis + 1..].iter().product();
    let block = shape[scan.axis] * width;
    if block == 0 {
        return;
    }
    for out in out.chunks_exact_mut(block) {
        for k in 0..width {
            let mut total = identity;
            for i in 0..shape[scan.axis] {
                let at = if scan.reverse { shape[scan.axis] - 1 - i } else { i } * width + k;
                let next = f(total, out[at]);
                out[at] = if scan.exclusive { total } else { next };
                total = next;
            }
        }
    }
}
