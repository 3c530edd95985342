//! Registers at the ends of slices, and constants.

use super::Lanes;
use crate::backend::Scalar;

/// A whole register, or where fewer than its lanes are left the first `n` of them and 0 behind.
///
/// # Safety
/// `n` floats are at `from`, and the processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn load<V: Lanes>(from: *const V::Float, n: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if n >= V::N { V::load(from) } else { V::load_first(from, n) } }
}

/// # Safety
/// There is room for `n` floats at `to`.
#[inline(always)]
pub unsafe fn store<V: Lanes>(value: V, to: *mut V::Float, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { if n >= V::N { value.store(to) } else { value.store_first(to, n) } }
}

/// Asks for a cache line that is read later. Any address will do.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: it reads nothing that a program could see, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Makes what [`Lanes::stream`] wrote visible to whoever is told of it.
#[inline(always)]
pub fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// A constant in all lanes.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn constant<V: Lanes>(value: f64) -> V {
    // SAFETY: the caller's promise.
    unsafe { V::splat(<V::Float as Scalar>::from_f64(value)) }
}

/// A constant in the first `n` lanes, 0 in the others.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub unsafe fn constant_first<V: Lanes>(value: V::Float, n: usize) -> V {
    let lanes = [value; 16];
    // SAFETY: no register has more than 16 lanes; the caller's promise.
    unsafe { V::load_first(lanes.as_ptr(), n.min(V::N)) }
}

/// A float as f64.
#[inline(always)]
pub fn wide<T: Scalar>(value: T) -> f64 {
    value.to_f64()
}

/// The float nearest to an f64.
#[inline(always)]
pub fn narrow<T: Scalar>(value: f64) -> T {
    T::from_f64(value)
}
