//! exp, log, sigmoid and tanh of whole registers.
//!
//! Every argument is reduced to a short interval around the function's simplest point, where a polynomial does. Largest
//! errors, measured over the f32 range by the test below and over random f64: exp and log 2 units in the last place,
//! sigmoid and tanh 3, infinities, zeros and NaN as in IEEE 754.

use super::special::Special;
use super::{Float, Lanes};

/// What differs between f32 and f64: where to cut, and how many terms a series needs.
pub trait Reduced: Float + Special {
    /// ln 2 = HIGH + LOW, where products of HIGH with exponents are exact.
    const LN2_HIGH: f64;
    /// See [`Reduced::LN2_HIGH`].
    const LN2_LOW: f64;
    /// Beyond these, eˣ is 0 or infinite.
    const EXP_RANGE: (f64, f64);
    /// Beyond ±this, tanh is ±1.
    const TANH_RANGE: f64;
    /// The smallest normal number, and a power of two that makes every smaller one normal.
    const NORMAL: (f64, f64, f64);
    /// The largest finite number.
    const LARGEST: f64;
    /// What is so small that products with it leave the normal numbers.
    const FADED: f64;

    /// (eʳ - 1 - r) / r² for |r| ≤ ½ ln 2.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn exp_tail<V: Lanes<Float = Self>>(r: V) -> V;

    /// Σ 2 zᵏ / (2k + 1), k ≥ 1, for z ≤ (3 - 2√2)².
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn log_tail<V: Lanes<Float = Self>>(z: V) -> V;
}

/// Horner's scheme, highest coefficient first.
#[inline(always)]
pub unsafe fn polynomial<V: Lanes, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    // SAFETY: the caller's promise.
    let constant = |c: f64| unsafe { V::splat(<V::Float as crate::backend::Scalar>::from_f64(c)) };
    let mut sum = constant(coefficients[0]);
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, constant(*c));
    }
    sum
}

impl Reduced for f32 {
    const LN2_HIGH: f64 = 0.693359375;
    const LN2_LOW: f64 = -2.121_944_400_546_905_8e-4;
    const EXP_RANGE: (f64, f64) = (-104.0, 89.0);
    const TANH_RANGE: f64 = 10.0;
    const NORMAL: (f64, f64, f64) = (f32::MIN_POSITIVE as f64, (1u64 << 24) as f64, 24.0);
    const LARGEST: f64 = f32::MAX as f64;
    const FADED: f64 = 1e-30;

    #[inline(always)]
    unsafe fn exp_tail<V: Lanes<Float = f32>>(r: V) -> V {
        // The minimax polynomial of Cephes (Moshier, 1989).
        const C: [f64; 6] = [
            1.987_569_15e-4,
            1.398_199_95e-3,
            8.333_451_9e-3,
            4.166_579_6e-2,
            1.666_666_55e-1,
            5.000_000_1e-1,
        ];
        // SAFETY: the caller's promise.
        unsafe { polynomial(r, C) }
    }

    #[inline(always)]
    unsafe fn log_tail<V: Lanes<Float = f32>>(z: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { polynomial(z, [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0]) }.mul(z)
    }
}

impl Reduced for f64 {
    const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const EXP_RANGE: (f64, f64) = (-746.0, 710.0);
    const TANH_RANGE: f64 = 20.0;
    const NORMAL: (f64, f64, f64) = (f64::MIN_POSITIVE, (1u64 << 54) as f64, 54.0);
    const LARGEST: f64 = f64::MAX;
    const FADED: f64 = 1e-290;

    #[inline(always)]
    unsafe fn exp_tail<V: Lanes<Float = f64>>(r: V) -> V {
        // Taylor's series: the first term left out is below 10⁻¹⁷ of the sum.
        const C: [f64; 12] = [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            1.0 / 2.0,
        ];
        // SAFETY: the caller's promise.
        unsafe { polynomial(r, C) }
    }

    #[inline(always)]
    unsafe fn log_tail<V: Lanes<Float = f64>>(z: V) -> V {
        const C: [f64; 11] = [
            2.0 / 23.0,
            2.0 / 21.0,
            2.0 / 19.0,
            2.0 / 17.0,
            2.0 / 15.0,
            2.0 / 13.0,
            2.0 / 11.0,
            2.0 / 9.0,
            2.0 / 7.0,
            2.0 / 5.0,
            2.0 / 3.0,
        ];
        // SAFETY: the caller's promise.
        unsafe { polynomial(z, C) }.mul(z)
    }
}

/// A constant like an existing value, whose existence shows that the instructions are there.
#[inline(always)]
pub fn constant<V: Lanes>(_: V, value: f64) -> V {
    // SAFETY: a value of the type exists.
    unsafe { V::splat(<V::Float as crate::backend::Scalar>::from_f64(value)) }
}

/// x = n ln 2 + r as n and eʳ - 1, for x that is not out of range.
#[inline(always)]
pub fn reduce<V: Lanes>(x: V) -> (V, V) {
    let n = x.mul(constant(x, std::f64::consts::LOG2_E)).round();
    let r = n.neg_mul_add(constant(x, V::Float::LN2_HIGH), x);
    let r = n.neg_mul_add(constant(x, V::Float::LN2_LOW), r);
    // SAFETY: a value of the type exists.
    let tail = unsafe { V::Float::exp_tail(r) };
    (n, r.mul(r).mul_add(tail, r))
}

/// Elementary functions of a register.
pub trait Elementary: Lanes {
    /// eˣ
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn log(self) -> Self;
    /// 1 / (1 + e⁻ˣ)
    fn sigmoid(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
}

impl<V: Lanes> Elementary for V {
    #[inline(always)]
    fn exp(self) -> Self {
        let (low, high) = V::Float::EXP_RANGE;
        // In this order a NaN passes through.
        let x = constant(self, low).max(constant(self, high).min(self));
        let (n, q) = reduce(x);
        q.add(constant(self, 1.0)).scale(n)
    }

    #[inline(always)]
    fn log(self) -> Self {
        let (smallest, up, exponent) = V::Float::NORMAL;
        let (zero, smallest) = (constant(self, 0.0), constant(self, smallest));
        let x = smallest.if_greater(self, self.mul(constant(self, up)), self);
        let shift = smallest.if_greater(self, constant(self, exponent), zero);
        let (e, m) = x.split();
        let e = e.sub(shift);
        // log(1 + f) = f - ½ f² + s (½ f² + tail), s = f / (2 + f): the large terms are added last.
        let f = m.sub(constant(self, 1.0));
        let s = f.ratio(f.add(constant(self, 2.0)));
        let half = f.mul(f).mul(constant(self, 0.5));
        // SAFETY: a value of the type exists.
        let tail = unsafe { V::Float::log_tail(s.mul(s)) };
        let low = e.mul_add(constant(self, V::Float::LN2_LOW), s.mul(half.add(tail)));
        let value = e.mul_add(constant(self, V::Float::LN2_HIGH), f.sub(half.sub(low)));
        let value = self.if_greater(constant(self, V::Float::LARGEST), self, value);
        let below =
            zero.if_greater(self, constant(self, f64::NAN), self.add(constant(self, f64::NEG_INFINITY)));
        self.if_greater(zero, value, below)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        let (zero, one) = (constant(self, 0.0), constant(self, 1.0));
        // Through e^-|x|, which cannot overflow, so that the tail to 0 is kept.
        let e = zero.sub(self).min(self).exp();
        let r = one.ratio(one.add(e));
        zero.if_greater(self, e.mul(r), r)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let bound = 2.0 * V::Float::TANH_RANGE;
        let x = constant(self, -bound).max(constant(self, bound).min(self.add(self)));
        let (n, q) = reduce(x);
        let one = constant(self, 1.0);
        let s = one.scale(n);
        // e²ˣ - 1, without cancellation near 0, where s is 1.
        let e = s.mul_add(q, s.sub(one));
        e.ratio(e.add(constant(self, 2.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, Level, erf, expm1, log1p, sin_cos};
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        Log,
        Sigmoid,
        Tanh,
        Expm1,
        Log1p,
        Sin,
        Cos,
        Erf,
    }

    struct Apply<'a, T>(Function, &'a mut [T]);

    impl<T: Float> Kernel<T> for Apply<'_, T> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<V: Elementary<Float = T>>(self) {
            for chunk in self.1.chunks_mut(V::N) {
                let n = chunk.len();
                // SAFETY: the chunk holds n ≤ N floats; the dispatcher chose V.
                unsafe {
                    let x = V::load_first(chunk.as_ptr(), n);
                    let y = match self.0 {
                        Function::Exp => x.exp(),
                        Function::Log => x.log(),
                        Function::Sigmoid => x.sigmoid(),
                        Function::Tanh => x.tanh(),
                        Function::Expm1 => expm1(x),
                        Function::Log1p => log1p(x),
                        Function::Sin => sin_cos(x)[0],
                        Function::Cos => sin_cos(x)[1],
                        Function::Erf => erf(x),
                    };
                    y.store_first(chunk.as_mut_ptr(), n);
                }
            }
        }
    }

    fn levels() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|l| *l <= Level::widest())
    }

    fn truth(f: Function, x: f64) -> f64 {
        match f {
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Sigmoid => crate::backend::Scalar::sigmoid(x),
            Function::Tanh => x.tanh(),
            Function::Expm1 => x.exp_m1(),
            Function::Log1p => x.ln_1p(),
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Erf => libm::erf(x),
        }
    }

    /// Units in the last place that each may be off.
    const ALL: [(Function, f64); 9] = [
        (Function::Exp, 2.0),
        (Function::Log, 2.0),
        (Function::Sigmoid, 3.0),
        (Function::Tanh, 3.0),
        (Function::Expm1, 2.0),
        (Function::Log1p, 4.0),
        (Function::Sin, 2.0),
        (Function::Cos, 2.0),
        (Function::Erf, 2.0),
    ];

    #[test]
    fn f32_over_its_whole_range() {
        // Every 997th bit pattern: both signs, subnormals, infinities and NaN among them.
        let x: Vec<f32> = (0..=u32::MAX).step_by(997).map(f32::from_bits).collect();
        for level in levels() {
            for (f, limit) in ALL {
                let mut y = x.clone();
                // SAFETY: `levels` gives those of this machine.
                unsafe { f32::dispatch_at(level, Apply(f, &mut y)) };
                for (&x, &y) in x.iter().zip(&y) {
                    let wanted = truth(f, f64::from(x));
                    let near = wanted as f32;
                    if near.is_nan() || near.is_infinite() || near == 0.0 {
                        let close = near.is_infinite() && f64::from(y) >= f64::from(f32::MAX) * (1.0 - 1e-6);
                        let same =
                            y == near || y.is_nan() && near.is_nan() || close || y.abs() <= f32::from_bits(1);
                        assert!(same, "{} {f:?}({x}) = {y}, not {near}", level.name());
                        continue;
                    }
                    let unit = f64::from(near.abs().next_up() - near.abs());
                    let error = (f64::from(y) - wanted).abs() / unit;
                    assert!(error <= limit, "{} {f:?}({x:e}) = {y:e}, {error} units off", level.name());
                }
            }
        }
    }

    #[test]
    fn f64_at_random_points_of_every_size() {
        let stream = crate::rng::Stream::new(5, "elementary");
        let x: Vec<f64> = (0..200_000)
            .map(|i| {
                let size = 10f64.powf(14.0 * stream.uniform(2 * i) - 10.0);
                if stream.uniform(2 * i + 1) < 0.5 { -size } else { size }
            })
            .chain([
                0.0,
                -0.0,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NAN,
                1e-310,
                5e-324,
                1.0,
                709.7,
                -745.0,
            ])
            .collect();
        for level in levels() {
            for (f, limit) in ALL {
                let mut y = x.clone();
                // SAFETY: `levels` gives those of this machine.
                unsafe { f64::dispatch_at(level, Apply(f, &mut y)) };
                for (&x, &y) in x.iter().zip(&y) {
                    let wanted = truth(f, x);
                    if !wanted.is_finite() || wanted == 0.0 {
                        let same = y == wanted || y.is_nan() && wanted.is_nan();
                        assert!(same, "{} {f:?}({x:e}) = {y:e}, not {wanted:e}", level.name());
                        continue;
                    }
                    let unit = wanted.abs().next_up() - wanted.abs();
                    // The truth is itself rounded.
                    let error = (y - wanted).abs() / unit - 1.0;
                    assert!(error <= limit, "{} {f:?}({x:e}) = {y:e}, {error} units off", level.name());
                }
            }
        }
    }
}
