//! The form in which every format meets the arithmetic: a class, a sign, an exponent and a 64-bit significand.
//!
//! Invariant: a `Finite` significand coming in has bit 63 set, whatever the format's own denormals look like. Only
//! `round` makes finite values with bit 63 clear, and only at the target's least exponent (a denormal to be packed).

/// What kind of value an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignallingNan,
    /// A double-extended encoding that the 387 and later refuse: unnormal, pseudo-infinity, pseudo-NaN.
    Unsupported,
}

/// An operand or a result: (-1)^sign * sig/2^63 * 2^exp. A NaN has its significand left-aligned with bit 63 set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unpacked {
    pub class: Class,
    pub sign: bool,
    /// True for an operand that its format encodes as denormal (or pseudo-denormal).
    pub denormal: bool,
    pub exp: i32,
    pub sig: u64,
}

/// Bit 62 of a left-aligned NaN significand tells quiet from signalling.
const QUIET: u64 = 1 << 62;
const INTEGER_BIT: u64 = 1 << 63;

/// Shape of a format: significand width, exponent range, and the exponent adjustment of an unmasked over/underflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Format {
    pub precision: u32,
    pub min_exp: i32,
    pub max_exp: i32,
    pub wrap: i32,
}

pub(super) const BINARY32: Format = Format { precision: 24, min_exp: -126, max_exp: 127, wrap: 192 };
pub(super) const BINARY64: Format = Format { precision: 53, min_exp: -1022, max_exp: 1023, wrap: 1536 };
pub(super) const EXTENDED: Format = Format { precision: 64, min_exp: -16382, max_exp: 16383, wrap: 24576 };

impl Unpacked {
    const fn of(class: Class, sign: bool, sig: u64) -> Self {
        Self { class, sign, denormal: false, exp: 0, sig }
    }

    pub const fn zero(sign: bool) -> Self {
        Self::of(Class::Zero, sign, 0)
    }

    pub const fn infinity(sign: bool) -> Self {
        Self::of(Class::Infinity, sign, INTEGER_BIT)
    }

    /// The QNaN floating-point indefinite: negative, quiet, empty payload.
    pub const fn indefinite() -> Self {
        Self::of(Class::QuietNan, true, INTEGER_BIT | QUIET)
    }

    pub const fn finite(sign: bool, exp: i32, sig: u64) -> Self {
        Self { class: Class::Finite, sign, denormal: false, exp, sig }
    }

    /// A nonzero significand below bit 63, brought up to it.
    pub const fn denormal(sign: bool, exp: i32, sig: u64) -> Self {
        let shift = sig.leading_zeros();
        Self { class: Class::Finite, sign, denormal: true, exp: exp - shift as i32, sig: sig << shift }
    }

    pub const fn nan(sign: bool, sig: u64) -> Self {
        let class = if sig & QUIET != 0 { Class::QuietNan } else { Class::SignallingNan };
        Self::of(class, sign, sig | INTEGER_BIT)
    }

    pub const fn unsupported() -> Self {
        Self::of(Class::Unsupported, false, 0)
    }

    /// The quiet form of a NaN; its sign and payload stay.
    pub const fn quieted(self) -> Self {
        Self::of(Class::QuietNan, self.sign, self.sig | QUIET)
    }

    pub const fn negated(self) -> Self {
        Self { sign: !self.sign, ..self }
    }

    pub const fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignallingNan)
    }

    pub fn is(&self, class: Class) -> bool {
        self.class == class
    }

    /// Decodes an IEEE interchange format with an implicit integer bit.
    #[inline]
    fn from_ieee(bits: u64, width: u32, format: &Format, daz: bool) -> Self {
        let fraction_bits = format.precision - 1;
        let sign = bits >> (width - 1) & 1 != 0;
        let biased = (bits >> fraction_bits) as i32 & (2 * format.max_exp + 1);
        let fraction = (bits & ((1 << fraction_bits) - 1)) << (63 - fraction_bits);
        if biased == 0 {
            return match fraction {
                0 => Self::zero(sign),
                _ if daz => Self::zero(sign),
                _ => Self::denormal(sign, format.min_exp, fraction),
            };
        }
        if biased == 2 * format.max_exp + 1 {
            return if fraction == 0 { Self::infinity(sign) } else { Self::nan(sign, fraction) };
        }
        Self::finite(sign, biased - format.max_exp, fraction | INTEGER_BIT)
    }

    #[inline]
    fn to_ieee(self, width: u32, format: &Format) -> u64 {
        let fraction_bits = format.precision - 1;
        let (biased, sig) = match self.class {
            Class::Zero => (0, 0),
            Class::Finite if self.sig & INTEGER_BIT == 0 => (0, self.sig),
            Class::Finite => (self.exp + format.max_exp, self.sig),
            _ => (2 * format.max_exp + 1, self.sig),
        };
        let fraction = sig << 1 >> (64 - fraction_bits);
        u64::from(self.sign) << (width - 1) | (biased as u64) << fraction_bits | fraction
    }

    pub fn from_binary32(bits: u32, daz: bool) -> Self {
        Self::from_ieee(u64::from(bits), 32, &BINARY32, daz)
    }

    pub fn from_binary64(bits: u64, daz: bool) -> Self {
        Self::from_ieee(bits, 64, &BINARY64, daz)
    }

    pub fn to_binary32(self) -> u32 {
        self.to_ieee(32, &BINARY32) as u32
    }

    pub fn to_binary64(self) -> u64 {
        self.to_ieee(64, &BINARY64)
    }

    /// Decodes a double-extended number (SDM Vol. 1, table 8-3 for the unsupported encodings).
    #[inline]
    pub fn from_extended(sign_exp: u16, sig: u64) -> Self {
        let sign = sign_exp & 0x8000 != 0;
        let biased = i32::from(sign_exp & 0x7fff);
        if biased == 0 {
            return if sig == 0 { Self::zero(sign) } else { Self::denormal(sign, EXTENDED.min_exp, sig) };
        }
        if sig & INTEGER_BIT == 0 {
            return Self::unsupported();
        }
        if biased == 0x7fff {
            return if sig == INTEGER_BIT { Self::infinity(sign) } else { Self::nan(sign, sig) };
        }
        Self::finite(sign, biased - EXTENDED.max_exp, sig)
    }

    /// Encodes as (sign and exponent, significand).
    #[inline]
    pub fn to_extended(self) -> (u16, u64) {
        let biased = match self.class {
            Class::Zero => 0,
            Class::Finite if self.sig & INTEGER_BIT == 0 => 0,
            Class::Finite => (self.exp + EXTENDED.max_exp) as u16,
            _ => 0x7fff,
        };
        (u16::from(self.sign) << 15 | biased, self.sig)
    }
}
