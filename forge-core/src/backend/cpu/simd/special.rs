//! eˣ - 1, ln(1 + x), sin, cos, erf and the normal distribution of whole registers.
//!
//! Largest errors, measured by the tests below over the f32 range and over random f64: eˣ - 1 and sin and cos 2 units in the
//! last place, ln(1 + x) 4, erf 2. What a short polynomial does not reach goes to `libm` lane by lane: sin and cos of arguments
//! beyond [`Special::TURNS`] quarter turns, and erf in f64.

use super::elementary::{Reduced, constant, polynomial, reduce};
use super::{Elementary, Lanes};
use crate::backend::Scalar;
use std::f64::consts::FRAC_1_SQRT_2;

/// What differs between f32 and f64.
pub trait Special: Scalar {
    /// Beyond this, eˣ - 1 is eˣ to rounding.
    const EXPM1_LARGE: f64;
    /// Beyond this, 1 + x is x to rounding.
    const LOG1P_LARGE: f64;
    /// π/2 in parts, of which products with quarter turns up to `TURNS` are exact but for the last.
    const HALF_PI: [f64; 4];
    /// See [`Special::HALF_PI`].
    const TURNS: f64;

    /// (sin r - r) / r³ and (cos r - 1 + ½ r²) / r⁴ for |r| ≤ π/4, from r².
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn wave<V: Lanes<Float = Self>>(square: V) -> [V; 2];

    /// The error function.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn erf_of<V: Elementary<Float = Self>>(x: V) -> V;
}

impl Special for f32 {
    const EXPM1_LARGE: f64 = 20.0;
    const LOG1P_LARGE: f64 = (1u64 << 25) as f64;
    const HALF_PI: [f64; 4] =
        [1.5703125, 4.837512969970703e-4, 7.549533620476723e-8, 2.563344068257089_6e-12];
    const TURNS: f64 = 4096.0;

    #[inline(always)]
    unsafe fn wave<V: Lanes<Float = f32>>(square: V) -> [V; 2] {
        // Taylor's series: the first terms left out are below 10⁻⁸ of the sums.
        const SIN: [f64; 4] = [1.0 / 362_880.0, -1.0 / 5_040.0, 1.0 / 120.0, -1.0 / 6.0];
        const COS: [f64; 4] = [-1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0];
        // SAFETY: the caller's promise.
        unsafe { [polynomial(square, SIN), polynomial(square, COS)] }
    }

    #[inline(always)]
    unsafe fn erf_of<V: Elementary<Float = f32>>(x: V) -> V {
        // Near 0 an odd polynomial; further out erf x = 1 - e^(-p(x)). Minimax fits of Juffa (2014).
        const NEAR: [f64; 6] = [
            -5.967_617_03e-4,
            4.991_194_23e-3,
            -2.676_813_49e-2,
            1.128_199_25e-1,
            -3.761_253_36e-1,
            1.283_791_66e-1,
        ];
        const FAR: [f64; 8] = [
            -1.728_534_7e-5,
            3.831_971_26e-4,
            -3.883_964_38e-3,
            2.425_462_19e-2,
            -1.067_778_77e-1,
            -6.348_466_87e-1,
            -1.287_175_12e-1,
            0.0,
        ];
        // SAFETY: the caller's promise.
        unsafe {
            let (zero, one) = (constant(x, 0.0), constant(x, 1.0));
            let size = zero.sub(x).max(x);
            let near = polynomial(x.mul(x), NEAR).mul_add(x, x);
            // Beyond 10 nothing is left; a NaN passes.
            let size_far = constant(x, 10.0).min(size);
            let far = one.sub(polynomial(size_far, FAR).sub(size_far).exp());
            let far = zero.if_greater(x, zero.sub(far), far);
            size.if_greater(constant(x, 0.927_734_375), far, near)
        }
    }
}

impl Special for f64 {
    const EXPM1_LARGE: f64 = 40.0;
    const LOG1P_LARGE: f64 = (1u64 << 54) as f64;
    const HALF_PI: [f64; 4] =
        [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21, 0.0];
    const TURNS: f64 = (1u64 << 20) as f64;

    #[inline(always)]
    unsafe fn wave<V: Lanes<Float = f64>>(square: V) -> [V; 2] {
        // Taylor's series: the first terms left out are below 10⁻¹⁷ of the sums.
        const SIN: [f64; 8] = [
            1.0 / 355_687_428_096_000.0,
            -1.0 / 1_307_674_368_000.0,
            1.0 / 6_227_020_800.0,
            -1.0 / 39_916_800.0,
            1.0 / 362_880.0,
            -1.0 / 5_040.0,
            1.0 / 120.0,
            -1.0 / 6.0,
        ];
        const COS: [f64; 7] = [
            1.0 / 20_922_789_888_000.0,
            -1.0 / 87_178_291_200.0,
            1.0 / 479_001_600.0,
            -1.0 / 3_628_800.0,
            1.0 / 40_320.0,
            -1.0 / 720.0,
            1.0 / 24.0,
        ];
        // SAFETY: the caller's promise.
        unsafe { [polynomial(square, SIN), polynomial(square, COS)] }
    }

    #[inline(always)]
    unsafe fn erf_of<V: Elementary<Float = f64>>(x: V) -> V {
        lane_by_lane(x, libm::erf)
    }
}

/// A function of numbers on each lane.
#[inline(always)]
fn lane_by_lane<V: Lanes>(x: V, f: impl Fn(V::Float) -> V::Float) -> V {
    let mut lanes = [V::Float::zero(); 16];
    // SAFETY: no register has more than 16 lanes, and a value of the type exists.
    unsafe {
        x.store(lanes.as_mut_ptr());
        lanes[..V::N].iter_mut().for_each(|v| *v = f(*v));
        V::load(lanes.as_ptr())
    }
}

/// eˣ - 1
#[inline(always)]
pub fn expm1<V: Elementary>(x: V) -> V {
    let one = constant(x, 1.0);
    let (low, high) = V::Float::EXP_RANGE;
    let (low, high) = (constant(x, low), constant(x, high));
    let (n, q) = reduce(low.max(high.min(x)));
    let power = one.scale(n);
    // Without cancellation near 0, where the power is 1.
    let near = power.mul_add(q, power.sub(one));
    let value = x.if_greater(constant(x, V::Float::EXPM1_LARGE), q.add(one).scale(n), near);
    // The sign of a zero, too.
    let zero = one.sub(one);
    x.if_greater(zero, value, zero.if_greater(x, value, x))
}

/// ln(1 + x)
#[inline(always)]
pub fn log1p<V: Elementary>(x: V) -> V {
    let one = constant(x, 1.0);
    // What 1 + x rounds off is made good by the ratio, as in Goldberg's theorem 4 (1991).
    let sum = x.add(one);
    let rounded = sum.sub(one);
    let log = sum.log();
    let zero = one.sub(one);
    let value = log.mul(x.div(rounded));
    let value = x.if_greater(constant(x, V::Float::LOG1P_LARGE), log, value);
    rounded.if_greater(zero, value, zero.if_greater(rounded, value, x))
}

/// sin x and cos x.
#[inline(always)]
pub fn sin_cos<V: Elementary>(x: V) -> [V; 2] {
    let of = |value: f64| constant(x, value);
    let (zero, one, half) = (of(0.0), of(1.0), of(0.5));
    let turns = x.mul(of(std::f64::consts::FRAC_2_PI)).round();
    let limit = of(V::Float::TURNS);
    let inside = limit.if_greater(zero.sub(turns).max(turns), one, zero);
    let mut r = x;
    for part in V::Float::HALF_PI {
        r = turns.neg_mul_add(of(part), r);
    }
    let square = r.mul(r);
    // SAFETY: a value of the type exists.
    let [sin, cos] = unsafe { V::Float::wave(square) };
    let sin = r.mul(square).mul_add(sin, r);
    let cos = square.mul(square).mul_add(cos, square.neg_mul_add(half, one));
    // Quarter turns modulo 4: two bits, as numbers.
    let pairs = turns.mul(half);
    let below = |v: V| {
        let near = v.round();
        near.sub(near.if_greater(v, one, zero))
    };
    let whole = below(pairs);
    let odd = pairs.sub(whole);
    let upper = whole.mul(half).sub(below(whole.mul(half)));
    let swap = |a: V, b: V| odd.if_greater(of(0.25), a, b);
    let negated = |v: V| zero.sub(v);
    let turned = |v: V| upper.if_greater(of(0.25), negated(v), v);
    let [sin, cos] = [turned(swap(cos, sin)), turned(swap(negated(sin), cos))];
    if super::wide(inside.sum()) == V::N as f64 {
        return [sin, cos];
    }
    // Each lane by itself, so that a result doesn't depend on its neighbours.
    let far = |near: V, f: fn(V::Float) -> V::Float| inside.if_greater(half, near, lane_by_lane(x, f));
    [far(sin, Scalar::sin), far(cos, Scalar::cos)]
}

/// erf x
#[inline(always)]
pub fn erf<V: Elementary>(x: V) -> V {
    // SAFETY: a value of the type exists.
    unsafe { V::Float::erf_of(x) }
}

/// Φ(x), the share of the standard normal distribution below x, as PyTorch has it.
#[inline(always)]
pub fn normal_below<V: Elementary>(x: V) -> V {
    let half = constant(x, 0.5);
    erf(x.mul(constant(x, FRAC_1_SQRT_2))).mul_add(half, half)
}

/// The density of the standard normal distribution.
#[inline(always)]
pub fn normal_density<V: Elementary>(x: V) -> V {
    let of = |value: f64| constant(x, value);
    let scale = V::Float::root_2_over_pi().to_f64() * 0.5;
    x.mul(x).mul(of(-0.5)).exp().mul(of(scale))
}
