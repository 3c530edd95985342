//! AVX2 and AVX-512 registers.

use super::{Kernel, Lanes};
use std::arch::x86_64::*;

macro_rules! dispatcher {
    ($name:ident, $float:ty, $lanes:ident, $features:literal) => {
        /// Runs a kernel compiled for this instruction set.
        ///
        /// # Safety
        /// The processor has the features.
        #[inline(never)]
        #[target_feature(enable = $features)]
        pub unsafe fn $name<K: Kernel<$float>>(kernel: K) -> K::Output {
            // SAFETY: the caller's promise.
            unsafe { kernel.run::<$lanes>() }
        }
    };
}
dispatcher!(avx2_f32, f32, F32x8, "avx2,fma");
dispatcher!(avx2_f64, f64, F64x4, "avx2,fma");
dispatcher!(avx512_f32, f32, F32x16, "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq");
dispatcher!(avx512_f64, f64, F64x8, "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq");

/// The parts of an implementation that are one intrinsic each.
macro_rules! arithmetic {
    ($float:ty, $n:literal, $tile:literal, $set1:ident, $loadu:ident, $storeu:ident, $stream:ident, $add:ident,
     $sub:ident, $mul:ident, $div:ident, $min:ident, $max:ident, $fmadd:ident, $fnmadd:ident) => {
        type Float = $float;
        const N: usize = $n;
        const TILE: usize = $tile;

        #[inline(always)]
        unsafe fn splat(value: $float) -> Self {
            // SAFETY: the caller's promise.
            Self(unsafe { $set1(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const $float) -> Self {
            // SAFETY: the caller's promise.
            Self(unsafe { $loadu(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut $float) {
            // SAFETY: the caller's promise about `to`.
            unsafe { $storeu(to, self.0) }
        }
        #[inline(always)]
        unsafe fn stream(self, to: *mut $float) {
            // SAFETY: the caller's promise about `to`.
            unsafe { $stream(to, self.0) }
        }
        arithmetic! { @two add $add, sub $sub, mul $mul, div $div, min $min, max $max }
        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: a value of this type exists only where the processor has its instructions.
            Self(unsafe { $fmadd(self.0, factor.0, addend.0) })
        }
        #[inline(always)]
        fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { $fnmadd(self.0, factor.0, addend.0) })
        }
    };
    (@two $($method:ident $intrinsic:ident),*) => {
        $(#[inline(always)]
        fn $method(self, other: Self) -> Self {
            // SAFETY: a value of this type exists only where the processor has its instructions.
            Self(unsafe { $intrinsic(self.0, other.0) })
        })*
    };
}

/// 16 floats in an AVX-512 register.
#[derive(Clone, Copy)]
pub struct F32x16(__m512);

/// 8 doubles in an AVX-512 register.
#[derive(Clone, Copy)]
pub struct F64x8(__m512d);

/// 8 floats in an AVX2 register.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

/// 4 doubles in an AVX2 register.
#[derive(Clone, Copy)]
pub struct F64x4(__m256d);

impl Lanes for F32x16 {
    arithmetic!(
        f32,
        16,
        6,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_stream_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_min_ps,
        _mm512_max_ps,
        _mm512_fmadd_ps,
        _mm512_fnmadd_ps
    );

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: masked lanes are not read; the caller's promise for the others.
        Self(unsafe { _mm512_maskz_loadu_ps(first(n) as __mmask16, from) })
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: masked lanes are not written; the caller's promise for the others.
        unsafe { _mm512_mask_storeu_ps(to, first(n) as __mmask16, self.0) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a value of this type exists only where the processor has its instructions.
        Self(unsafe { _mm512_roundscale_ps::<0x08>(self.0) })
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: as above.
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            let root = _mm512_set1_epi32(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
            let exponent = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, root));
            let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
            (Self(_mm512_cvtepi32_ps(exponent)), Self(_mm512_castsi512_ps(mantissa)))
        }
    }
    #[inline(always)]
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0);
            Self(_mm512_mask_mov_ps(no.0, greater, yes.0))
        }
    }
    #[inline(always)]
    fn ratio(self, other: Self) -> Self {
        // SAFETY: as above.
        refined(self, other, Self(unsafe { _mm512_rcp14_ps(other.0) }))
    }
    #[inline(always)]
    fn if_ordered(self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_mask_mov_ps(no.0, _mm512_cmp_ps_mask::<_CMP_ORD_Q>(self.0, self.0), yes.0)) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        // SAFETY: as above. From 16 on, a number names a lane of the other.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            let turns = |index| Self(_mm512_permutex2var_ps(self.0, index, other.0));
            (turns(low), turns(high))
        }
    }
}

impl Lanes for F64x8 {
    arithmetic!(
        f64,
        8,
        6,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_stream_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_div_pd,
        _mm512_min_pd,
        _mm512_max_pd,
        _mm512_fmadd_pd,
        _mm512_fnmadd_pd
    );

    #[inline(always)]
    unsafe fn load_first(from: *const f64, n: usize) -> Self {
        // SAFETY: masked lanes are not read; the caller's promise for the others.
        Self(unsafe { _mm512_maskz_loadu_pd(first(n) as __mmask8, from) })
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f64, n: usize) {
        // SAFETY: masked lanes are not written; the caller's promise for the others.
        unsafe { _mm512_mask_storeu_pd(to, first(n) as __mmask8, self.0) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a value of this type exists only where the processor has its instructions.
        Self(unsafe { _mm512_roundscale_pd::<0x08>(self.0) })
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_scalef_pd(self.0, n.0) })
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: as above.
        unsafe {
            let bits = _mm512_castpd_si512(self.0);
            let root = _mm512_set1_epi64(std::f64::consts::FRAC_1_SQRT_2.to_bits() as i64);
            let exponent = _mm512_srai_epi64::<52>(_mm512_sub_epi64(bits, root));
            let mantissa = _mm512_sub_epi64(bits, _mm512_slli_epi64::<52>(exponent));
            (Self(_mm512_cvtepi64_pd(exponent)), Self(_mm512_castsi512_pd(mantissa)))
        }
    }
    #[inline(always)]
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let greater = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0, other.0);
            Self(_mm512_mask_mov_pd(no.0, greater, yes.0))
        }
    }
    #[inline(always)]
    fn if_ordered(self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_mask_mov_pd(no.0, _mm512_cmp_pd_mask::<_CMP_ORD_Q>(self.0, self.0), yes.0)) }
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_pd(self.0) }
    }
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        // SAFETY: as above. From 8 on, a number names a lane of the other.
        unsafe {
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            let turns = |index| Self(_mm512_permutex2var_pd(self.0, index, other.0));
            (turns(low), turns(high))
        }
    }
}

impl Lanes for F32x8 {
    arithmetic!(
        f32,
        8,
        3,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_stream_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_min_ps,
        _mm256_max_ps,
        _mm256_fmadd_ps,
        _mm256_fnmadd_ps
    );

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: masked lanes are not read; the caller's promise for the others.
        Self(unsafe { _mm256_maskload_ps(from, first_of_8(n)) })
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: masked lanes are not written; the caller's promise for the others.
        unsafe { _mm256_maskstore_ps(to, first_of_8(n), self.0) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a value of this type exists only where the processor has its instructions.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // SAFETY: as above. In two steps, so that subnormal results are reached.
        unsafe {
            let n = _mm256_cvtps_epi32(n.0);
            let half = _mm256_srai_epi32::<1>(n);
            let power = |k: __m256i| {
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(k, _mm256_set1_epi32(127))))
            };
            Self(_mm256_mul_ps(_mm256_mul_ps(self.0, power(half)), power(_mm256_sub_epi32(n, half))))
        }
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: as above.
        unsafe {
            let bits = _mm256_castps_si256(self.0);
            let root = _mm256_set1_epi32(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
            let exponent = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, root));
            let mantissa = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
            (Self(_mm256_cvtepi32_ps(exponent)), Self(_mm256_castsi256_ps(mantissa)))
        }
    }
    #[inline(always)]
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0))) }
    }
    #[inline(always)]
    fn ratio(self, other: Self) -> Self {
        // SAFETY: as above.
        refined(self, other, Self(unsafe { _mm256_rcp_ps(other.0) }))
    }
    #[inline(always)]
    fn if_ordered(self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_ORD_Q>(self.0, self.0))) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as above.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        // SAFETY: as above. Each half of a register by itself, then the halves.
        unsafe {
            let low = _mm256_unpacklo_ps(self.0, other.0);
            let high = _mm256_unpackhi_ps(self.0, other.0);
            let first = _mm256_permute2f128_ps::<0x20>(low, high);
            (Self(first), Self(_mm256_permute2f128_ps::<0x31>(low, high)))
        }
    }
}

impl Lanes for F64x4 {
    arithmetic!(
        f64,
        4,
        3,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_stream_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_div_pd,
        _mm256_min_pd,
        _mm256_max_pd,
        _mm256_fmadd_pd,
        _mm256_fnmadd_pd
    );

    #[inline(always)]
    unsafe fn load_first(from: *const f64, n: usize) -> Self {
        // SAFETY: masked lanes are not read; the caller's promise for the others.
        Self(unsafe { _mm256_maskload_pd(from, first_of_4(n)) })
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f64, n: usize) {
        // SAFETY: masked lanes are not written; the caller's promise for the others.
        unsafe { _mm256_maskstore_pd(to, first_of_4(n), self.0) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a value of this type exists only where the processor has its instructions.
        Self(unsafe { _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // SAFETY: as above. In two steps, so that subnormal results are reached.
        unsafe {
            let n = _mm256_cvtpd_epi32(n.0);
            let half = _mm_srai_epi32::<1>(n);
            let power = |k: __m128i| {
                let biased = _mm256_cvtepi32_epi64(_mm_add_epi32(k, _mm_set1_epi32(1023)));
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(biased))
            };
            Self(_mm256_mul_pd(_mm256_mul_pd(self.0, power(half)), power(_mm_sub_epi32(n, half))))
        }
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: as above. AVX2 has no arithmetic shift of 64 bits: the high halves are shifted and spread instead.
        unsafe {
            let bits = _mm256_castpd_si256(self.0);
            let root = _mm256_set1_epi64x(std::f64::consts::FRAC_1_SQRT_2.to_bits() as i64);
            let shifted = _mm256_srai_epi32::<20>(_mm256_sub_epi64(bits, root));
            let order = _mm256_setr_epi32(1, 3, 5, 7, 1, 3, 5, 7);
            let exponent = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(shifted, order));
            let wide = _mm256_slli_epi64::<52>(_mm256_cvtepi32_epi64(exponent));
            (Self(_mm256_cvtepi32_pd(exponent)), Self(_mm256_castsi256_pd(_mm256_sub_epi64(bits, wide))))
        }
    }
    #[inline(always)]
    fn if_greater(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm256_blendv_pd(no.0, yes.0, _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, other.0))) }
    }
    #[inline(always)]
    fn if_ordered(self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm256_blendv_pd(no.0, yes.0, _mm256_cmp_pd::<_CMP_ORD_Q>(self.0, self.0))) }
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        // SAFETY: as above.
        unsafe {
            let two = _mm_add_pd(_mm256_castpd256_pd128(self.0), _mm256_extractf128_pd::<1>(self.0));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        // SAFETY: as above. Each half of a register by itself, then the halves.
        unsafe {
            let low = _mm256_unpacklo_pd(self.0, other.0);
            let high = _mm256_unpackhi_pd(self.0, other.0);
            let first = _mm256_permute2f128_pd::<0x20>(low, high);
            (Self(first), Self(_mm256_permute2f128_pd::<0x31>(low, high)))
        }
    }
}

/// a / b from an estimate of 1 / b of at least 11 bits: one step of Newton's method, then the quotient's remainder is
/// divided, too.
#[inline(always)]
fn refined<V: Lanes<Float = f32>>(a: V, b: V, estimate: V) -> V {
    // SAFETY: a value of the type exists.
    let one = unsafe { V::splat(1.0) };
    let reciprocal = b.neg_mul_add(estimate, one).mul_add(estimate, estimate);
    let quotient = a.mul(reciprocal);
    b.neg_mul_add(quotient, a).mul_add(reciprocal, quotient)
}

/// A mask of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> u32 {
    (1u32 << n) - 1
}

const SLIDING: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A mask of the first `n ≤ 8` lanes of 32 bits.
#[inline(always)]
unsafe fn first_of_8(n: usize) -> __m256i {
    // SAFETY: for n ≤ 8 the eight words lie within the sixteen; the caller's processor has AVX2.
    unsafe { _mm256_loadu_si256(SLIDING.as_ptr().add(8 - n.min(8)).cast()) }
}

/// A mask of the first `n ≤ 4` lanes of 64 bits.
#[inline(always)]
unsafe fn first_of_4(n: usize) -> __m256i {
    // SAFETY: as above, with two words a lane.
    unsafe { _mm256_loadu_si256(SLIDING.as_ptr().add(8 - 2 * n.min(4)).cast()) }
}
