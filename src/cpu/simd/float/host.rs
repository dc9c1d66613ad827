//! The host's own SSE instruction as the way to compute, on x86-64 hosts.
//!
//! IEEE 754 and the SDM settle every bit of these instructions, NaNs and flags included, so that the result is that of
//! `soft`; approximations (RCPxx, RSQRTxx) and multi-step instructions (DPPx) are therefore not run here. Only with all
//! exceptions masked: an unmasked one would be a signal to this process.
#![allow(unsafe_code)]

/// MXCSR as Rust code expects it, apart from the sticky flags.
pub(super) static DEFAULT: u32 = 0x1f80;

/// True if the guest's MXCSR differs from the host's in nothing but sticky flags.
#[inline(always)]
pub(super) fn is_default(mxcsr: u32) -> bool {
    mxcsr & !0x3f == 0x1f80
}

/// Runs `$instruction xmm, xmm` on `a` and `b` under the guest's MXCSR: the result and MXCSR after it.
///
/// LDMXCSR costs several times what the instruction does. Under default control bits it is not needed if the host's
/// sticky flags are all set in the guest's too, after the instruction: then it raised nothing new. Otherwise the
/// instruction runs again, now with the guest's flags; that way also leaves the host's flags clear for the next time.
macro_rules! run {
    ($instruction:literal, $a:expr, $b:expr, $mxcsr:expr) => {{
        use std::arch::{asm, x86_64::__m128i};
        let mut mxcsr: u32 = $mxcsr;
        debug_assert_eq!(mxcsr & 0x1f80, 0x1f80, "an unmasked exception would be a signal to this process");
        // SAFETY: both types are 16 bytes for which every bit pattern is valid.
        let (a, b) = unsafe { (std::mem::transmute::<u128, __m128i>($a), std::mem::transmute::<u128, __m128i>($b)) };
        let mut value = a;
        let mut after = u32::MAX;
        if $crate::cpu::simd::float::host::is_default(mxcsr) {
            // SAFETY: writes one register, MXCSR's sticky flags and `after`; all exceptions are masked.
            unsafe {
                asm!(
                    concat!($instruction, " {value}, {b}"),
                    "stmxcsr [{after}]",
                    value = inout(xmm_reg) value,
                    b = in(xmm_reg) b,
                    after = in(reg) &raw mut after,
                    options(nostack),
                );
            }
        }
        if after & !mxcsr != 0 {
            value = a;
            // SAFETY: reads and writes only `mxcsr` and `DEFAULT`; no reserved bit of MXCSR is set, all exceptions are
            // masked, and the control bits are back at their default afterwards.
            unsafe {
                asm!(
                    "ldmxcsr [{mxcsr}]",
                    concat!($instruction, " {value}, {b}"),
                    "stmxcsr [{mxcsr}]",
                    "ldmxcsr [{default}]",
                    value = inout(xmm_reg) value,
                    b = in(xmm_reg) b,
                    mxcsr = in(reg) &raw mut mxcsr,
                    default = in(reg) &raw const $crate::cpu::simd::float::host::DEFAULT,
                    options(nostack),
                );
            }
        }
        // SAFETY: as above.
        (unsafe { std::mem::transmute::<__m128i, u128>(value) }, mxcsr)
    }};
}
pub(super) use run;
