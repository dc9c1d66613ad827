//! The host's own instruction for a lane operation, where the host is x86-64 and it means exactly the same.
//!
//! LLVM turns most loops over lanes of a `u128` into scalar shifts, which is several times slower. Only SSE2 integer
//! instructions stand here: they depend on nothing but their operands. Elsewhere the lanes are computed.

/// `host!(intrinsic, a, b, meaning)`: the value of `meaning`, computed by the intrinsic where the host has it.
#[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
macro_rules! host {
    ($intrinsic:ident, $a:expr, $b:expr, $meaning:expr) => {
        if $crate::cpu::simd::host::IS_USED {
            let a = $crate::cpu::simd::host::vector($a);
            let b = $crate::cpu::simd::host::vector($b);
            // SAFETY: it needs SSE2, which every x86-64 host has.
            $crate::cpu::simd::host::value(unsafe { std::arch::x86_64::$intrinsic(a, b) })
        } else {
            $meaning
        }
    };
}
#[cfg(not(all(target_arch = "x86_64", not(reenact_portable))))]
macro_rules! host {
    ($intrinsic:ident, $a:expr, $b:expr, $meaning:expr) => {
        $meaning
    };
}
pub(super) use host;

#[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
pub(super) use on_x86::{IS_USED, value, vector};

#[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
mod on_x86 {
    use std::arch::x86_64::__m128i;

    /// False to check the lane loops with the differential test instead.
    pub const IS_USED: bool = true;

    /// A value in a host register.
    #[inline(always)]
    pub fn vector(v: u128) -> __m128i {
        // SAFETY: both are sixteen bytes of plain bits.
        unsafe { std::mem::transmute::<u128, __m128i>(v) }
    }
    /// The value of a host register.
    #[inline(always)]
    pub fn value(v: __m128i) -> u128 {
        // SAFETY: as in `vector`.
        unsafe { std::mem::transmute::<__m128i, u128>(v) }
    }
}
