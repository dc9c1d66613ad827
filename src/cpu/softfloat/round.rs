//! The one place where a result is brought to its format: rounding, overflow, underflow, flush to zero.
//!
//! Tininess is detected after rounding to an unbounded exponent, as x86 does. An unmasked overflow or underflow gives the
//! result with its exponent adjusted by the format's wrap value (SDM Vol. 1, 8.5.4 and 8.5.5); only x87 registers ever
//! receive it.

use super::env::{Env, Flags, Rounding, SseEnv};
use super::unpacked::{BINARY32, BINARY64, EXTENDED, Format, Unpacked};

/// A result before rounding: (-1)^sign * sig/2^127 * 2^exp. Bit 0 is sticky where the exact value is longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    pub sign: bool,
    pub exp: i32,
    pub sig: u128,
}

impl Wide {
    pub const fn from_unpacked(value: &Unpacked) -> Self {
        Self { sign: value.sign, exp: value.exp, sig: (value.sig as u128) << 64 }
    }
}

/// Where a result goes and how it is brought there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub format: Format,
    /// Significand width, less than the format's own under x87 precision control.
    pub precision: u32,
    pub rounding: Rounding,
    pub masks: Flags,
    pub ftz: bool,
}

impl Target {
    pub const fn x87(env: &Env) -> Self {
        Self { format: EXTENDED, precision: env.precision.bits(), rounding: env.rounding, masks: env.masks, ftz: false }
    }

    /// A 32-bit or 64-bit memory operand that an x87 register is stored to.
    pub const fn x87_store(format: Format, env: &Env) -> Self {
        Self { format, precision: format.precision, rounding: env.rounding, masks: env.masks, ftz: false }
    }

    const fn sse(format: Format, env: &SseEnv) -> Self {
        Self { format, precision: format.precision, rounding: env.rounding, masks: env.masks, ftz: env.ftz }
    }

    pub const fn sse32(env: &SseEnv) -> Self {
        Self::sse(BINARY32, env)
    }

    pub const fn sse64(env: &SseEnv) -> Self {
        Self::sse(BINARY64, env)
    }
}

/// Outcome of cutting a significand.
pub(super) struct Cut {
    pub sig: u128,
    /// The significand became 2^128 and `sig` is 0.
    pub carry: bool,
    pub up: bool,
    pub inexact: bool,
}

impl Cut {
    fn flags(&self) -> Flags {
        Flags::PRECISION.when(self.inexact) | Flags::ROUNDED_UP.when(self.up)
    }
}

/// Rounds away the low `discarded` bits (1 to 127) of a significand.
#[inline]
pub(super) fn cut(sig: u128, discarded: u32, sign: bool, rounding: Rounding) -> Cut {
    let unit = 1u128 << discarded;
    let tail = sig & (unit - 1);
    let half = unit >> 1;
    let up = match rounding {
        Rounding::Nearest => tail > half || (tail == half && sig & unit != 0),
        Rounding::Down => sign && tail != 0,
        Rounding::Up => !sign && tail != 0,
        Rounding::Zero => false,
    };
    let (sig, carry) = (sig - tail).overflowing_add(if up { unit } else { 0 });
    Cut { sig, carry, up, inexact: tail != 0 }
}

/// Shifts right and keeps in bit 0 whether anything was lost.
#[inline]
pub(super) const fn shift_right_sticky(sig: u128, shift: u32) -> u128 {
    match shift {
        0 => sig,
        1..=127 => sig >> shift | (sig << (128 - shift) != 0) as u128,
        _ => (sig != 0) as u128,
    }
}

/// Rounds `value` to `target`. A zero significand gives a zero with the sign as it stands.
#[inline]
pub(super) fn round(value: Wide, target: &Target) -> (Unpacked, Flags) {
    if value.sig == 0 {
        return (Unpacked::zero(value.sign), Flags::NONE);
    }
    let shift = value.sig.leading_zeros();
    let value = Wide { sig: value.sig << shift, exp: value.exp - shift as i32, ..value };
    let rounded = cut(value.sig, 128 - target.precision, value.sign, target.rounding);
    let (exp, sig) = match rounded.carry {
        true => (value.exp + 1, 1 << 63),
        false => (value.exp, (rounded.sig >> 64) as u64),
    };
    let result = Unpacked::finite(value.sign, exp, sig);
    if exp > target.format.max_exp {
        overflow(result, rounded.flags(), target)
    } else if exp < target.format.min_exp {
        underflow(value, result, rounded.flags(), target)
    } else {
        (result, rounded.flags())
    }
}

#[cold]
fn overflow(unbounded: Unpacked, flags: Flags, target: &Target) -> (Unpacked, Flags) {
    let sign = unbounded.sign;
    if !target.masks.has(Flags::OVERFLOW) {
        let exp = unbounded.exp - target.format.wrap;
        // FSCALE reaches past the wrapped range: the SDM gives an infinity there. Narrower formats have no use for the
        // value, and must not report it as inexact.
        let massive = exp > target.format.max_exp && target.format == EXTENDED;
        let flags = flags | Flags::OVERFLOW;
        if massive {
            return (Unpacked::infinity(sign), flags | Flags::PRECISION | Flags::ROUNDED_UP);
        }
        return (Unpacked { exp, ..unbounded }, flags);
    }
    let flags = Flags::OVERFLOW | Flags::PRECISION;
    let away = match target.rounding {
        Rounding::Nearest => true,
        Rounding::Down => sign,
        Rounding::Up => !sign,
        Rounding::Zero => false,
    };
    if away {
        return (Unpacked::infinity(sign), flags | Flags::ROUNDED_UP);
    }
    let largest = u64::MAX << (64 - target.precision);
    (Unpacked::finite(sign, target.format.max_exp, largest), flags)
}

#[cold]
fn underflow(exact: Wide, unbounded: Unpacked, flags: Flags, target: &Target) -> (Unpacked, Flags) {
    let sign = exact.sign;
    if !target.masks.has(Flags::UNDERFLOW) {
        let exp = unbounded.exp + target.format.wrap;
        let massive = exp < target.format.min_exp && target.format == EXTENDED;
        if massive {
            return (Unpacked::zero(sign), Flags::UNDERFLOW | Flags::PRECISION);
        }
        return (Unpacked { exp, ..unbounded }, flags | Flags::UNDERFLOW);
    }
    if target.ftz {
        return (Unpacked::zero(sign), Flags::UNDERFLOW | Flags::PRECISION);
    }
    let sig = shift_right_sticky(exact.sig, target.format.min_exp.abs_diff(exact.exp));
    let rounded = cut(sig, 128 - target.precision, sign, target.rounding);
    let flags = rounded.flags() | Flags::UNDERFLOW.when(rounded.inexact);
    match (rounded.sig >> 64) as u64 {
        0 => (Unpacked::zero(sign), flags),
        sig => (Unpacked::finite(sign, target.format.min_exp, sig), flags),
    }
}
