//! RCPPS, RCPSS, RSQRTPS, RSQRTSS: approximations that each processor makes its own way; here the exact value rounded
//! to 13 significant bits.
//!
//! That is within the 1.5 * 2^-12 of the manual (SDM vol. 2) and the same on every host. No exceptions are reported,
//! denormal operands count as zeros and denormal results are flushed to zero, whatever MXCSR says.

/// Significant bits of a result.
const BITS: i32 = 13;
const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0x7f80_0000;
const INDEFINITE: u32 = 0xffc0_0000;
const QUIET: u32 = 0x0040_0000;

/// An operand by kind; a finite one is `significand * 2^exponent`, its significand having 24 bits.
enum Kind {
    Zero,
    Infinity,
    Nan,
    Finite { significand: u64, exponent: i32 },
}

fn kind(x: u32) -> Kind {
    let (biased, fraction) = (x >> 23 & 0xff, x & 0x7f_ffff);
    match (biased, fraction) {
        (0, _) => Kind::Zero,
        (0xff, 0) => Kind::Infinity,
        (0xff, _) => Kind::Nan,
        _ => Kind::Finite { significand: u64::from(fraction | 1 << 23), exponent: biased as i32 - 150 },
    }
}

/// `significand * 2^exponent` (at least [`BITS`] + 1 bits) as binary32.
fn rounded(sign: u32, significand: u64, exponent: i32) -> u32 {
    let dropped = significand.ilog2() as i32 + 1 - BITS;
    let kept = (significand >> (dropped - 1)).div_ceil(2);
    // Rounding may have carried into a further bit.
    let top = kept.ilog2() as i32;
    let biased = exponent + dropped + top + 127;
    if biased < 1 {
        return sign;
    }
    sign | (biased as u32) << 23 | (kept << (23 - top)) as u32 & 0x7f_ffff
}

/// Approximates `1 / x`.
pub fn reciprocal32(x: u32) -> u32 {
    let sign = x & SIGN;
    match kind(x) {
        Kind::Zero => sign | INFINITY,
        Kind::Infinity => sign,
        Kind::Nan => x | QUIET,
        Kind::Finite { significand, exponent } => rounded(sign, (1 << 46) / significand, -46 - exponent),
    }
}

/// Approximates `1 / sqrt(x)`.
pub fn reciprocal_root32(x: u32) -> u32 {
    let sign = x & SIGN;
    match kind(x) {
        Kind::Zero => sign | INFINITY,
        Kind::Nan => x | QUIET,
        _ if sign != 0 => INDEFINITE,
        Kind::Infinity => 0,
        Kind::Finite { significand, exponent } => {
            let odd = exponent & 1;
            let root = ((1 << 62) / (significand << odd)).isqrt();
            rounded(0, root, -31 - (exponent - odd) / 2)
        }
    }
}
