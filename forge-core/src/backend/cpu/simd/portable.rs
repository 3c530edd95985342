//! Lanes as plain arrays, which the compiler turns into the target's own registers.

use super::{Lanes, Reduced};

/// `N` floats.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Array<T, const N: usize>([T; N]);

/// What the two float types do differently.
pub trait Bits: Reduced {
    fn fused(self, factor: Self, addend: Self) -> Self;
    fn nearest(self) -> Self;
    fn times_power(self, n: Self) -> Self;
    fn parts(self) -> (Self, Self);
}

macro_rules! bits {
    ($float:ident, $bits:ident, $int:ident, $mantissa:literal, $bias:literal) => {
        impl Bits for $float {
            #[inline(always)]
            fn fused(self, factor: Self, addend: Self) -> Self {
                // Without the instruction, a fused product is a slow library call.
                if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                    self.mul_add(factor, addend)
                } else {
                    self * factor + addend
                }
            }

            #[inline(always)]
            fn nearest(self) -> Self {
                // Adding and taking away 1.5 · 2^mantissa rounds to an integer, ties to even; larger numbers are integers.
                let magic = 1.5 * (1u64 << $mantissa) as $float;
                if self.abs() < (1u64 << ($mantissa - 1)) as $float { (self + magic) - magic } else { self }
            }

            #[inline(always)]
            fn times_power(self, n: Self) -> Self {
                // In two steps, so that results between the smallest normal number and 0 are reached.
                let half = (n as $int) / 2;
                let power = |k: $int| $float::from_bits((((k + $bias) as $bits) << $mantissa) as $bits);
                self * power(half) * power(n as $int - half)
            }

            #[inline(always)]
            fn parts(self) -> (Self, Self) {
                let half_root = (std::f64::consts::FRAC_1_SQRT_2 as $float).to_bits();
                let shifted = self.to_bits().wrapping_sub(half_root) as $int;
                let exponent = shifted >> $mantissa;
                let mantissa =
                    $float::from_bits(self.to_bits().wrapping_sub((exponent << $mantissa) as $bits));
                (exponent as $float, mantissa)
            }
        }
    };
}
bits!(f32, u32, i32, 23, 127);
bits!(f64, u64, i64, 52, 1023);

impl<T: Bits, const N: usize> Array<T, N> {
    #[inline(always)]
    fn map2(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        Array(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn map3(self, b: Self, c: Self, f: impl Fn(T, T, T) -> T) -> Self {
        Array(std::array::from_fn(|i| f(self.0[i], b.0[i], c.0[i])))
    }
}

impl<T: Bits, const N: usize> Lanes for Array<T, N> {
    type Float = T;
    const N: usize = N;
    const TILE: usize = 3;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Array([value; N])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller says that N floats are there; arrays of floats may lie anywhere that a float may.
        Array(unsafe { from.cast::<[T; N]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self {
        // SAFETY: the caller says that n floats are there.
        Array(std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { T::zero() }))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller says that there is room for N floats.
        unsafe { to.cast::<[T; N]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize) {
        for i in 0..n.min(N) {
            // SAFETY: the caller says that there is room for n floats.
            unsafe { *to.add(i) = self.0[i] }
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.map2(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.map2(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.map2(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.map2(other, |a, b| a / b)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.map2(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.map2(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.map3(factor, addend, T::fused)
    }
    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        self.map3(factor, addend, |a, b, c| (-a).fused(b, c))
    }
    #[inline(always)]
    fn round(self) -> Self {
        Array(self.0.map(T::nearest))
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        self.map2(n, T::times_power)
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let parts = self.0.map(T::parts);
        (Array(parts.map(|p| p.0)), Array(parts.map(|p| p.1)))
    }
    #[inline(always)]
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self {
        Array(std::array::from_fn(|i| if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] }))
    }
    #[inline(always)]
    fn if_ordered(self, yes: Self, no: Self) -> Self {
        Array(std::array::from_fn(|i| {
            if self.0[i].partial_cmp(&self.0[i]).is_some() { yes.0[i] } else { no.0[i] }
        }))
    }
    #[inline(always)]
    fn sum(self) -> T {
        let mut lanes = self.0;
        let mut width = N;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = lanes[i] + lanes[i + width];
            }
        }
        lanes[0]
    }
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        let turn = |i: usize| if i.is_multiple_of(2) { self.0[i / 2] } else { other.0[i / 2] };
        (Array(std::array::from_fn(turn)), Array(std::array::from_fn(|i| turn(N + i))))
    }
}
