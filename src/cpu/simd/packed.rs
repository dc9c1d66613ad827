//! Arithmetic, comparison and logic on integer lanes.
//!
//! Each line is one instruction: `Name | SameMeaning (first, second, immediate, bytes) = new first operand`.

// Lanes of both operands and of the result go by one index.
#![allow(clippy::needless_range_loop)]

use super::host::host;
use super::lanes::{I8, I16, I32, I64, Lanes, U8, U16, U32, U64, instructions, map, zip};

/// All ones where the comparison holds.
macro_rules! compare {
    ($v:ty, $a:expr, $b:expr, $op:tt) => {
        zip::<$v>($a, $b, |x, y| if x $op y { !0 } else { 0 })
    };
}
/// The first lane with the sign of the second: negated, zero or kept.
macro_rules! sign {
    ($v:ty, $a:expr, $b:expr) => {
        zip::<$v>($a, $b, |x, s| {
            if s < 0 {
                x.wrapping_neg()
            } else if s == 0 {
                0
            } else {
                x
            }
        })
    };
}

/// Products of signed words, summed in pairs to dwords.
fn multiply_add_words(a: u128, b: u128) -> u128 {
    let (a, b) = (I16::of(a), I16::of(b));
    let mut r: I32 = [0; 4];
    for i in 0..4 {
        let product = |k: usize| i32::from(a[k]) * i32::from(b[k]);
        r[i] = product(2 * i).wrapping_add(product(2 * i + 1));
    }
    r.join()
}
/// Products of unsigned bytes of `a` by signed ones of `b`, summed in pairs with saturation.
fn multiply_add_bytes(a: u128, b: u128) -> u128 {
    let (a, b) = (U8::of(a), I8::of(b));
    let mut r: I16 = [0; 8];
    for i in 0..8 {
        let product = |k: usize| i32::from(a[k]) * i32::from(b[k]);
        let sum = product(2 * i) + product(2 * i + 1);
        r[i] = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    }
    r.join()
}
/// The sum of absolute differences of each eight bytes.
fn sum_of_differences(a: u128, b: u128) -> u128 {
    let (a, b) = (U8::of(a), U8::of(b));
    let mut r: U64 = [0; 2];
    for i in 0..16 {
        r[i / 8] += u64::from(a[i].abs_diff(b[i]));
    }
    r.join()
}
/// The smallest word, its index above it, the rest zero (PHMINPOSUW); the first of equal ones.
fn minimum_word(v: u128) -> u128 {
    let words = U16::of(v);
    let mut at = 0;
    for i in 1..8 {
        if words[i] < words[at] {
            at = i;
        }
    }
    u128::from(words[at]) | (at as u128) << 16
}

instructions! {
    packed: {
        Pxor | Xorps | Xorpd (a, b, _, N) = a ^ b;
        Pand | Andps | Andpd (a, b, _, N) = a & b;
        Por | Orps | Orpd (a, b, _, N) = a | b;
        Pandn | Andnps | Andnpd (a, b, _, N) = !a & b;

        Paddb(a, b, _, N) = host!(_mm_add_epi8, a, b, zip::<U8>(a, b, u8::wrapping_add));
        Paddw(a, b, _, N) = host!(_mm_add_epi16, a, b, zip::<U16>(a, b, u16::wrapping_add));
        Paddd(a, b, _, N) = host!(_mm_add_epi32, a, b, zip::<U32>(a, b, u32::wrapping_add));
        Paddq(a, b, _, N) = host!(_mm_add_epi64, a, b, zip::<U64>(a, b, u64::wrapping_add));
        Psubb(a, b, _, N) = host!(_mm_sub_epi8, a, b, zip::<U8>(a, b, u8::wrapping_sub));
        Psubw(a, b, _, N) = host!(_mm_sub_epi16, a, b, zip::<U16>(a, b, u16::wrapping_sub));
        Psubd(a, b, _, N) = host!(_mm_sub_epi32, a, b, zip::<U32>(a, b, u32::wrapping_sub));
        Psubq(a, b, _, N) = host!(_mm_sub_epi64, a, b, zip::<U64>(a, b, u64::wrapping_sub));
        Paddsb(a, b, _, N) = host!(_mm_adds_epi8, a, b, zip::<I8>(a, b, i8::saturating_add));
        Paddsw(a, b, _, N) = host!(_mm_adds_epi16, a, b, zip::<I16>(a, b, i16::saturating_add));
        Paddusb(a, b, _, N) = host!(_mm_adds_epu8, a, b, zip::<U8>(a, b, u8::saturating_add));
        Paddusw(a, b, _, N) = host!(_mm_adds_epu16, a, b, zip::<U16>(a, b, u16::saturating_add));
        Psubsb(a, b, _, N) = host!(_mm_subs_epi8, a, b, zip::<I8>(a, b, i8::saturating_sub));
        Psubsw(a, b, _, N) = host!(_mm_subs_epi16, a, b, zip::<I16>(a, b, i16::saturating_sub));
        Psubusb(a, b, _, N) = host!(_mm_subs_epu8, a, b, zip::<U8>(a, b, u8::saturating_sub));
        Psubusw(a, b, _, N) = host!(_mm_subs_epu16, a, b, zip::<U16>(a, b, u16::saturating_sub));
        Pavgb(a, b, _, N) = host!(_mm_avg_epu8, a, b, zip::<U8>(a, b, |x, y| ((u16::from(x) + u16::from(y) + 1) >> 1) as u8));
        Pavgw(a, b, _, N) = host!(_mm_avg_epu16, a, b, zip::<U16>(a, b, |x, y| ((u32::from(x) + u32::from(y) + 1) >> 1) as u16));

        Pcmpeqb(a, b, _, N) = host!(_mm_cmpeq_epi8, a, b, compare!(U8, a, b, ==));
        Pcmpeqw(a, b, _, N) = host!(_mm_cmpeq_epi16, a, b, compare!(U16, a, b, ==));
        Pcmpeqd(a, b, _, N) = host!(_mm_cmpeq_epi32, a, b, compare!(U32, a, b, ==));
        Pcmpeqq(a, b, _, N) = compare!(U64, a, b, ==);
        Pcmpgtb(a, b, _, N) = host!(_mm_cmpgt_epi8, a, b, compare!(I8, a, b, >));
        Pcmpgtw(a, b, _, N) = host!(_mm_cmpgt_epi16, a, b, compare!(I16, a, b, >));
        Pcmpgtd(a, b, _, N) = host!(_mm_cmpgt_epi32, a, b, compare!(I32, a, b, >));
        Pcmpgtq(a, b, _, N) = compare!(I64, a, b, >);

        Pminub(a, b, _, N) = host!(_mm_min_epu8, a, b, zip::<U8>(a, b, Ord::min));
        Pminuw(a, b, _, N) = zip::<U16>(a, b, Ord::min);
        Pminud(a, b, _, N) = zip::<U32>(a, b, Ord::min);
        Pminsb(a, b, _, N) = zip::<I8>(a, b, Ord::min);
        Pminsw(a, b, _, N) = host!(_mm_min_epi16, a, b, zip::<I16>(a, b, Ord::min));
        Pminsd(a, b, _, N) = zip::<I32>(a, b, Ord::min);
        Pmaxub(a, b, _, N) = host!(_mm_max_epu8, a, b, zip::<U8>(a, b, Ord::max));
        Pmaxuw(a, b, _, N) = zip::<U16>(a, b, Ord::max);
        Pmaxud(a, b, _, N) = zip::<U32>(a, b, Ord::max);
        Pmaxsb(a, b, _, N) = zip::<I8>(a, b, Ord::max);
        Pmaxsw(a, b, _, N) = host!(_mm_max_epi16, a, b, zip::<I16>(a, b, Ord::max));
        Pmaxsd(a, b, _, N) = zip::<I32>(a, b, Ord::max);

        Pabsb(_, b, _, N) = map::<I8>(b, i8::wrapping_abs);
        Pabsw(_, b, _, N) = map::<I16>(b, i16::wrapping_abs);
        Pabsd(_, b, _, N) = map::<I32>(b, i32::wrapping_abs);
        Psignb(a, b, _, N) = sign!(I8, a, b);
        Psignw(a, b, _, N) = sign!(I16, a, b);
        Psignd(a, b, _, N) = sign!(I32, a, b);

        Pmullw(a, b, _, N) = host!(_mm_mullo_epi16, a, b, zip::<U16>(a, b, u16::wrapping_mul));
        Pmulld(a, b, _, N) = zip::<U32>(a, b, u32::wrapping_mul);
        Pmulhw(a, b, _, N) = host!(_mm_mulhi_epi16, a, b, zip::<I16>(a, b, |x, y| ((i32::from(x) * i32::from(y)) >> 16) as i16));
        Pmulhuw(a, b, _, N) = host!(_mm_mulhi_epu16, a, b, zip::<U16>(a, b, |x, y| ((u32::from(x) * u32::from(y)) >> 16) as u16));
        Pmulhrsw(a, b, _, N) = zip::<I16>(a, b, |x, y| ((((i32::from(x) * i32::from(y)) >> 14) + 1) >> 1) as i16);
        Pmuludq(a, b, _, N) = host!(_mm_mul_epu32, a, b, zip::<U64>(a, b, |x, y| u64::from(x as u32) * u64::from(y as u32)));
        Pmuldq(a, b, _, N) = zip::<I64>(a, b, |x, y| i64::from(x as i32) * i64::from(y as i32));
        Pmaddwd(a, b, _, N) = host!(_mm_madd_epi16, a, b, multiply_add_words(a, b));
        Pmaddubsw(a, b, _, N) = multiply_add_bytes(a, b);
        Psadbw(a, b, _, N) = host!(_mm_sad_epu8, a, b, sum_of_differences(a, b));
        Phminposuw(_, b, _, N) = minimum_word(b);
    }
}
