//! Conversions between floats and integers, between float formats, and rounding to an integral value.
//!
//! Integers are carried as sign and magnitude; an integer result that does not fit is invalid and gives no value, the
//! caller stores the integer indefinite (only the top bit set).

use super::arithmetic::{Outcome, propagate_one_nan};
use super::env::{Flags, Rounding};
use super::round::{Target, Wide, cut, round, shift_right_sticky};
use super::unpacked::{Class, Unpacked};

pub(super) fn from_i64(value: i64, target: &Target) -> Outcome {
    let sig = u128::from(value.unsigned_abs());
    round(Wide { sign: value < 0, exp: 127, sig }, target)
}

/// The rounded magnitude of a finite number below 2^64 in magnitude before rounding.
struct Integral {
    magnitude: u64,
    carry: bool,
    flags: Flags,
}

/// `value.exp` is at most 63.
fn integral(value: &Unpacked, rounding: Rounding) -> Integral {
    let fixed = shift_right_sticky(u128::from(value.sig) << 64, 63i32.abs_diff(value.exp));
    let cut = cut(fixed, 64, value.sign, rounding);
    Integral {
        magnitude: (cut.sig >> 64) as u64,
        carry: cut.carry,
        flags: Flags::PRECISION.when(cut.inexact) | Flags::ROUNDED_UP.when(cut.up),
    }
}

/// To a signed integer of `bits` (16, 32 or 64) bits; `None` is an invalid operation. Denormals are not reported.
pub(super) fn to_int(value: &Unpacked, bits: u32, rounding: Rounding) -> Option<(i64, Flags)> {
    match value.class {
        Class::Zero => return Some((0, Flags::NONE)),
        Class::Finite if value.exp <= 63 => {}
        _ => return None,
    }
    let integral = integral(value, rounding);
    let limit = (1u64 << (bits - 1)) - u64::from(!value.sign);
    if integral.carry || integral.magnitude > limit {
        return None;
    }
    let magnitude = integral.magnitude as i64;
    Some((if value.sign { magnitude.wrapping_neg() } else { magnitude }, integral.flags))
}

/// To an integral value of the same format. Denormals are not reported.
pub(super) fn to_integral(value: &Unpacked, rounding: Rounding) -> Outcome {
    if let Some(outcome) = propagate_one_nan(value) {
        return outcome;
    }
    if !value.is(Class::Finite) || value.exp >= 63 {
        return (*value, Flags::NONE);
    }
    let integral = integral(value, rounding);
    if integral.magnitude == 0 {
        return (Unpacked::zero(value.sign), integral.flags);
    }
    let shift = integral.magnitude.leading_zeros();
    (Unpacked::finite(value.sign, 63 - shift as i32, integral.magnitude << shift), integral.flags)
}

/// To another float format. Denormals are not reported.
pub(super) fn to_format(value: &Unpacked, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_one_nan(value) {
        return outcome;
    }
    match value.class {
        Class::Finite => round(Wide::from_unpacked(value), target),
        _ => (*value, Flags::NONE),
    }
}
