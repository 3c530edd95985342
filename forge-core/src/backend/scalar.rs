//! Numbers that formulas are written in once: floats for values, dual numbers for exact derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number with the elementary functions that operations use.
///
/// ```
/// use forge_core::backend::Scalar;
/// fn tested<S: Scalar>() {
///     let at = S::from_f64;
///     let near = |found: S, wanted: f64| {
///         assert!((found.to_f64() - wanted).abs() <= 1e-6 * wanted.abs().max(1e-3), "{found:?} for {wanted}");
///     };
///     near(at(2.0).exp(), 7.38905609893065);
///     near(at(2.0).ln(), 0.6931471805599453);
///     near(at(0.5).ln_1p(), 0.4054651081081644);
///     near(at(0.5).exp_m1(), 0.6487212707001282);
///     near(at(2.25).sqrt(), 1.5);
///     near(at(2.0).powf(at(3.0)), 8.0);
///     near(at(0.5).sin() * at(0.5).sin() + at(0.5).cos() * at(0.5).cos(), 1.0);
///     near(at(0.5).tanh(), 0.46211715726000973);
///     near(at(0.5).erf(), 0.5204998778130465);
///     near(at(-2.5).abs(), 2.5);
///     near(at(-2.5).floor(), -3.0);
///     near(at(2.5).round(), 2.0);
///     near(S::zero() + S::one() + S::truth(true) + S::truth(false), 2.0);
///     near(at(1.0).normal_below(), 0.8413447460685429);
///     assert!((at(1.0).normal_below_by_tanh().to_f64() - 0.8413447460685429).abs() < 2e-4);
///     near(at(1.0).normal_density(), 0.24197072451914337);
///     near(S::root_2_over_pi(), 0.7978845608028654);
///     near(at(3f64.ln()).sigmoid(), 0.75);
///     assert!((S::zero() / S::zero()).is_nan());
/// }
/// tested::<f32>();
/// tested::<f64>();
/// tested::<forge_core::backend::Dual>();
/// ```
pub trait Scalar:
    Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// A constant.
    fn from_f64(value: f64) -> Self;
    /// The value, without its derivative.
    fn to_f64(self) -> f64;
    /// e^x
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// e^x - 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// x^exponent.
    fn powf(self, exponent: Self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function, 2/√π ∫₀ˣ e^(-t²) dt.
    fn erf(self) -> Self;
    /// |x|, with derivative 0 at 0.
    fn abs(self) -> Self;
    /// The greatest integer that is not above.
    fn floor(self) -> Self;
    /// The nearest integer, the even one of two.
    fn round(self) -> Self;

    /// 0
    fn zero() -> Self {
        Self::from_f64(0.0)
    }
    /// 1
    fn one() -> Self {
        Self::from_f64(1.0)
    }
    /// 1 for true, 0 for false.
    fn truth(fact: bool) -> Self {
        if fact { Self::one() } else { Self::zero() }
    }
    /// Whether it is no number.
    fn is_nan(self) -> bool {
        self.to_f64().is_nan()
    }
    /// √(2/π)
    fn root_2_over_pi() -> Self {
        Self::from_f64(FRAC_2_SQRT_PI * FRAC_1_SQRT_2)
    }
    /// The share of the standard normal distribution below x: ½ (1 + erf(x / √2)).
    fn normal_below(self) -> Self {
        Self::from_f64(0.5) * (Self::one() + (self * Self::from_f64(FRAC_1_SQRT_2)).erf())
    }
    /// Nearly the same without erf: ½ (1 + tanh(√(2/π) (x + 0.044715 x³))). Hendrycks and Gimpel, 2016.
    fn normal_below_by_tanh(self) -> Self {
        let inner = Self::root_2_over_pi() * (self + Self::from_f64(0.044715) * (self * self * self));
        (inner + inner).sigmoid()
    }
    /// The density of the standard normal distribution: e^(-x²/2) / √(2π).
    fn normal_density(self) -> Self {
        Self::from_f64(0.5) * Self::root_2_over_pi() * (Self::from_f64(-0.5) * self * self).exp()
    }
    /// 1 / (1 + e^-x), without overflow for any x.
    fn sigmoid(self) -> Self {
        if self >= Self::zero() {
            Self::one() / (Self::one() + (-self).exp())
        } else {
            let e = self.exp();
            e / (Self::one() + e)
        }
    }
}

macro_rules! float_scalar {
    ($type:ty, $erf:path) => {
        impl Scalar for $type {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn exp(self) -> Self {
                <$type>::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                <$type>::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                <$type>::ln_1p(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                <$type>::exp_m1(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                <$type>::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                <$type>::cos(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                <$type>::tanh(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$type>::floor(self)
            }
            #[inline(always)]
            fn powf(self, exponent: Self) -> Self {
                <$type>::powf(self, exponent)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                <$type>::round_ties_even(self)
            }
        }
    };
}
float_scalar!(f32, libm::erff);
float_scalar!(f64, libm::erf);

/// A value with its derivative in one direction: arithmetic on it is the chain rule, exact to rounding.
///
/// ```
/// use forge_core::backend::{Dual, Scalar};
/// let x = Dual { value: 0.5, slope: 1.0 };
/// let y = x * x.exp();
/// assert!((y.slope - 1.5 * 0.5f64.exp()).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its derivative in the chosen direction.
    pub slope: f64,
}

impl Dual {
    fn chain(self, value: f64, derivative: f64) -> Self {
        Dual { value, slope: self.slope * derivative }
    }
}

impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        Dual { value: self.value + b.value, slope: self.slope + b.slope }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        Dual { value: self.value - b.value, slope: self.slope - b.slope }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        Dual { value: self.value * b.value, slope: self.slope * b.value + self.value * b.slope }
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let value = self.value / b.value;
        Dual { value, slope: (self.slope - value * b.slope) / b.value }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Dual { value: -self.value, slope: -self.slope }
    }
}

impl Scalar for Dual {
    fn from_f64(value: f64) -> Self {
        Dual { value, slope: 0.0 }
    }
    fn to_f64(self) -> f64 {
        self.value
    }
    fn exp(self) -> Self {
        let y = self.value.exp();
        self.chain(y, y)
    }
    fn ln(self) -> Self {
        self.chain(self.value.ln(), 1.0 / self.value)
    }
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), 1.0 / (1.0 + self.value))
    }
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    fn sqrt(self) -> Self {
        let y = self.value.sqrt();
        self.chain(y, 0.5 / y)
    }
    fn powf(self, exponent: Self) -> Self {
        let (x, n) = (self.value, exponent.value);
        let y = x.powf(n);
        // A constant exponent has no logarithm's share: x may be negative.
        let along = if exponent.slope == 0.0 { 0.0 } else { exponent.slope * y * x.ln() };
        Dual { value: y, slope: self.slope * n * x.powf(n - 1.0) + along }
    }
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    fn erf(self) -> Self {
        let x = self.value;
        self.chain(libm::erf(x), FRAC_2_SQRT_PI * (-x * x).exp())
    }
    fn tanh(self) -> Self {
        let y = self.value.tanh();
        self.chain(y, 1.0 - y * y)
    }
    fn abs(self) -> Self {
        let sign = if self.value == 0.0 { 0.0 } else { self.value.signum() };
        self.chain(self.value.abs(), sign)
    }
    fn floor(self) -> Self {
        self.chain(self.value.floor(), 0.0)
    }
    fn round(self) -> Self {
        self.chain(self.value.round_ties_even(), 0.0)
    }
}
