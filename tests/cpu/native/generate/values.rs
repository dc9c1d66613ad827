//! Random operand values with a bias to corner cases, and legal control words.

use super::super::random::Random;

const F32_CORNERS: [u32; 20] = [
    0,
    0x8000_0000,
    0x3F80_0000,
    0xBF80_0000,
    0x7F80_0000,
    0xFF80_0000,
    0x7FC0_0000,
    0xFFC0_0001,
    0x7F80_0001,
    0xFFBF_FFFF,
    1,
    0x807F_FFFF,
    0x0080_0000,
    0x7F7F_FFFF,
    0xFF7F_FFFF,
    0x4F00_0000,
    0xCF00_0000,
    0x4EFF_FFFF,
    0x3F00_0000,
    0x5F00_0000,
];
const F64_CORNERS: [u64; 22] = [
    0,
    1 << 63,
    0x3FF0_0000_0000_0000,
    0xBFF0_0000_0000_0000,
    0x7FF0_0000_0000_0000,
    0xFFF0_0000_0000_0000,
    0x7FF8_0000_0000_0000,
    0xFFF8_0000_0000_0001,
    0x7FF0_0000_0000_0001,
    0xFFF7_FFFF_FFFF_FFFF,
    1,
    0x800F_FFFF_FFFF_FFFF,
    0x0010_0000_0000_0000,
    0x7FEF_FFFF_FFFF_FFFF,
    0xC1E0_0000_0000_0000,
    0x41DF_FFFF_FFC0_0000,
    0x43E0_0000_0000_0000,
    0xC3E0_0000_0000_0000,
    0x3FE0_0000_0000_0000,
    0x4330_0000_0000_0001,
    0x47EF_FFFF_F000_0000,
    0x36A0_0000_0000_0000,
];
const EXPLICIT_ONE: u64 = 1 << 63;
/// Mantissa and sign with exponent: zeros, ones, infinities, NaNs, denormals, pseudo-denormals, unnormals, pi/4.
const F80_CORNERS: [(u64, u16); 22] = [
    (0, 0),
    (0, 0x8000),
    (EXPLICIT_ONE, 0x3FFF),
    (EXPLICIT_ONE, 0xBFFF),
    (EXPLICIT_ONE, 0x7FFF),
    (EXPLICIT_ONE, 0xFFFF),
    (0xC000_0000_0000_0000, 0x7FFF),
    (0xC000_0000_0000_0000, 0xFFFF),
    (0xFFFF_FFFF_FFFF_FFFF, 0xFFFF),
    (0x8000_0000_0000_0001, 0x7FFF),
    (0xBFFF_FFFF_FFFF_FFFF, 0xFFFF),
    (1, 0),
    (0x7FFF_FFFF_FFFF_FFFF, 0x8000),
    (EXPLICIT_ONE, 0),
    (0x4000_0000_0000_0000, 0x4000),
    (0, 0x7FFF),
    (0, 0x4001),
    (0xFFFF_FFFF_FFFF_FFFF, 0x7FFE),
    (EXPLICIT_ONE, 1),
    (0xC90F_DAA2_2168_C235, 0x3FFE),
    (EXPLICIT_ONE, 0x403E),
    (EXPLICIT_ONE, 0x3FFE),
];

/// A general register or integer memory operand.
pub fn integer(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => random.pick(&[0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, i64::MAX as u64, 1 << 63]),
        4 => 1 << random.below(64),
        5 => (1u64 << random.below(64)).wrapping_sub(1),
        6 => random.below(256),
        7 => random.below(256).wrapping_neg(),
        8 => random.next() & 0xFFFF_FFFF,
        _ => random.next(),
    }
}

/// Bits of a binary32.
pub fn f32_bits(random: &mut Random) -> u32 {
    match random.below(8) {
        0..=2 => random.pick(&F32_CORNERS),
        3 => ((random.below(4001) as i64 - 2000) as f32 / 4.0).to_bits(),
        4 => (random.next() as u32 & 0x807F_FFFF) | ((118 + random.below(20) as u32) << 23),
        5 => random.next() as u32 & 0x807F_FFFF,
        _ => random.next() as u32,
    }
}

/// Bits of a binary64.
pub fn f64_bits(random: &mut Random) -> u64 {
    match random.below(8) {
        0..=2 => random.pick(&F64_CORNERS),
        3 => ((random.below(4001) as i64 - 2000) as f64 / 4.0).to_bits(),
        4 => (random.next() & 0x800F_FFFF_FFFF_FFFF) | ((1000 + random.below(90)) << 52),
        5 => random.next() & 0x800F_FFFF_FFFF_FFFF,
        _ => random.next(),
    }
}

/// Bytes of an 80-bit value, legal or not.
pub fn f80(random: &mut Random) -> [u8; 10] {
    let (mantissa, high) = match random.below(9) {
        0..=2 => random.pick(&F80_CORNERS),
        3 => (random.next() | EXPLICIT_ONE, (random.next() & 0xFFFF) as u16),
        4 => (random.next(), (random.next() & 0xFFFF) as u16),
        5 => (random.below(1000) << 54 | EXPLICIT_ONE, 0x3FFF + random.below(10) as u16),
        _ => (random.next() | EXPLICIT_ONE, (0x3FFF - 40 + random.below(80) as u16) | ((random.below(2) as u16) << 15)),
    };
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&mantissa.to_le_bytes());
    bytes[8..].copy_from_slice(&high.to_le_bytes());
    bytes
}

/// An XMM register or 16-byte memory operand: lanes of one kind.
pub fn xmm(random: &mut Random) -> u128 {
    let pair = |a: u64, b: u64| u128::from(a) | (u128::from(b) << 64);
    match random.below(5) {
        0 => (0..4).fold(0, |lanes, _| (lanes << 32) | u128::from(f32_bits(random))),
        1 => pair(f64_bits(random), f64_bits(random)),
        2 => pair(integer(random), integer(random)),
        3 => {
            let byte =
                |random: &mut Random| random.pick(&[0u8, 1, 0x7F, 0x80, 0xFF, 0x61, random.clone().next() as u8]);
            (0..16).fold(0, |lanes, _| (lanes << 8) | u128::from(byte(random)))
        }
        _ => pair(random.next(), random.next()),
    }
}

/// MXCSR without reserved bits: any rounding, mostly masked, sometimes FTZ, DAZ or sticky flags.
pub fn mxcsr(random: &mut Random) -> u32 {
    let masks = if random.chance(75) { 0x1F80 } else { (random.next() as u32) & 0x1F80 };
    let sticky = if random.chance(70) { 0 } else { (random.next() as u32) & 0x3F };
    let rounding = if random.chance(50) { 0 } else { (random.below(4) as u32) << 13 };
    let flush = if random.chance(80) { 0 } else { (random.next() as u32) & 0x8040 };
    masks | sticky | rounding | flush
}

/// x87 control word without reserved bits (bit 6 reads as 1): any rounding, precision 24, 53 or 64.
pub fn fcw(random: &mut Random) -> u16 {
    let masks = if random.chance(80) { 0x3F } else { (random.next() as u16) & 0x3F };
    let precision = random.pick(&[0u16, 2, 3, 3, 3, 3]) << 8;
    let rounding = if random.chance(50) { 0 } else { (random.below(4) as u16) << 10 };
    0x40 | masks | precision | rounding
}

/// x87 status word whose ES and B agree with the control word.
pub fn fsw(random: &mut Random, fcw: u16) -> u16 {
    let condition = (random.next() as u16) & 0x4700;
    let top = (random.below(8) as u16) << 11;
    let mut sticky = if random.chance(75) { 0 } else { (random.next() as u16) & 0x7F };
    if random.chance(60) {
        // Few cases should start with a pending exception: it hides the instruction.
        sticky &= fcw | !0x3F;
    }
    let summary = if sticky & !fcw & 0x3F != 0 { 0x8080 } else { 0 };
    condition | top | sticky | summary
}

/// Abridged tags: mostly full, sometimes empty or mixed.
pub fn ftw(random: &mut Random) -> u8 {
    match random.below(8) {
        0 => 0,
        1 | 2 => random.next() as u8,
        _ => 0xFF,
    }
}
