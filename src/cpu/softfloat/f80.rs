//! The x87 double-extended number and the x87 operations on it.
//!
//! Every operation takes the whole environment; those that precision control does not reach round to 64 bits by
//! themselves. A result together with an unmasked invalid, denormal or zero-divide flag is meaningless and must not be
//! stored.

use serde::{Deserialize, Serialize};

use super::arithmetic::{self, NanRule, Outcome, Relation, propagate_nan, propagate_one_nan};
use super::convert;
use super::env::{Env, Flags, Rounding};
use super::remainder::{Quotient, Remainder, partial_remainder};
use super::round::{Target, Wide, round};
use super::unpacked::{BINARY32, BINARY64, Class, Unpacked};

/// An 80-bit number as its bits, every encoding being allowed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct F80 {
    /// Significand with the explicit integer bit on top.
    pub sig: u64,
    /// Sign in bit 15, biased exponent (bias 16383) below.
    pub sign_exp: u16,
}

impl std::fmt::Debug for F80 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}:{:016x}", self.sign_exp, self.sig)
    }
}

/// What FXAM tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum F80Class {
    /// Unnormal, pseudo-infinity or pseudo-NaN.
    Unsupported,
    /// Quiet or signalling.
    Nan,
    /// Finite with the integer bit set.
    Normal,
    /// Infinity.
    Infinity,
    /// Zero.
    Zero,
    /// Denormal or pseudo-denormal.
    Denormal,
}

fn pack((value, flags): Outcome) -> (F80, Flags) {
    (F80::from_unpacked(value), flags)
}

impl F80 {
    /// Positive zero.
    pub const ZERO: Self = Self::new(0, 0);
    /// One.
    pub const ONE: Self = Self::new(0x3fff, 1 << 63);
    /// Positive infinity.
    pub const INFINITY: Self = Self::new(0x7fff, 1 << 63);
    /// The QNaN floating-point indefinite, the masked response to invalid operations.
    pub const INDEFINITE: Self = Self::new(0xffff, 3 << 62);

    /// From its two fields.
    pub const fn new(sign_exp: u16, sig: u64) -> Self {
        Self { sig, sign_exp }
    }

    /// From the ten bytes of an m80 operand.
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        let [a, b, c, d, e, f, g, h, low, high] = bytes;
        Self::new(u16::from_le_bytes([low, high]), u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The ten bytes of an m80 operand.
    pub fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.sig.to_le_bytes();
        let [low, high] = self.sign_exp.to_le_bytes();
        [a, b, c, d, e, f, g, h, low, high]
    }

    pub(super) fn unpack(self) -> Unpacked {
        Unpacked::from_extended(self.sign_exp, self.sig)
    }

    pub(super) fn from_unpacked(value: Unpacked) -> Self {
        let (sign_exp, sig) = value.to_extended();
        Self { sig, sign_exp }
    }

    /// The sign bit.
    pub const fn is_negative(self) -> bool {
        self.sign_exp & 0x8000 != 0
    }

    /// The sign bit inverted, whatever the encoding (FCHS).
    pub const fn negated(self) -> Self {
        Self::new(self.sign_exp ^ 0x8000, self.sig)
    }

    /// The sign bit cleared, whatever the encoding (FABS).
    pub const fn abs(self) -> Self {
        Self::new(self.sign_exp & 0x7fff, self.sig)
    }

    /// The kind of encoding.
    pub fn classify(self) -> F80Class {
        let value = self.unpack();
        match value.class {
            Class::Unsupported => F80Class::Unsupported,
            Class::QuietNan | Class::SignallingNan => F80Class::Nan,
            Class::Infinity => F80Class::Infinity,
            Class::Zero => F80Class::Zero,
            Class::Finite if value.denormal => F80Class::Denormal,
            Class::Finite => F80Class::Normal,
        }
    }

    /// The value of an m32fp operand with its signalling NaNs left signalling, and DE if it is denormal. Arithmetic with
    /// memory operands looks at them this way; a load is [`F80::load`] of it.
    pub fn from_f32_bits(bits: u32) -> (Self, Flags) {
        let value = Unpacked::from_binary32(bits, false);
        (Self::from_unpacked(value), Flags::DENORMAL.when(value.denormal))
    }

    /// The m64fp form of [`F80::from_f32_bits`].
    pub fn from_f64_bits(bits: u64) -> (Self, Flags) {
        let value = Unpacked::from_binary64(bits, false);
        (Self::from_unpacked(value), Flags::DENORMAL.when(value.denormal))
    }

    /// What FLD of an m32fp or m64fp does to a widened operand: a signalling NaN becomes quiet and is invalid.
    pub fn load(self, flags: Flags) -> (Self, Flags) {
        let value = self.unpack();
        match value.class {
            Class::SignallingNan => (Self::from_unpacked(value.quieted()), Flags::INVALID),
            _ => (self, flags),
        }
    }

    /// From a signed integer, always exact.
    pub fn from_i64(value: i64) -> Self {
        let magnitude = value.unsigned_abs();
        if magnitude == 0 {
            return Self::ZERO;
        }
        let shift = magnitude.leading_zeros();
        Self::from_unpacked(Unpacked::finite(value < 0, 63 - shift as i32, magnitude << shift))
    }

    /// To an m32fp (FST).
    pub fn to_f32_bits(self, env: &Env) -> (u32, Flags) {
        let (value, flags) = convert::to_format(&self.unpack(), &Target::x87_store(BINARY32, env));
        (value.to_binary32(), flags)
    }

    /// To an m64fp (FST).
    pub fn to_f64_bits(self, env: &Env) -> (u64, Flags) {
        let (value, flags) = convert::to_format(&self.unpack(), &Target::x87_store(BINARY64, env));
        (value.to_binary64(), flags)
    }

    /// To a signed integer of 16, 32 or 64 bits (FIST); `None` is an invalid operation.
    pub fn to_int(self, bits: u32, rounding: Rounding) -> Option<(i64, Flags)> {
        convert::to_int(&self.unpack(), bits, rounding)
    }

    /// Sum, rounded to the precision control (FADD).
    pub fn add(self, other: Self, env: &Env) -> (Self, Flags) {
        pack(arithmetic::add(&self.unpack(), &other.unpack(), NanRule::X87, &Target::x87(env)))
    }

    /// Difference, rounded to the precision control (FSUB).
    pub fn sub(self, other: Self, env: &Env) -> (Self, Flags) {
        let other = other.unpack();
        // The sign of a NaN is not turned: it would show in the result.
        let other = if other.is_nan() { other } else { other.negated() };
        pack(arithmetic::add(&self.unpack(), &other, NanRule::X87, &Target::x87(env)))
    }

    /// Product, rounded to the precision control (FMUL).
    pub fn mul(self, other: Self, env: &Env) -> (Self, Flags) {
        pack(arithmetic::multiply(&self.unpack(), &other.unpack(), NanRule::X87, &Target::x87(env)))
    }

    /// Quotient, rounded to the precision control (FDIV).
    pub fn div(self, other: Self, env: &Env) -> (Self, Flags) {
        pack(arithmetic::divide(&self.unpack(), &other.unpack(), NanRule::X87, &Target::x87(env)))
    }

    /// Square root, rounded to the precision control (FSQRT).
    pub fn sqrt(self, env: &Env) -> (Self, Flags) {
        pack(arithmetic::square_root(&self.unpack(), &Target::x87(env)))
    }

    /// One step of FPREM or FPREM1.
    pub fn partial_remainder(self, other: Self, kind: Remainder, env: &Env) -> (Self, Quotient, Flags) {
        let target = Target::x87(&env.extended());
        let ((value, flags), quotient) = partial_remainder(&self.unpack(), &other.unpack(), kind, &target);
        (Self::from_unpacked(value), quotient, flags)
    }

    /// Compares; `signalling` makes quiet NaNs invalid (FCOM, not FUCOM).
    pub fn compare(self, other: Self, signalling: bool) -> (Relation, Flags) {
        arithmetic::compare(&self.unpack(), &other.unpack(), signalling)
    }

    /// Rounds to an integral value by the rounding mode (FRNDINT).
    pub fn round_to_integral(self, env: &Env) -> (Self, Flags) {
        let value = self.unpack();
        let denormal = Flags::DENORMAL.when(value.denormal);
        if denormal.suppress_result(env.masks) {
            return (self, denormal);
        }
        let (value, flags) = convert::to_integral(&value, env.rounding);
        (Self::from_unpacked(value), flags | denormal)
    }

    /// Multiplies by two to the power of `other` truncated to an integer (FSCALE).
    pub fn scale(self, other: Self, env: &Env) -> (Self, Flags) {
        pack(scale(&self.unpack(), &other.unpack(), &Target::x87(&env.extended())))
    }

    /// Splits into (exponent as a number, significand with the exponent of one) (FXTRACT).
    pub fn extract(self, env: &Env) -> (Self, Self, Flags) {
        let value = self.unpack();
        if let Some((nan, flags)) = propagate_one_nan(&value) {
            let nan = Self::from_unpacked(nan);
            return (nan, nan, flags);
        }
        match value.class {
            Class::Zero => (Self::INFINITY.negated(), self, Flags::DIVIDE_BY_ZERO),
            Class::Infinity => (Self::INFINITY, self, Flags::NONE),
            _ => {
                let flags = Flags::DENORMAL.when(value.denormal);
                if flags.suppress_result(env.masks) {
                    return (self, self, flags);
                }
                let significand = Self::from_unpacked(Unpacked::finite(value.sign, 0, value.sig));
                (Self::from_i64(i64::from(value.exp)), significand, flags)
            }
        }
    }
}

fn scale(a: &Unpacked, b: &Unpacked, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_nan(a, b, NanRule::X87) {
        return outcome;
    }
    if b.is(Class::Infinity) && a.is(if b.sign { Class::Infinity } else { Class::Zero }) {
        return arithmetic::invalid();
    }
    let flags = arithmetic::denormal_flag(a, b);
    if flags.suppress_result(target.masks) {
        return (Unpacked::indefinite(), flags);
    }
    match (a.class, b.class) {
        (Class::Infinity | Class::Zero, _) => (*a, flags),
        (_, Class::Infinity) if b.sign => (Unpacked::zero(a.sign), flags),
        (_, Class::Infinity) => (Unpacked::infinity(a.sign), flags),
        _ => {
            let exp = a.exp + clamped_integer(b);
            let (value, more) = round(Wide { exp, ..Wide::from_unpacked(a) }, target);
            (value, flags | more)
        }
    }
}

/// `value` truncated, held to a range that over- or underflows any number even after the wrap.
fn clamped_integer(value: &Unpacked) -> i32 {
    const LIMIT: i32 = 0x20000;
    let magnitude = match value.exp {
        _ if value.is(Class::Zero) => 0,
        ..0 => 0,
        exp @ 0..17 => (value.sig >> (63 - exp)) as i32,
        _ => LIMIT,
    };
    if value.sign { -magnitude } else { magnitude }
}
