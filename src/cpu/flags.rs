//! The six status flags, kept lazily as three words that every combination of flags fits in.
//!
//! ZF is `zero == 0`; SF is the sign of `sign` and PF the parity of its low byte; the carry word holds the
//! carries out of each bit position, aligned so that bit 63 is the carry out (CF) and bit 62 the carry into
//! the sign bit (OF is their XOR), with the carry out of bit 3 (AF) always in bit 3. Readers never ask
//! which instruction wrote them.

use super::word::Word;

/// RFLAGS bits (SDM vol. 1, figure 3-8).
pub mod bit {
    #![allow(missing_docs)]
    pub const CF: u64 = 1 << 0;
    pub const FIXED: u64 = 1 << 1;
    pub const PF: u64 = 1 << 2;
    pub const AF: u64 = 1 << 4;
    pub const ZF: u64 = 1 << 6;
    pub const SF: u64 = 1 << 7;
    pub const TF: u64 = 1 << 8;
    pub const IF: u64 = 1 << 9;
    pub const DF: u64 = 1 << 10;
    pub const OF: u64 = 1 << 11;
    pub const IOPL: u64 = 3 << 12;
    pub const NT: u64 = 1 << 14;
    pub const RF: u64 = 1 << 16;
    pub const VM: u64 = 1 << 17;
    pub const AC: u64 = 1 << 18;
    pub const VIF: u64 = 1 << 19;
    pub const VIP: u64 = 1 << 20;
    pub const ID: u64 = 1 << 21;
    /// The six status flags.
    pub const STATUS: u64 = CF | PF | AF | ZF | SF | OF;
    /// Every bit that exists.
    pub const ALL: u64 = STATUS | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;
}

/// The lazy status flags.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Flags {
    /// ZF is set when this is zero.
    pub zero: u64,
    /// SF is bit 63, PF the parity of bits 7..0.
    pub sign: u64,
    /// CF bit 63, OF bit 63 xor bit 62, AF bit 3.
    pub carry: u64,
}

impl Flags {
    /// Flags from the status bits of an RFLAGS image.
    #[inline]
    pub fn from_bits(f: u64) -> Flags {
        let cf = f & bit::CF;
        let of = (f >> 11) & 1;
        Flags {
            zero: (f & bit::ZF) ^ bit::ZF,
            sign: ((f & bit::SF) << 56) | ((f & bit::PF) >> 2 ^ 1),
            carry: (cf << 63) | ((cf ^ of) << 62) | ((f & bit::AF) >> 1),
        }
    }
    /// The six status bits at their RFLAGS positions.
    #[inline]
    pub fn bits(self) -> u64 {
        (self.cf() as u64)
            | (self.pf() as u64) << 2
            | (self.af() as u64) << 4
            | (self.zf() as u64) << 6
            | (self.sf() as u64) << 7
            | (self.of() as u64) << 11
    }
    #[inline]
    pub fn cf(self) -> bool {
        (self.carry as i64) < 0
    }
    #[inline]
    pub fn of(self) -> bool {
        ((self.carry ^ (self.carry << 1)) as i64) < 0
    }
    #[inline]
    pub fn zf(self) -> bool {
        self.zero == 0
    }
    #[inline]
    pub fn sf(self) -> bool {
        (self.sign as i64) < 0
    }
    #[inline]
    pub fn pf(self) -> bool {
        (self.sign as u8).count_ones() & 1 == 0
    }
    #[inline]
    pub fn af(self) -> bool {
        self.carry & 8 != 0
    }
    /// Flags of a result with the given carry-out vector (bit i = carry out of bit i).
    #[inline(always)]
    pub fn of_result<W: Word>(result: W, carries: W) -> Flags {
        let c = carries.to_u64();
        let carry = if W::BITS == 64 { c } else { (c & 8) | (c << (64 - W::BITS)) };
        Flags { zero: result.to_u64(), sign: result.sext(), carry }
    }
    /// Flags of a logical result: CF, OF and AF clear.
    #[inline(always)]
    pub fn logic<W: Word>(result: W) -> Flags {
        Flags { zero: result.to_u64(), sign: result.sext(), carry: 0 }
    }
    /// Replaces CF, leaving OF and AF as they are.
    #[inline]
    pub fn set_cf(&mut self, cf: bool) {
        let of = self.of();
        self.set_cf_of(cf, of);
    }
    /// Replaces CF and OF, leaving AF as it is.
    #[inline]
    pub fn set_cf_of(&mut self, cf: bool, of: bool) {
        self.carry = (self.carry & 8) | (cf as u64) << 63 | ((cf ^ of) as u64) << 62;
    }
    /// Condition `cc` as encoded in the low four bits of Jcc/SETcc/CMOVcc (SDM vol. 2, appendix B.1.4.7).
    #[inline(always)]
    pub fn condition(self, cc: u8) -> bool {
        let v = match cc >> 1 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() || self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() || self.sf() != self.of(),
        };
        v != (cc & 1 != 0)
    }
}
