//! Shifts of lanes by one count for all, and of the whole register by bytes.
//!
//! The count is the low 8 bytes of the second operand or the immediate; a count past the lane shifts everything out.

use super::host::host;
use super::lanes::{I16, I32, U16, U32, U64, instructions, map};

/// The count, limited to something that is past every lane.
#[inline(always)]
fn count(b: u128) -> u32 {
    (b as u64).min(64) as u32
}

macro_rules! shift {
    (left, $v:ty, $a:expr, $b:expr) => {{
        let n = count($b);
        map::<$v>($a, |x| x.checked_shl(n).unwrap_or(0))
    }};
    (right, $v:ty, $a:expr, $b:expr) => {{
        let n = count($b);
        map::<$v>($a, |x| x.checked_shr(n).unwrap_or(0))
    }};
    (arithmetic, $v:ty, $last:literal, $a:expr, $b:expr) => {{
        let n = count($b).min($last);
        map::<$v>($a, |x| x >> n)
    }};
}

instructions! {
    packed: {
        Psllw(a, b, _, N) = host!(_mm_sll_epi16, a, b, shift!(left, U16, a, b));
        Pslld(a, b, _, N) = host!(_mm_sll_epi32, a, b, shift!(left, U32, a, b));
        Psllq(a, b, _, N) = host!(_mm_sll_epi64, a, b, shift!(left, U64, a, b));
        Psrlw(a, b, _, N) = host!(_mm_srl_epi16, a, b, shift!(right, U16, a, b));
        Psrld(a, b, _, N) = host!(_mm_srl_epi32, a, b, shift!(right, U32, a, b));
        Psrlq(a, b, _, N) = host!(_mm_srl_epi64, a, b, shift!(right, U64, a, b));
        Psraw(a, b, _, N) = host!(_mm_sra_epi16, a, b, shift!(arithmetic, I16, 15, a, b));
        Psrad(a, b, _, N) = host!(_mm_sra_epi32, a, b, shift!(arithmetic, I32, 31, a, b));
        Pslldq(a, _, bytes, N) = a.checked_shl(8 * u32::from(bytes)).unwrap_or(0);
        Psrldq(a, _, bytes, N) = a.checked_shr(8 * u32::from(bytes)).unwrap_or(0);
    }
}
