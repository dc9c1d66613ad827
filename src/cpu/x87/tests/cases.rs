//! Random states and operands, biased toward the edges of the formats. Deterministic: the seed is the test's own.

use crate::cpu::softfloat::F80;
use crate::cpu::x87::X87;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A word with runs of equal bits, single bits, or nothing special.
    pub fn pattern(&mut self) -> u64 {
        match self.below(7) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => u64::MAX << self.below(64),
            4 => u64::MAX >> self.below(64),
            5 => self.next() << self.below(64),
            _ => self.next(),
        }
    }

    pub fn f32_bits(&mut self) -> u32 {
        let exponent = match self.below(6) {
            0 => 0,
            1 => 255,
            2 => 1 + self.below(30),
            3 => 254 - self.below(30),
            4 => 127 + self.below(33),
            _ => self.below(256),
        } as u32;
        (self.next() as u32 & 1) << 31 | exponent << 23 | (self.pattern() >> 41) as u32
    }

    pub fn f64_bits(&mut self) -> u64 {
        let exponent = match self.below(7) {
            0 => 0,
            1 => 2047,
            2 => 1 + self.below(60),
            3 => 2046 - self.below(60),
            4 => 1023 + self.below(66),
            5 => 1023 - 150 + self.below(300),
            _ => self.below(2048),
        };
        (self.next() & 1) << 63 | exponent << 52 | self.pattern() >> 12
    }

    pub fn f80(&mut self) -> F80 {
        let exponent = match self.below(12) {
            0 => 0,
            1 => 0x7fff,
            2 => 1 + self.below(70),
            3 => 0x7ffe - self.below(70),
            4 => 16383 - 160 + self.below(320),
            5 => 16383 - 1090 + self.below(120),
            6 => 16383 + 960 + self.below(80),
            7 | 8 => 16383 + self.below(68),
            9 => 16383 - 3 + self.below(6),
            _ => self.below(0x8000),
        } as u16;
        let integer_bit = if exponent == 0 { self.below(2) } else { u64::from(!self.one_in(24)) };
        let sign = (self.next() as u16 & 1) << 15;
        let fraction = self.pattern() & (u64::MAX >> 1);
        F80::new(sign | exponent, if exponent == 0 && self.one_in(3) { 0 } else { integer_bit << 63 | fraction })
    }

    pub fn fcw(&mut self) -> u16 {
        let masks = if self.one_in(2) { 0x3f } else { self.below(64) as u16 };
        0x40 | masks | (self.next() as u16 & 0x0f00)
    }

    /// A state with no exception pending.
    pub fn x87(&mut self) -> X87 {
        let mut x87 = X87 { regs: std::array::from_fn(|_| self.f80()), ..X87::default() };
        x87.set_fcw(self.fcw());
        x87.fsw = self.next() as u16 & 0x7f00 | self.next() as u16 & x87.fcw & 0x3f;
        if self.one_in(4) {
            x87.fsw |= 0x40;
        }
        x87.tags = match self.below(4) {
            0 => self.next() as u8,
            1 => 0xff,
            // The two topmost numbers only, as compiled code has it.
            _ => (3u16 << x87.top() | 3u16 << x87.top() >> 8) as u8,
        };
        x87
    }
}
