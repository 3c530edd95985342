//! Sums, in an order that depends on the shape alone.

use crate::backend::Scalar;
use crate::layout::{Layout, Runs};

/// Sums the trailing `axes` dimensions.
pub fn sum<T: Scalar>(x: &[T], layout: &Layout, axes: usize, out: &mut [T]) {
    let kept = layout.rank() - axes;
    let (keep, drop) = (layout.leading(kept), layout.trailing(kept));
    let inner = Runs::new([&drop]);
    // Side by side in the kept dimension: add whole rows, so that memory is read in order.
    if kept > 0 && layout.strides()[kept - 1] == 1 && !(inner.strides[0] == 1 && inner.n > 1) {
        out.fill(T::zero());
        let rows = Runs::new([&keep]);
        if rows.strides[0] == 1 {
            let mut out = out.chunks_exact_mut(rows.n.max(1));
            rows.each(|[start]| {
                let Some(out) = out.next() else { return };
                inner.each(|[at]| {
                    for i in 0..inner.n {
                        let from = start + at + i * inner.strides[0];
                        for (o, &v) in out.iter_mut().zip(&x[from..from + rows.n]) {
                            *o = *o + v;
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
            let mut total = T::zero();
            inner.each(|[at]| {
                let from = base + at;
                total = total
                    + match inner.strides[0] {
                        1 => pairwise(&x[from..from + inner.n]),
                        s => strided(x, from, s, inner.n),
                    };
            });
            *o = total;
        }
    });
}

/// Pairwise summation: the error grows with log n, not n. Eight lanes at the bottom, so that it vectorises.
fn pairwise<T: Scalar>(x: &[T]) -> T {
    const BLOCK: usize = 128;
    if x.len() > BLOCK {
        let half = (x.len() / 2).next_multiple_of(8);
        return pairwise(&x[..half]) + pairwise(&x[half..]);
    }
    let mut lanes = [T::zero(); 8];
    let chunks = x.chunks_exact(8);
    let tail = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = *lane + v;
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(tail) {
        *lane = *lane + v;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

fn strided<T: Scalar>(x: &[T], from: usize, stride: usize, n: usize) -> T {
    if n > 128 {
        let half = n / 2;
        return strided(x, from, stride, half) + strided(x, from + half * stride, stride, n - half);
    }
    (0..n).fold(T::zero(), |total, i| total + x[from + i * stride])
}
