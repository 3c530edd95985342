//! Elementwise loops, made from the table of [`crate::backend::elementwise`].

use crate::Element;
use crate::backend::{Binary, Scalar, Unary, UnaryKind, for_each_binary, for_each_unary};
use crate::layout::{Layout, Runs};

type View<'a, T> = (&'a [T], &'a Layout);

/// Copies between strided views, converting each element.
pub fn copy<T: Copy, U>(x: &[T], from: &Layout, out: &mut [U], to: &Layout, convert: impl Fn(T) -> U) {
    let runs = Runs::new([from, to]);
    runs.each(|[a, b]| {
        if runs.strides == [1, 1] {
            for (o, &v) in out[b..b + runs.n].iter_mut().zip(&x[a..a + runs.n]) {
                *o = convert(v);
            }
        } else {
            for i in 0..runs.n {
                out[b + i * runs.strides[1]] = convert(x[a + i * runs.strides[0]]);
            }
        }
    });
}

/// `out[i] = f(x[i])` over a strided operand.
#[inline(always)]
fn map1<T: Copy>(x: &[T], layout: &Layout, out: &mut [T], f: impl Fn(T) -> T) {
    if let Some(range) = layout.contiguous_range() {
        for (o, &v) in out.iter_mut().zip(&x[range]) {
            *o = f(v);
        }
        return;
    }
    let runs = Runs::new([layout]);
    let mut out = out.chunks_exact_mut(runs.n.max(1));
    runs.each(|[a]| {
        for (i, o) in out.next().into_iter().flatten().enumerate() {
            *o = f(x[a + i * runs.strides[0]]);
        }
    });
}

/// `out[i] = f(a[i], b[i])` over strided operands of one shape.
#[inline(always)]
fn map2<T: Copy>((a, la): View<T>, (b, lb): View<T>, out: &mut [T], f: impl Fn(T, T) -> T) {
    let runs = Runs::new([la, lb]);
    let n = runs.n;
    let mut out = out.chunks_exact_mut(n.max(1));
    runs.each(|[i, j]| {
        let Some(out) = out.next() else { return };
        match runs.strides {
            [1, 1] => {
                for ((o, &x), &y) in out.iter_mut().zip(&a[i..i + n]).zip(&b[j..j + n]) {
                    *o = f(x, y);
                }
            }
            [1, 0] => {
                let y = b[j];
                for (o, &x) in out.iter_mut().zip(&a[i..i + n]) {
                    *o = f(x, y);
                }
            }
            [0, 1] => {
                let x = a[i];
                for (o, &y) in out.iter_mut().zip(&b[j..j + n]) {
                    *o = f(x, y);
                }
            }
            [s, t] => {
                for (k, o) in out.iter_mut().enumerate() {
                    *o = f(a[i + k * s], b[j + k * t]);
                }
            }
        }
    });
}

/// `out[i] = f(a[i], b[i], c[i])` over strided operands of one shape.
#[inline(always)]
fn map3<T: Copy>(a: View<T>, b: View<T>, c: View<T>, out: &mut [T], f: impl Fn(T, T, T) -> T) {
    let runs = Runs::new([a.1, b.1, c.1]);
    let ([s, t, u], n) = (runs.strides, runs.n);
    let mut out = out.chunks_exact_mut(n.max(1));
    runs.each(|[i, j, k]| {
        let Some(out) = out.next() else { return };
        match [s, t, u] {
            [1, 1, 1] => {
                let (x, y, z) = (&a.0[i..i + n], &b.0[j..j + n], &c.0[k..k + n]);
                for (((o, &x), &y), &z) in out.iter_mut().zip(x).zip(y).zip(z) {
                    *o = f(x, y, z);
                }
            }
            [1, 1, 0] => {
                let (x, y, z) = (&a.0[i..i + n], &b.0[j..j + n], c.0[k]);
                for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    *o = f(x, y, z);
                }
            }
            [1, 0, 1] => {
                let (x, y, z) = (&a.0[i..i + n], b.0[j], &c.0[k..k + n]);
                for ((o, &x), &z) in out.iter_mut().zip(x).zip(z) {
                    *o = f(x, y, z);
                }
            }
            _ => {
                for (n, o) in out.iter_mut().enumerate() {
                    *o = f(a.0[i + n * s], b.0[j + n * t], c.0[k + n * u]);
                }
            }
        }
    });
}

macro_rules! unary_kernels {
    ($($name:ident($fn:ident), $formula:literal, |$x:ident, $p:ident| $value:expr, $keep:ident,
       |$k:ident, $q:ident| $derivative:expr, $domain:tt;)*) => {
        pub fn unary<S: Scalar>(op: Unary, x: &[S], layout: &Layout, out: &mut [S]) {
            let constants = op.constants.map(S::from_f64);
            // The match stands outside the loop, so that each row is a loop of its own.
            match op.kind {
                $(UnaryKind::$name => { let $p = constants; let _ = $p; map1(x, layout, out, |$x| $value) })*
            }
        }

        pub fn unary_grad<S: Scalar>(op: Unary, kept: View<S>, g: View<S>, out: &mut [S]) {
            let constants = op.constants.map(S::from_f64);
            match op.kind {
                $(UnaryKind::$name => {
                    let $q = constants;
                    let _ = $q;
                    map2(kept, g, out, |$k, g| { let _ = $k; g * ($derivative) })
                })*
            }
        }
    };
}
for_each_unary!(unary_kernels);

macro_rules! binary_kernels {
    ($($name:ident($fn:ident), $formula:literal, |$a:ident, $b:ident| $value:expr, |$c:ident, $d:ident| $da:expr,
       |$e:ident, $f:ident| $db:expr, $domain:tt;)*) => {
        pub fn binary<S: Scalar>(op: Binary, a: View<S>, b: View<S>, out: &mut [S]) {
            match op {
                $(Binary::$name => map2(a, b, out, |$a, $b| $value),)*
            }
        }

        pub fn binary_grad<S: Scalar>(op: Binary, side: usize, a: View<S>, b: View<S>, g: View<S>, out: &mut [S]) {
            match (op, side) {
                $((Binary::$name, 0) => map3(a, b, g, out, |$c, $d, g| { let _ = ($c, $d); g * ($da) }),
                  (Binary::$name, _) => map3(a, b, g, out, |$e, $f, g| { let _ = ($e, $f); g * ($db) }),)*
            }
        }
    };
}
for_each_binary!(binary_kernels);

/// `a` where the mask is not 0, else `b`.
pub fn select<T: Element + PartialEq>(mask: View<T>, a: View<T>, b: View<T>, out: &mut [T]) {
    map3(mask, a, b, out, |mask, a, b| if mask == T::default() { b } else { a });
}

/// `out[i] += x[i]` between strided views.
pub fn accumulate<T: Scalar>(x: &[T], from: &Layout, out: &mut [T], to: &Layout) {
    let runs = Runs::new([from, to]);
    runs.each(|[a, b]| {
        if runs.strides == [1, 1] {
            for (o, &v) in out[b..b + runs.n].iter_mut().zip(&x[a..a + runs.n]) {
                *o = *o + v;
            }
        } else {
            for i in 0..runs.n {
                let o = &mut out[b + i * runs.strides[1]];
                *o = *o + x[a + i * runs.strides[0]];
            }
        }
    });
}
