//! Vector registers by run-time dispatch: a kernel is written once, over [`Lanes`], and compiled for each instruction
//! set; a plain build runs the widest that the machine has.
//!
//! `FORGE_SIMD=portable|avx2|avx512` forces a narrower level; another word is an error of [`simd_level`], and a warning on
//! standard error where nobody asks. Results are a function of the level, the shapes and the
//! values: two levels may round differently, two runs on one level may not.

mod access;
mod elementary;
mod portable;
mod shuffle;
mod special;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use access::{constant, constant_first, fence, load, narrow, prefetch, store, wide};
pub use elementary::{Elementary, Reduced};
pub use shuffle::{Rows, sums, transpose};
pub use special::{erf, expm1, log1p, normal_below, normal_density, sin_cos};

use crate::backend::Scalar;
use crate::{Error, Result};
use std::sync::OnceLock;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the build targets: SSE2 on x86-64, NEON on 64-bit ARM.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 (F, VL, BW, DQ).
    Avx512,
}

impl Level {
    /// Every level, narrowest first.
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// The name that `FORGE_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The widest level of this machine.
    pub fn widest() -> Level {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            if avx2 && avx512 {
                return Level::Avx512;
            }
            if avx2 {
                return Level::Avx2;
            }
        }
        Level::Portable
    }

    /// The level in use: the one that `FORGE_SIMD` names, if the machine has it, else the widest.
    pub fn in_use() -> Level {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            Level::wanted().unwrap_or_else(|error| {
                // A kernel cannot fail by this. A program that asks first never comes here.
                eprintln!("warning: {error}");
                Level::widest()
            })
        })
    }

    fn wanted() -> Result<Level> {
        let word = std::env::var_os(VARIABLE).unwrap_or_default();
        Level::named(&word.to_string_lossy())
    }

    /// The level that a word of the environment means, of those that the machine has.
    fn named(word: &str) -> Result<Level> {
        if word.is_empty() {
            return Ok(Level::widest());
        }
        match Level::ALL.into_iter().find(|level| level.name() == word) {
            Some(level) => Ok(level.min(Level::widest())),
            None => Err(Error::argument(
                VARIABLE,
                format!(
                    "no instruction set is called `{word}`; write portable, avx2 or avx512, or leave it out"
                ),
            )),
        }
    }
}

const VARIABLE: &str = "FORGE_SIMD";

/// The instruction set that the CPU's kernels run with: `portable`, `avx2` or `avx512`. It is the widest that the machine
/// has, or the narrower one that the environment variable `FORGE_SIMD` names.
///
/// ```
/// assert!(["portable", "avx2", "avx512"].contains(&forge_core::backend::simd_level()?));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When `FORGE_SIMD` names none. Without this call, the first operation warns of it on standard error, once, and the widest
/// is used.
pub fn simd_level() -> Result<&'static str> {
    Level::wanted().map(Level::name)
}

/// A register of floats.
///
/// A value of an implementor exists only where the processor has its instructions: the constructors are unsafe and
/// promise it, so that arithmetic is safe. Everything is `inline(always)`, because only code that is inlined into the
/// dispatching function is compiled for its instruction set.
pub trait Lanes: Copy + Send + Sync + 'static {
    /// f32 or f64.
    type Float: Reduced;
    /// Number of lanes.
    const N: usize;
    /// Rows of a register tile of four vectors a row, so that accumulators, operands and a broadcast stay in registers.
    const TILE: usize;

    /// Every lane the same.
    ///
    /// # Safety
    /// The processor has the instructions of this type.
    unsafe fn splat(value: Self::Float) -> Self;

    /// Lanes from memory, of any alignment.
    ///
    /// # Safety
    /// As [`Lanes::splat`]; `from` points at `N` readable floats.
    unsafe fn load(from: *const Self::Float) -> Self;

    /// The first `n` lanes from memory, the others 0.
    ///
    /// # Safety
    /// As [`Lanes::splat`]; `from` points at `n ≤ N` readable floats.
    unsafe fn load_first(from: *const Self::Float, n: usize) -> Self;

    /// Lanes to memory.
    ///
    /// # Safety
    /// `to` points at `N` writable floats.
    unsafe fn store(self, to: *mut Self::Float);

    /// Lanes to memory that is read much later, past the caches where the level has the instruction. Other threads see
    /// them after [`fence`].
    ///
    /// # Safety
    /// `to` points at `N` writable floats and is aligned to the register.
    #[inline(always)]
    unsafe fn stream(self, to: *mut Self::Float) {
        // SAFETY: the caller's promise.
        unsafe { self.store(to) }
    }

    /// The first `n` lanes to memory.
    ///
    /// # Safety
    /// `to` points at `n ≤ N` writable floats.
    unsafe fn store_first(self, to: *mut Self::Float, n: usize);

    /// self + other
    fn add(self, other: Self) -> Self;
    /// self - other
    fn sub(self, other: Self) -> Self;
    /// self · other
    fn mul(self, other: Self) -> Self;
    /// self / other
    fn div(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// The larger; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// self · factor + addend, rounded once where the level has the instruction.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// addend - self · factor, rounded once where the level has the instruction.
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self;
    /// To the nearest integer, ties to even.
    fn round(self) -> Self;
    /// self · 2ⁿ for integers n with |n| at most the exponent range; overflow and underflow as in arithmetic.
    fn scale(self, n: Self) -> Self;
    /// The exponent and the mantissa in [√½, √2) of positive normal numbers: self = m · 2ᵉ as `(e, m)`.
    fn split(self) -> (Self, Self);
    /// `yes` where self > other, else `no` (also where either is NaN).
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self;

    /// `yes` where self is a number, `no` where it is NaN.
    fn if_ordered(self, yes: Self, no: Self) -> Self;
    /// self / other to one unit in the last place, for normal numbers whose quotient and reciprocal are normal: by the
    /// reciprocal estimate where that is quicker than a division.
    #[inline(always)]
    fn ratio(self, other: Self) -> Self {
        self.div(other)
    }

    /// Sum of the lanes, in an order fixed by the type.
    fn sum(self) -> Self::Float;

    /// The lanes of both by turns, in two registers: self's first, other's first, self's second, …
    fn zip(self, other: Self) -> (Self, Self);
}

/// Work that is compiled for each instruction set. `run` must be `#[inline(always)]`.
pub trait Kernel<T> {
    /// What it gives.
    type Output;
    /// Does it with registers of type `V`.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn run<V: Elementary<Float = T>>(self) -> Self::Output;
}

struct Width;

impl<T: Float> Kernel<T> for Width {
    type Output = usize;
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) -> usize {
        V::N
    }
}

/// Lanes of a register at the level in use.
pub fn lanes<T: Float>() -> usize {
    T::dispatch(Width)
}

/// A float that kernels can be dispatched for.
pub trait Float: Scalar + crate::Element + Default + Send + Sync + 'static {
    /// Runs a kernel at a level.
    ///
    /// # Safety
    /// The machine has the level.
    unsafe fn dispatch_at<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;

    /// Runs a kernel at the level in use. This is a call, not inlined: a kernel may dispatch smaller ones.
    fn dispatch<K: Kernel<Self>>(kernel: K) -> K::Output {
        // SAFETY: the level in use is one of this machine.
        unsafe { Self::dispatch_at(Level::in_use(), kernel) }
    }
}

macro_rules! float {
    ($float:ty, $portable:ty, $avx2:ident, $avx512:ident) => {
        impl Float for $float {
            #[inline]
            unsafe fn dispatch_at<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output {
                match level {
                    // SAFETY: every processor has the portable lanes.
                    Level::Portable => unsafe { kernel.run::<$portable>() },
                    // SAFETY: the caller's promise.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { x86::$avx2(kernel) },
                    // SAFETY: the caller's promise.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { x86::$avx512(kernel) },
                    // SAFETY: every processor has the portable lanes.
                    #[cfg(not(target_arch = "x86_64"))]
                    _ => unsafe { kernel.run::<$portable>() },
                }
            }
        }
    };
}
float!(f32, portable::Array<f32, 4>, avx2_f32, avx512_f32);
float!(f64, portable::Array<f64, 2>, avx2_f64, avx512_f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_names_no_instruction_set_is_refused() {
        for level in Level::ALL {
            assert_eq!(Level::named(level.name()).unwrap(), level.min(Level::widest()));
        }
        assert_eq!(Level::named("").unwrap(), Level::widest());
        for word in ["AVX2", "avx", "sse"] {
            let error = Level::named(word).unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`; write portable, avx2 or avx512")), "{error}");
        }
    }
}
