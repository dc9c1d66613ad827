//! The host's own SSE instruction as the way to compute, on x86-64 hosts.
//!
//! IEEE 754 and the SDM settle every bit of these instructions, NaNs and flags included, so that the result is that of
//! `soft`; approximations (RCPxx, RSQRTxx) and multi-step instructions (DPPx) are therefore not run here. Only with all
//! exceptions masked: an unmasked one would be a signal to this process.
#![allow(unsafe_code)]

/// What Rust code expects to find in MXCSR, apart from the sticky flags.
const DEFAULT: u32 = 0x1f80;

/// Runs `$instruction xmm, xmm` on `a` and `b` under the guest's MXCSR: the result and MXCSR after it.
macro_rules! run {
    ($instruction:literal, $a:expr, $b:expr, $mxcsr:expr) => {{
        use std::arch::{asm, x86_64::__m128i};
        let mut mxcsr: u32 = $mxcsr;
        debug_assert_eq!(mxcsr & 0x1f80, 0x1f80, "an unmasked exception would be a signal to this process");
        // SAFETY: both types are 16 bytes for which every bit pattern is valid.
        let (mut a, b) = unsafe { (std::mem::transmute::<u128, __m128i>($a), std::mem::transmute::<u128, __m128i>($b)) };
        // SAFETY: reads and writes only `mxcsr` and `DEFAULT`; no reserved bit of MXCSR is set, all exceptions are
        // masked, and the control bits are back at their default afterwards.
        unsafe {
            asm!(
                "ldmxcsr [{mxcsr}]",
                concat!($instruction, " {a}, {b}"),
                "stmxcsr [{mxcsr}]",
                "ldmxcsr [{default}]",
                a = inout(xmm_reg) a,
                b = in(xmm_reg) b,
                mxcsr = in(reg) &raw mut mxcsr,
                default = in(reg) &raw const $crate::cpu::simd::float::host::DEFAULT_WORD,
                options(nostack),
            );
        }
        // SAFETY: as above.
        (unsafe { std::mem::transmute::<__m128i, u128>(a) }, mxcsr)
    }};
}
pub(super) use run;

/// [`DEFAULT`] in memory, for LDMXCSR.
pub(super) static DEFAULT_WORD: u32 = DEFAULT;
