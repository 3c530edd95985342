//! Elementary maps as functions of registers, which no compiler makes of a call for each number.

use super::simd::{Elementary, constant, erf, expm1, log1p, normal_below, normal_density, sin_cos};
use crate::backend::{Scalar, Unary, UnaryKind};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// A function of registers. A closure would not do: only what is `#[inline(always)]` is sure to be compiled for the
/// instruction set of the kernel that it is part of.
pub trait OfRegisters<V, const N: usize>: Copy {
    /// Its value. Must be `#[inline(always)]`.
    fn at(self, x: [V; N]) -> V;
}

/// `out = f(x)` a register at a time, over slices of one length.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn registers<V: Elementary, F: OfRegisters<V, N>, const N: usize>(
    f: F,
    x: [&[V::Float]; N],
    out: &mut [V::Float],
) {
    let mut len = out.len();
    for x in x {
        len = len.min(x.len());
    }
    // A store across two cache lines costs two, so all but the first are where none is.
    let size = size_of::<V::Float>();
    let astray = out.as_ptr() as usize / size % V::N;
    let mut at = if astray == 0 || len < 4 * V::N { 0 } else { V::N - astray };
    // SAFETY: every slice holds `len` floats; the processor has the instructions.
    unsafe {
        if at > 0 {
            let mut values = [V::splat(V::Float::zero()); N];
            for k in 0..N {
                values[k] = V::load_first(x[k].as_ptr(), at);
            }
            f.at(values).store_first(out.as_mut_ptr(), at);
        }
        // Four at a time: the loop's own instructions would take longer than those of a cheap function.
        while at + 4 * V::N <= len {
            for step in 0..4 {
                let at = at + step * V::N;
                let mut values = [V::splat(V::Float::zero()); N];
                for k in 0..N {
                    values[k] = V::load(x[k].as_ptr().add(at));
                }
                f.at(values).store(out.as_mut_ptr().add(at));
            }
            at += 4 * V::N;
        }
        while at + V::N <= len {
            let mut values = [V::splat(V::Float::zero()); N];
            for k in 0..N {
                values[k] = V::load(x[k].as_ptr().add(at));
            }
            f.at(values).store(out.as_mut_ptr().add(at));
            at += V::N;
        }
        if at < len {
            let mut values = [V::splat(V::Float::zero()); N];
            for k in 0..N {
                values[k] = V::load_first(x[k].as_ptr().add(at), len - at);
            }
            f.at(values).store_first(out.as_mut_ptr().add(at), len - at);
        }
    }
}

/// √(2/π)
const ROOT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// A function `name(op, operands, out)` that writes what the row of `op` says and tells whether it has one. `p` is the
/// constants of the operation, `c` makes others.
macro_rules! functions {
    ($(#[$doc:meta])* $name:ident, $n:literal, $x:tt, $p:ident, $c:ident; $($kind:ident => $value:expr;)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the instructions of `V`.
        #[inline(always)]
        pub unsafe fn $name<V: Elementary>(op: Unary, operands: [&[V::Float]; $n], out: &mut [V::Float]) -> bool {
            // SAFETY: the caller's promise, here and below.
            let constants = unsafe { op.constants.map(|value| constant::<V>(value)) };
            match op.kind {
                $(UnaryKind::$kind => {
                    #[derive(Clone, Copy)]
                    struct Row<V>([V; 2]);
                    impl<V: Elementary> OfRegisters<V, $n> for Row<V> {
                        #[inline(always)]
                        fn at(self, $x: [V; $n]) -> V {
                            let $p = self.0;
                            // SAFETY: a value of the type exists.
                            let $c = |value: f64| unsafe { constant::<V>(value) };
                            let _ = ($p, $c);
                            $value
                        }
                    }
                    // SAFETY: as above.
                    unsafe { registers(Row(constants), operands, out) };
                    true
                })*
                _ => false,
            }
        }
    };
}

functions! {
    /// `out = op(x)`
    value, 1, [x], p, c;
    Exp => x.exp();
    Log => x.log();
    Tanh => x.tanh();
    Sigmoid => x.sigmoid();
    Log1p => log1p(x);
    Expm1 => expm1(x);
    Sin => sin_cos(x)[0];
    Cos => sin_cos(x)[1];
    Erf => erf(x);
    Elu => x.if_greater(c(0.0), x, p[0].mul(expm1(x)));
    Softplus => {
        let z = x.mul(p[0]);
        let tail = log1p(c(0.0).sub(z.max(c(0.0).sub(z))).exp()).div(p[0]);
        let value = z.if_greater(c(0.0), x.add(tail), tail);
        z.if_ordered(z.if_greater(p[1], x, value), z)
    };
    Silu => x.mul(x.sigmoid());
    Gelu => x.mul(normal_below(x));
    GeluTanh => x.mul(normal_below_by_tanh(x));
}

functions! {
    /// `out = g · op'`, from what the row keeps.
    slope, 2, [x, g], p, c;
    Sin => g.mul(sin_cos(x)[1]);
    Cos => c(0.0).sub(g.mul(sin_cos(x)[0]));
    Erf => g.mul(c(FRAC_2_SQRT_PI).mul(c(0.0).sub(x.mul(x)).exp()));
    Elu => g.mul(x.if_greater(c(0.0), c(1.0), p[0].mul(x.exp())));
    Softplus => {
        let z = x.mul(p[0]);
        g.mul(z.if_greater(p[1], c(1.0), z.sigmoid()))
    };
    Silu => {
        let s = x.sigmoid();
        g.mul(x.mul(s.mul(c(1.0).sub(s))).add(s))
    };
    Gelu => g.mul(x.mul_add(normal_density(x), normal_below(x)));
    GeluTanh => {
        let s = normal_below_by_tanh(x);
        let inner = c(2.0 * ROOT_2_OVER_PI).mul(x.mul(x).mul_add(c(3.0 * 0.044_715), c(1.0)));
        g.mul(x.mul(s.mul(c(1.0).sub(s))).mul_add(inner, s))
    };
}

/// Φ(x) nearly, without erf; ½ (1 + tanh u) = σ(2u) does not cancel far below 0.
#[inline(always)]
fn normal_below_by_tanh<V: Elementary>(x: V) -> V {
    // SAFETY: a value of the type exists.
    let (linear, cubic) = unsafe { (constant::<V>(2.0 * ROOT_2_OVER_PI), constant::<V>(0.044_715)) };
    linear.mul(x.add(cubic.mul(x.mul(x).mul(x)))).sigmoid()
}
