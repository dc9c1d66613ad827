//! Working numbers of the transcendental functions: 128 bits of significand, truncating operations.
//!
//! Every operation is off by at most two units of the last place, 2^-126 relative, far below the 64 bits of a result.

use crate::cpu::softfloat::round::Wide;

/// One in the fixed-point format of the series: one bit before the point, 127 after it.
pub(super) const ONE: u128 = 1 << 127;

/// A number in the format of a result before rounding: (-1)^sign * sig/2^127 * 2^exp. Normalised, or zero.
pub(super) type Real = Wide;

pub(super) const PI: Real = Real { sign: false, exp: 1, sig: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1 };
pub(super) const LN_2: Real = Real { sign: false, exp: -1, sig: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af };
pub(super) const LOG2_E: Real = Real { sign: false, exp: 0, sig: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88 };

/// The upper half of a 256-bit product.
pub(super) const fn multiply_high(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let middle = a1 * b0 + ((a0 * b0) >> 64);
    let carry = (middle & LOW) + a0 * b1;
    a1 * b1 + (middle >> 64) + (carry >> 64)
}

impl Real {
    pub(super) const fn from_u128(sign: bool, exp: i32, sig: u128) -> Self {
        let shift = if sig == 0 { 0 } else { sig.leading_zeros() };
        Self { sign, exp: exp - shift as i32, sig: sig << shift }
    }

    pub(super) const fn one() -> Self {
        Self { sign: false, exp: 0, sig: ONE }
    }

    /// A fixed-point number of the series.
    pub(super) const fn from_fixed(value: u128) -> Self {
        Self::from_u128(false, 0, value)
    }

    pub(super) const fn from_i32(value: i32) -> Self {
        Self::from_u128(value < 0, 127, value.unsigned_abs() as u128)
    }

    /// The magnitude as a fraction of 2^128; the number must be below one.
    pub(super) const fn fraction(&self) -> u128 {
        match self.exp {
            -128..=-1 => self.sig >> (-1 - self.exp),
            _ => 0,
        }
    }

    pub(super) const fn negated(self) -> Self {
        Self { sign: !self.sign, ..self }
    }

    pub(super) const fn abs(self) -> Self {
        Self { sign: false, ..self }
    }

    pub(super) const fn times_power_of_two(self, power: i32) -> Self {
        Self { exp: self.exp + power, ..self }
    }

    pub(super) const fn mul(self, other: Self) -> Self {
        let sig = multiply_high(self.sig, other.sig);
        Self::from_u128(self.sign != other.sign, self.exp + other.exp + 1, sig)
    }

    /// `other` must not be zero.
    pub(super) fn div(self, other: Self) -> Self {
        let sign = self.sign != other.sign;
        if self.sig == 0 {
            return Self { sign, ..self };
        }
        // Schoolbook division, one quotient bit a turn; the rest stays below twice the divisor.
        let (mut rest, mut quotient) = (self.sig, 0u128);
        let mut overflowed = false;
        for _ in 0..128 {
            quotient <<= 1;
            if overflowed || rest >= other.sig {
                rest = rest.wrapping_sub(other.sig);
                quotient |= 1;
            }
            overflowed = rest >> 127 != 0;
            rest <<= 1;
        }
        Self::from_u128(sign, self.exp - other.exp, quotient)
    }

    pub(super) fn add(self, other: Self) -> Self {
        if self.sig == 0 {
            return other;
        }
        if other.sig == 0 {
            return self;
        }
        let (large, small) = if (self.exp, self.sig) >= (other.exp, other.sig) { (self, other) } else { (other, self) };
        let shift = large.exp.abs_diff(small.exp);
        let aligned = if shift > 127 { 0 } else { small.sig >> shift };
        if large.sign != small.sign {
            return Self::from_u128(large.sign, large.exp, large.sig - aligned);
        }
        let (sum, carry) = large.sig.overflowing_add(aligned);
        let sig = if carry { sum >> 1 | ONE } else { sum };
        Self { sign: large.sign, exp: large.exp + i32::from(carry), sig }
    }

    pub(super) fn sub(self, other: Self) -> Self {
        self.add(other.negated())
    }
}
