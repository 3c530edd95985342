//! Elementwise loops, made from the table of [`crate::backend::elementwise`].
//!
//! Each row is one plain loop over contiguous slices, compiled for each instruction set. Strided operands come to it in
//! blocks that are gathered first, so that a row is not compiled for every way in which memory can lie.

use super::functions::{self, OfRegisters, registers};
use super::ranges::ranges;
use super::simd::{Elementary, Float, Kernel};
use crate::Element;
use crate::backend::{Binary, Scalar, Unary, UnaryKind, for_each_binary, for_each_unary};
use crate::layout::{Layout, Runs};

type View<'a, T> = (&'a [T], &'a Layout);

/// Elements that are gathered at a time.
const BLOCK: usize = 256;
/// Inner runs below this are gathered several at a time.
const SHORT: usize = 32;

/// Copies between strided views, converting each element.
pub fn copy<T: Copy, U>(x: &[T], from: &Layout, out: &mut [U], to: &Layout, convert: impl Fn(T) -> U) {
    let runs = Runs::new([from, to]);
    let (n, [from, to]) = (runs.n, runs.strides);
    runs.each(|[a, b]| {
        // One check a run, of its last elements.
        let (x, out) = (&x[a..=a + (n - 1) * from], &mut out[b..=b + (n - 1) * to]);
        match (from, to) {
            (1, 1) => out.iter_mut().zip(x).for_each(|(o, v)| *o = convert(*v)),
            (_, 1) => {
                for (i, o) in out.iter_mut().enumerate() {
                    // SAFETY: `out` holds n elements, so i is below n; `x` reaches to its own last one.
                    *o = convert(unsafe { *x.get_unchecked(i * from) });
                }
            }
            _ => (0..n).for_each(|i| out[i * to] = convert(x[i * from])),
        }
    });
}

/// A map of contiguous slices of one length to another such.
type Flat<'a, T, const N: usize> = dyn Fn([&[T]; N], &mut [T]) + Sync + 'a;

/// Applies `flat` to operands of one shape, however they lie; `out` is row-major.
fn apply<T: Float, const N: usize>(operands: [View<T>; N], out: &mut [T], flat: &Flat<T, N>) {
    let mut slices: [&[T]; N] = [&[]; N];
    for (slice, (x, layout)) in slices.iter_mut().zip(&operands) {
        match layout.contiguous_range().and_then(|range| x.get(range)) {
            Some(range) => *slice = range,
            None => return in_blocks(operands, out, flat),
        }
    }
    ranges([out], slices, |[out], x| flat(x, out));
}

/// Applies `flat` block by block, gathering the operands whose elements do not lie side by side.
#[inline(never)]
fn in_blocks<T: Float, const N: usize>(operands: [View<T>; N], mut out: &mut [T], flat: &Flat<T, N>) {
    let runs = Runs::new(operands.map(|(_, layout)| layout));
    let (n, strides) = (runs.n, runs.strides);
    let mut blocks = [[T::default(); BLOCK]; N];
    if n < SHORT {
        let mut filled = 0;
        runs.each(|starts| {
            if filled + n > BLOCK {
                flush(&blocks, filled, &mut out, flat);
                filled = 0;
            }
            for (block, ((&(x, _), start), stride)) in
                blocks.iter_mut().zip(operands.iter().zip(starts).zip(strides))
            {
                for (i, b) in block[filled..filled + n].iter_mut().enumerate() {
                    *b = x[start + i * stride];
                }
            }
            filled += n;
        });
        flush(&blocks, filled, &mut out, flat);
        return;
    }
    let piece = if strides == [1; N] { n } else { BLOCK };
    runs.each(|starts| {
        for from in (0..n).step_by(piece) {
            let len = piece.min(n - from);
            for (block, ((&(x, _), start), stride)) in
                blocks.iter_mut().zip(operands.iter().zip(starts).zip(strides))
            {
                match stride {
                    1 => {}
                    // The same for the whole run.
                    0 if from > 0 => {}
                    0 => block[..len].fill(x[start]),
                    _ => {
                        for (i, b) in block[..len].iter_mut().enumerate() {
                            *b = x[start + (from + i) * stride];
                        }
                    }
                }
            }
            let slices = std::array::from_fn(|k| match strides[k] {
                1 => &operands[k].0[starts[k] + from..][..len],
                _ => &blocks[k][..len],
            });
            flat(slices, take(&mut out, len));
        }
    });
}

fn flush<T, const N: usize>(blocks: &[[T; BLOCK]; N], filled: usize, out: &mut &mut [T], flat: &Flat<T, N>) {
    flat(std::array::from_fn(|k| &blocks[k][..filled]), take(out, filled));
}

/// The first `n` elements of what is left.
fn take<'a, T>(rest: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (first, others) = std::mem::take(rest).split_at_mut(n);
    *rest = others;
    first
}

/// A loop over slices, compiled for each instruction set. The result is written to the first list.
struct Loop<'a, T, Op> {
    op: Op,
    out: &'a mut [T],
    x: &'a [T],
    y: &'a [T],
    z: &'a [T],
}

struct Value(Unary);
struct Slope(Unary);
struct Pair(Binary);
struct PairSlope(Binary, usize);

/// The four operations of arithmetic.
macro_rules! arithmetic {
    ($($name:ident, $method:ident;)*) => {
        $(#[derive(Clone, Copy)]
        struct $name;

        impl<V: Elementary> OfRegisters<V, 2> for $name {
            #[inline(always)]
            fn at(self, [a, b]: [V; 2]) -> V {
                a.$method(b)
            }
        })*
    };
}
arithmetic! {
    Plus, add;
    Minus, sub;
    Times, mul;
    Over, div;
}

macro_rules! unary_kernels {
    ($($name:ident($fn:ident), $formula:literal, |$x:ident, $p:ident| $value:expr, $keep:ident,
       |$k:ident, $q:ident| $derivative:expr, $domain:tt;)*) => {
        // The match stands outside the loop, so that each row is a loop of its own.
        #[inline(always)]
        fn values<S: Scalar>(op: Unary, x: &[S], out: &mut [S]) {
            let constants = op.constants.map(S::from_f64);
            match op.kind {
                $(UnaryKind::$name => {
                    let $p = constants;
                    let _ = $p;
                    for (o, &$x) in out.iter_mut().zip(x) { *o = $value; }
                })*
            }
        }

        #[inline(always)]
        fn slopes<S: Scalar>(op: Unary, kept: &[S], g: &[S], out: &mut [S]) {
            let constants = op.constants.map(S::from_f64);
            match op.kind {
                $(UnaryKind::$name => {
                    let $q = constants;
                    let _ = $q;
                    for ((o, &$k), &g) in out.iter_mut().zip(kept).zip(g) { let _ = $k; *o = g * ($derivative); }
                })*
            }
        }
    };
}
for_each_unary!(unary_kernels);

impl<S: Float> Kernel<S> for Loop<'_, S, Value> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = S>>(self) {
        let Loop { op: Value(op), out, x, .. } = self;
        // SAFETY: the caller's promise.
        if !unsafe { functions::value::<V>(op, [x], out) } {
            values(op, x, out);
        }
    }
}

impl<S: Float> Kernel<S> for Loop<'_, S, Slope> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = S>>(self) {
        let Loop { op: Slope(op), out, x, y, .. } = self;
        // SAFETY: the caller's promise.
        if !unsafe { functions::slope::<V>(op, [x, y], out) } {
            slopes(op, x, y, out);
        }
    }
}

macro_rules! binary_kernels {
    ($($name:ident($fn:ident), $formula:literal, |$a:ident, $b:ident| $value:expr, |$c:ident, $d:ident| $da:expr,
       |$e:ident, $f:ident| $db:expr, $domain:tt;)*) => {
        #[inline(always)]
        fn pairs<S: Scalar>(op: Binary, x: &[S], y: &[S], out: &mut [S]) {
            match op {
                $(Binary::$name => for ((o, &$a), &$b) in out.iter_mut().zip(x).zip(y) { *o = $value; },)*
            }
        }

        #[inline(always)]
        fn pair_slopes<S: Scalar>(op: Binary, side: usize, [x, y, g]: [&[S]; 3], out: &mut [S]) {
            match (op, side) {
                $((Binary::$name, 0) => for (((o, &$c), &$d), &g) in out.iter_mut().zip(x).zip(y).zip(g) {
                    let _ = ($c, $d);
                    *o = g * ($da);
                },
                (Binary::$name, _) => for (((o, &$e), &$f), &g) in out.iter_mut().zip(x).zip(y).zip(g) {
                    let _ = ($e, $f);
                    *o = g * ($db);
                },)*
            }
        }
    };
}
for_each_binary!(binary_kernels);

impl<S: Float> Kernel<S> for Loop<'_, S, Pair> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = S>>(self) {
        let Loop { op: Pair(op), out, x, y, .. } = self;
        // SAFETY: the caller's promise.
        unsafe {
            match op {
                Binary::Add => registers::<V, _, 2>(Plus, [x, y], out),
                Binary::Sub => registers::<V, _, 2>(Minus, [x, y], out),
                Binary::Mul => registers::<V, _, 2>(Times, [x, y], out),
                Binary::Div => registers::<V, _, 2>(Over, [x, y], out),
                _ => pairs(op, x, y, out),
            }
        }
    }
}

impl<S: Float> Kernel<S> for Loop<'_, S, PairSlope> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = S>>(self) {
        let Loop { op: PairSlope(op, side), out, x, y, z } = self;
        pair_slopes(op, side, [x, y, z], out);
    }
}

/// `out = op(x)`
pub fn unary<T: Float>(op: Unary, x: &[T], layout: &Layout, out: &mut [T]) {
    apply([(x, layout)], out, &|[x]: [&[T]; 1], out: &mut [T]| {
        T::dispatch(Loop { op: Value(op), out, x, y: &[], z: &[] });
    });
}

/// `out = g · op'`
pub fn unary_grad<T: Float>(op: Unary, kept: View<T>, g: View<T>, out: &mut [T]) {
    apply([kept, g], out, &|[x, y]: [&[T]; 2], out: &mut [T]| {
        T::dispatch(Loop { op: Slope(op), out, x, y, z: &[] });
    });
}

/// `out = op(a, b)`
pub fn binary<T: Float>(op: Binary, a: View<T>, b: View<T>, out: &mut [T]) {
    apply([a, b], out, &|[x, y]: [&[T]; 2], out: &mut [T]| {
        T::dispatch(Loop { op: Pair(op), out, x, y, z: &[] });
    });
}

/// `out = g · ∂op/∂a` or `g · ∂op/∂b`
pub fn binary_grad<T: Float>(op: Binary, side: usize, a: View<T>, b: View<T>, g: View<T>, out: &mut [T]) {
    apply([a, b, g], out, &|[x, y, z]: [&[T]; 3], out: &mut [T]| {
        T::dispatch(Loop { op: PairSlope(op, side), out, x, y, z });
    });
}

/// `a` where the mask is not 0, else `b`.
pub fn select<T: Element + PartialEq>(mask: View<T>, a: View<T>, b: View<T>, out: &mut [T]) {
    let runs = Runs::new([mask.1, a.1, b.1]);
    let [s, t, u] = runs.strides;
    let mut out = out.chunks_exact_mut(runs.n.max(1));
    runs.each(|[i, j, k]| {
        for (n, o) in out.next().into_iter().flatten().enumerate() {
            *o = if mask.0[i + n * s] == T::default() { b.0[k + n * u] } else { a.0[j + n * t] };
        }
    });
}

struct Accumulate<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
}

impl<T: Float> Kernel<T> for Accumulate<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        for (o, &v) in self.out.iter_mut().zip(self.x) {
            *o = *o + v;
        }
    }
}

/// `out[i] += x[i]` between strided views.
pub fn accumulate<T: Float>(x: &[T], from: &Layout, out: &mut [T], to: &Layout) {
    let runs = Runs::new([from, to]);
    runs.each(|[a, b]| {
        if runs.strides == [1, 1] {
            T::dispatch(Accumulate { out: &mut out[b..b + runs.n], x: &x[a..a + runs.n] });
        } else {
            for i in 0..runs.n {
                let o = &mut out[b + i * runs.strides[1]];
                *o = *o + x[a + i * runs.strides[0]];
            }
        }
    });
}
