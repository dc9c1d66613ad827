//! Rearrangement of lanes: shuffles, unpacking, packing, blending, widening, and sums of neighbours.
//!
//! Each line is one instruction: `Name | SameMeaning (first, second, immediate, bytes) = new first operand`.

// Lanes of both operands and of the result go by one index.
#![allow(clippy::needless_range_loop)]

use super::host::host;
use super::lanes::{I8, I16, I32, I64, Lanes, U8, U16, U32, U64, instructions};

/// Interleaves the low halves, the first operand in the even lanes.
macro_rules! interleave {
    ($v:ty, $intrinsic:ident, $a:expr, $b:expr) => {
        host!($intrinsic, $a, $b, {
            let (a, b) = (<$v>::of($a), <$v>::of($b));
            let mut r = a;
            for i in 0..r.len() / 2 {
                r[2 * i] = a[i];
                r[2 * i + 1] = b[i];
            }
            r.join()
        })
    };
}
/// Interleaves the high halves of `n` bytes.
macro_rules! interleave_high {
    ($v:ty, $intrinsic:ident, $a:expr, $b:expr, $n:expr) => {
        interleave!($v, $intrinsic, $a >> (4 * $n), $b >> (4 * $n))
    };
}
/// Makes `n` bytes by a function that halves 16 bytes to 8: of both operands one after the other.
#[inline(always)]
fn halve_both(a: u128, b: u128, n: usize, half: impl Fn(u128) -> u128) -> u128 {
    let first = half(adjacent(a, b, n));
    if n == 16 { first | half(b) << 64 } else { first }
}
/// What a 16-byte halving takes as its first operand to do the work of one of `n` bytes.
#[inline(always)]
fn adjacent(a: u128, b: u128, n: usize) -> u128 {
    if n == 16 { a } else { a | b << 64 }
}
/// Narrows each lane with saturation into the low half.
macro_rules! narrow {
    ($from:ty => $to:ty as $lane:ty, $a:expr, $b:expr, $n:expr) => {
        halve_both($a, $b, $n, |v| {
            let v = <$from>::of(v);
            let mut r: $to = <$to>::of(0);
            for i in 0..v.len() {
                r[i] = v[i].clamp(<$lane>::MIN.into(), <$lane>::MAX.into()) as $lane;
            }
            r.join()
        })
    };
}
/// Combines neighbours into the low half.
macro_rules! neighbours {
    ($v:ty, $f:expr, $a:expr, $b:expr, $n:expr) => {
        halve_both($a, $b, $n, |v| {
            let v = <$v>::of(v);
            let mut r = <$v>::of(0);
            for i in 0..v.len() / 2 {
                r[i] = $f(v[2 * i], v[2 * i + 1]);
            }
            r.join()
        })
    };
}
/// Widens the low lanes.
macro_rules! widen {
    ($from:ty => $to:ty, $b:expr) => {{
        let v = <$from>::of($b);
        let mut r = <$to>::of(0);
        for i in 0..r.len() {
            r[i] = v[i].into();
        }
        r.join()
    }};
}
/// Lanes of `b` where the immediate has a one.
macro_rules! blend {
    ($v:ty, $a:expr, $b:expr, $mask:expr) => {{
        let (mut r, b) = (<$v>::of($a), <$v>::of($b));
        for i in 0..r.len() {
            if $mask >> i & 1 != 0 {
                r[i] = b[i];
            }
        }
        r.join()
    }};
}

/// Four lanes by the four 2-bit fields of `order`.
#[inline(always)]
fn four<T: Copy>(v: [T; 4], order: u8) -> [T; 4] {
    [0, 2, 4, 6].map(|s| v[usize::from(order >> s & 3)])
}
/// Shuffles four words from bit 64 * `half` on.
#[inline(always)]
fn shuffle_words(v: u128, half: usize, order: u8) -> u128 {
    let mut r = U16::of(v);
    let from = half * 4;
    let part = four([r[from], r[from + 1], r[from + 2], r[from + 3]], order);
    r[from..from + 4].copy_from_slice(&part);
    r.join()
}
fn shuffle_singles(a: u128, b: u128, order: u8) -> u128 {
    let (x, y) = (four(U32::of(a), order), four(U32::of(b), order));
    [x[0], x[1], y[2], y[3]].join()
}
fn shuffle_doubles(a: u128, b: u128, order: u8) -> u128 {
    [U64::of(a)[usize::from(order & 1)], U64::of(b)[usize::from(order >> 1 & 1)]].join()
}
fn shuffle_bytes(a: u128, index: u128, n: usize) -> u128 {
    let (a, index) = (U8::of(a), U8::of(index));
    let mut r: U8 = [0; 16];
    for i in 0..16 {
        let from = a[usize::from(index[i]) & (n - 1)];
        r[i] = if index[i] & 0x80 != 0 { 0 } else { from };
    }
    r.join()
}
/// `n` bytes out of both operands, the first above the second, from byte `at` on.
fn align(a: u128, b: u128, at: u8, n: usize) -> u128 {
    let bits = 8 * u32::from(at);
    let width = 8 * n as u32;
    let low = b.checked_shr(bits).unwrap_or(0);
    let high =
        if bits < width { a.checked_shl(width - bits).unwrap_or(0) } else { a.checked_shr(bits - width).unwrap_or(0) };
    low | high
}
/// Eight sums of four absolute differences: a moving window of `a` against one block of `b` (MPSADBW).
fn block_differences(a: u128, b: u128, which: u8) -> u128 {
    let (a, b) = (U8::of(a), U8::of(b));
    let (window, block) = (usize::from(which >> 2 & 1) * 4, usize::from(which & 3) * 4);
    let mut r: U16 = [0; 8];
    for (i, sum) in r.iter_mut().enumerate() {
        *sum = (0..4).map(|k| u16::from(a[window + i + k].abs_diff(b[block + k]))).sum();
    }
    r.join()
}

instructions! {
    packed: {
        Punpcklbw(a, b, _, N) = interleave!(U8, _mm_unpacklo_epi8, a, b);
        Punpcklwd(a, b, _, N) = interleave!(U16, _mm_unpacklo_epi16, a, b);
        Punpckldq | Unpcklps (a, b, _, N) = interleave!(U32, _mm_unpacklo_epi32, a, b);
        Punpcklqdq | Unpcklpd (a, b, _, N) = interleave!(U64, _mm_unpacklo_epi64, a, b);
        Punpckhbw(a, b, _, N) = interleave_high!(U8, _mm_unpacklo_epi8, a, b, N);
        Punpckhwd(a, b, _, N) = interleave_high!(U16, _mm_unpacklo_epi16, a, b, N);
        Punpckhdq | Unpckhps (a, b, _, N) = interleave_high!(U32, _mm_unpacklo_epi32, a, b, N);
        Punpckhqdq | Unpckhpd (a, b, _, N) = interleave_high!(U64, _mm_unpacklo_epi64, a, b, N);

        Packsswb(a, b, _, N) = host!(_mm_packs_epi16, adjacent(a, b, N), b, narrow!(I16 => I8 as i8, a, b, N));
        Packssdw(a, b, _, N) = host!(_mm_packs_epi32, adjacent(a, b, N), b, narrow!(I32 => I16 as i16, a, b, N));
        Packuswb(a, b, _, N) = host!(_mm_packus_epi16, adjacent(a, b, N), b, narrow!(I16 => U8 as u8, a, b, N));
        Packusdw(a, b, _, N) = narrow!(I32 => U16 as u16, a, b, N);

        Phaddw(a, b, _, N) = neighbours!(I16, i16::wrapping_add, a, b, N);
        Phaddd(a, b, _, N) = neighbours!(I32, i32::wrapping_add, a, b, N);
        Phaddsw(a, b, _, N) = neighbours!(I16, i16::saturating_add, a, b, N);
        Phsubw(a, b, _, N) = neighbours!(I16, i16::wrapping_sub, a, b, N);
        Phsubd(a, b, _, N) = neighbours!(I32, i32::wrapping_sub, a, b, N);
        Phsubsw(a, b, _, N) = neighbours!(I16, i16::saturating_sub, a, b, N);

        Pshufd(_, b, order, N) = four(U32::of(b), order).join();
        Pshuflw | Pshufw (_, b, order, N) = shuffle_words(b, 0, order);
        Pshufhw(_, b, order, N) = shuffle_words(b, 1, order);
        Shufps(a, b, order, N) = shuffle_singles(a, b, order);
        Shufpd(a, b, order, N) = shuffle_doubles(a, b, order);
        Pshufb(a, b, _, N) = shuffle_bytes(a, b, N);
        Palignr(a, b, at, N) = align(a, b, at, N);
        Mpsadbw(a, b, which, N) = block_differences(a, b, which);

        Pblendw(a, b, mask, N) = blend!(U16, a, b, mask);
        Blendps(a, b, mask, N) = blend!(U32, a, b, mask);
        Blendpd(a, b, mask, N) = blend!(U64, a, b, mask);
    }
    from_8_bytes: {
        Pmovzxbw(_, b, _, N) = widen!(U8 => U16, b);
        Pmovzxwd(_, b, _, N) = widen!(U16 => U32, b);
        Pmovzxdq(_, b, _, N) = widen!(U32 => U64, b);
        Pmovsxbw(_, b, _, N) = widen!(I8 => I16, b);
        Pmovsxwd(_, b, _, N) = widen!(I16 => I32, b);
        Pmovsxdq(_, b, _, N) = widen!(I32 => I64, b);
    }
    from_4_bytes: {
        Pmovzxbd(_, b, _, N) = widen!(U8 => U32, b);
        Pmovzxwq(_, b, _, N) = widen!(U16 => U64, b);
        Pmovsxbd(_, b, _, N) = widen!(I8 => I32, b);
        Pmovsxwq(_, b, _, N) = widen!(I16 => I64, b);
    }
    from_2_bytes: {
        Pmovzxbq(_, b, _, N) = widen!(U8 => U64, b);
        Pmovsxbq(_, b, _, N) = widen!(I8 => I64, b);
    }
}
