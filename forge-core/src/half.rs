//! Floats of 16 bits, widened: files hold them, tensors do not.

/// IEEE 754 binary16, exactly.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 0x1F, u32::from(bits) & 0x3FF);
    match exponent {
        // Zero and numbers below the smallest normal one, in units of 2⁻²⁴.
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        0x1F => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        exponent => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The upper half of an f32.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (-1)ˢ 2ᵉ⁻¹⁵ (1 + f / 1024), and below the smallest normal number (-1)ˢ 2⁻¹⁴ f / 1024.
    #[test]
    fn every_f16_has_the_value_of_the_standards_formula() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF) / 1024.0);
            let size = match exponent {
                0 => fraction * 2f64.powi(-14),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                e => (1.0 + fraction) * 2f64.powi(e - 15),
            };
            let (found, wanted) = (f64::from(f16_to_f32(bits)), if bits >> 15 == 1 { -size } else { size });
            assert!(
                found.to_bits() == wanted.to_bits() || found.is_nan() && wanted.is_nan(),
                "{bits:#x}: {found}"
            );
        }
    }

    #[test]
    fn a_bf16_is_the_upper_half_of_an_f32() {
        assert_eq!(bf16_to_f32(0x3FC0), 1.5);
        assert_eq!(bf16_to_f32(0xC2F7), -123.5);
        assert!(bf16_to_f32(0x7FC0).is_nan() && bf16_to_f32(0xFF80) == f32::NEG_INFINITY);
    }
}
