//! Scalar arithmetic on ordinary numbers through Rust's own types, in the state that numeric code is nearly always in:
//! rounding to nearest, inexactness masked and already recorded.
//!
//! Then a normal result from operands that are not denormal raises nothing new, and is the same on every host (IEEE
//! 754; the machine's threads round to nearest). Anything else is refused and takes a longer way.

/// MXCSR.RC, PM and PE.
const OBSERVED: u32 = 0x6000 | 0x1000 | 0x20;
const QUIET: u32 = 0x1000 | 0x20;

macro_rules! quick {
    ($name:ident, $float:ty, $bits:ty, $fraction:literal, $top:literal) => {
        /// The low lane of `a` replaced by `f` of both low lanes; `None` if something might have to be reported.
        #[inline(always)]
        pub fn $name(a: u128, b: u128, mxcsr: u32, f: impl Fn($float, $float) -> $float) -> Option<u128> {
            const MASK: u128 = <$bits>::MAX as u128;
            let exponent = |bits: $bits| bits >> $fraction & $top;
            let is_denormal = |bits: $bits| exponent(bits) == 0 && bits << 1 != 0;
            let (x, y) = (a as $bits, b as $bits);
            if mxcsr & OBSERVED != QUIET || is_denormal(x) || is_denormal(y) {
                return None;
            }
            let result = f(<$float>::from_bits(x), <$float>::from_bits(y)).to_bits();
            // The smallest normal numbers may come from tiny ones that were rounded up; infinities and NaNs have the
            // top exponent, zeros the bottom one.
            let is_certain = (2..$top).contains(&exponent(result));
            is_certain.then_some(a & !MASK | u128::from(result))
        }
    };
}

quick!(low32, f32, u32, 23, 0xff);
quick!(low64, f64, u64, 52, 0x7ff);
