//! What an operation is told (rounding, precision, masks) and what it reports (exception flags).
//!
//! Flag bits stand where FSW and MXCSR have them, so that a report can be OR-ed into either register.

use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

use serde::{Deserialize, Serialize};

/// Rounding mode; the discriminants are the encoding of FCW.RC and MXCSR.RC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest = 0,
    /// Toward minus infinity.
    Down = 1,
    /// Toward plus infinity.
    Up = 2,
    /// Toward zero.
    Zero = 3,
}

impl Rounding {
    /// Decodes the two-bit RC field; higher bits are ignored.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }
}

/// x87 precision control (FCW.PC): the significand width to which FADD, FSUB, FMUL, FDIV and FSQRT round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// 24 bits.
    Single,
    /// 53 bits.
    Double,
    /// 64 bits.
    Extended,
}

impl Precision {
    /// Width in bits of the rounded significand.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Single => 24,
            Self::Double => 53,
            Self::Extended => 64,
        }
    }
}

/// Exception flags in FSW positions, plus the direction of rounding at the place of C1.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flags(pub u16);

impl Flags {
    /// Nothing happened.
    pub const NONE: Self = Self(0);
    /// IE: invalid operation.
    pub const INVALID: Self = Self(0x01);
    /// DE: a denormal operand.
    pub const DENORMAL: Self = Self(0x02);
    /// ZE: division of a finite number by zero.
    pub const DIVIDE_BY_ZERO: Self = Self(0x04);
    /// OE: overflow.
    pub const OVERFLOW: Self = Self(0x08);
    /// UE: underflow, tininess being detected after rounding.
    pub const UNDERFLOW: Self = Self(0x10);
    /// PE: inexact result.
    pub const PRECISION: Self = Self(0x20);
    /// SF: stack fault (x87 only, always together with IE).
    pub const STACK: Self = Self(0x40);
    /// The magnitude was rounded up; x87 shows it as C1. Not an exception.
    pub const ROUNDED_UP: Self = Self(0x200);
    /// The six exceptions.
    pub const EXCEPTIONS: Self = Self(0x3f);
    /// Exceptions that are found before a result is computed; unmasked, they suppress it.
    pub const BEFORE_RESULT: Self = Self(0x07);

    /// True if any bit of `other` is set here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `self` if `condition`, else nothing.
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// Only the six exception flags.
    pub const fn exceptions(self) -> Self {
        Self(self.0 & Self::EXCEPTIONS.0)
    }

    /// Those exceptions that `masks` (a set bit means masked) does not hold back.
    pub const fn unmasked(self, masks: Self) -> Self {
        Self(self.0 & Self::EXCEPTIONS.0 & !masks.0)
    }

    /// True if an unmasked exception forbids computing a result.
    pub const fn suppress_result(self, masks: Self) -> bool {
        self.unmasked(masks).has(Self::BEFORE_RESULT)
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Flags {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [(1, "IE"), (2, "DE"), (4, "ZE"), (8, "OE"), (16, "UE"), (32, "PE"), (64, "SF"), (0x200, "C1")];
        let set: Vec<_> = names.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| *name).collect();
        write!(f, "{{{}}}", set.join(" "))
    }
}

/// Environment of an x87 operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Env {
    /// FCW.RC.
    pub rounding: Rounding,
    /// FCW.PC.
    pub precision: Precision,
    /// Masked exceptions (a set bit is a masked exception), FCW bits 0 to 5.
    pub masks: Flags,
}

impl Env {
    /// Decodes a control word. The reserved PC encoding 01 acts as 64 bits.
    pub const fn from_fcw(fcw: u16) -> Self {
        Self {
            rounding: Rounding::from_bits(fcw as u32 >> 10),
            precision: match fcw >> 8 & 3 {
                0 => Precision::Single,
                2 => Precision::Double,
                _ => Precision::Extended,
            },
            masks: Flags(fcw & 0x3f),
        }
    }

    /// The same environment with 64-bit precision, for the operations that precision control does not reach.
    pub const fn extended(self) -> Self {
        Self { precision: Precision::Extended, ..self }
    }
}

/// Environment of an SSE operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SseEnv {
    /// MXCSR.RC.
    pub rounding: Rounding,
    /// MXCSR.DAZ: denormal operands are zeros.
    pub daz: bool,
    /// MXCSR.FZ: tiny results are zeros while underflow is masked.
    pub ftz: bool,
    /// Masked exceptions (a set bit is a masked exception), MXCSR bits 7 to 12 moved to bits 0 to 5.
    pub masks: Flags,
}

impl SseEnv {
    /// Decodes MXCSR.
    pub const fn from_mxcsr(mxcsr: u32) -> Self {
        Self {
            rounding: Rounding::from_bits(mxcsr >> 13),
            daz: mxcsr & 0x40 != 0,
            ftz: mxcsr & 0x8000 != 0,
            masks: Flags((mxcsr >> 7 & 0x3f) as u16),
        }
    }

    /// The same environment with another rounding mode, for the truncating conversions and ROUNDSx.
    pub const fn with_rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }
}
