//! Instructions from scalar operations: lanes, comparisons and their predicates, rounding, dot products.
//!
//! Everything is portable. Where operands are ordinary numbers and no exception is possible, comparisons and
//! conversions take a short way through Rust's own types, whose results do not depend on rounding there.

use super::kept;
use crate::cpu::flags::bit;
use crate::cpu::softfloat::{self as sf, Flags, Relation, Rounding, SseEnv};

const LOW32: u128 = u32::MAX as u128;
const LOW64: u128 = u64::MAX as u128;

/// Lane `i` of four.
#[inline(always)]
pub fn lane32(x: u128, i: usize) -> u32 {
    (x >> (32 * i)) as u32
}
/// Lane `i` of two.
#[inline(always)]
pub fn lane64(x: u128, i: usize) -> u64 {
    (x >> (64 * i)) as u64
}

/// Makes a value of the first `N` 32-bit lanes.
#[inline(always)]
pub fn lanes32<const N: usize>(f: impl Fn(usize) -> (u32, Flags)) -> (u128, Flags) {
    (0..N).fold((0, Flags::NONE), |(value, flags), i| {
        let (lane, more) = f(i);
        (value | u128::from(lane) << (32 * i), flags | more)
    })
}
/// Makes a value of two 64-bit lanes.
#[inline(always)]
pub fn lanes64(f: impl Fn(usize) -> (u64, Flags)) -> (u128, Flags) {
    let ((low, first), (high, second)) = (f(0), f(1));
    (u128::from(low) | u128::from(high) << 64, first | second)
}
/// The low 32 bits replaced.
#[inline(always)]
pub fn low32(a: u128, (value, flags): (u32, Flags)) -> (u128, Flags) {
    (a & !LOW32 | u128::from(value), flags)
}
/// The low 64 bits replaced.
#[inline(always)]
pub fn low64(a: u128, (value, flags): (u64, Flags)) -> (u128, Flags) {
    (a & !LOW64 | u128::from(value), flags)
}
/// A signed 32-bit result as an unsigned lane.
#[inline(always)]
pub fn bits32((value, flags): (i32, Flags)) -> (u32, Flags) {
    (value as u32, flags)
}
/// A 32-bit result for a general register.
#[inline(always)]
pub fn integer32((value, flags): (i32, Flags)) -> (u128, Flags) {
    (u128::from(value as u32), flags)
}
/// A 64-bit result for a general register.
#[inline(always)]
pub fn integer64((value, flags): (i64, Flags)) -> (u128, Flags) {
    (u128::from(value as u64), flags)
}
/// Two 32-bit lanes as one of 64 bits.
#[inline(always)]
pub fn pair((value, flags): (u128, Flags)) -> (u64, Flags) {
    (value as u64, flags)
}

fn order(less: bool, equal: bool) -> (Relation, Flags) {
    let relation = match (less, equal) {
        (true, _) => Relation::Less,
        (_, true) => Relation::Equal,
        _ => Relation::Greater,
    };
    (relation, Flags::NONE)
}

/// Compares; see [`sf::compare32`].
#[inline]
pub fn compare32(a: u32, b: u32, signalling: bool, env: &SseEnv) -> (Relation, Flags) {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    if is_ordinary32(x) && is_ordinary32(y) { order(x < y, x == y) } else { sf::compare32(a, b, signalling, env) }
}
/// Compares; see [`sf::compare64`].
#[inline]
pub fn compare64(a: u64, b: u64, signalling: bool, env: &SseEnv) -> (Relation, Flags) {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    if is_ordinary64(x) && is_ordinary64(y) { order(x < y, x == y) } else { sf::compare64(a, b, signalling, env) }
}
fn is_ordinary32(x: f32) -> bool {
    x.is_normal() || x.to_bits() << 1 == 0
}
fn is_ordinary64(x: f64) -> bool {
    x.is_normal() || x.to_bits() << 1 == 0
}

/// ZF, PF and CF of COMISx and UCOMISx; the other status flags are cleared.
#[inline(always)]
pub fn status((relation, flags): (Relation, Flags)) -> (u128, Flags) {
    let bits = match relation {
        Relation::Greater => 0,
        Relation::Less => bit::CF,
        Relation::Equal => bit::ZF,
        Relation::Unordered => bit::ZF | bit::PF | bit::CF,
    };
    (u128::from(bits), flags)
}

/// LT, LE and their negations make a quiet NaN invalid (SDM vol. 2, CMPPD).
#[inline(always)]
pub fn is_signalling(predicate: u8) -> bool {
    matches!(predicate & 3, 1 | 2)
}
/// Whether a predicate of CMPxx (EQ, LT, LE, UNORD and their negations) holds.
#[inline(always)]
pub fn holds(predicate: u8, relation: Relation) -> bool {
    let positive = match predicate & 3 {
        0 => relation == Relation::Equal,
        1 => relation == Relation::Less,
        2 => matches!(relation, Relation::Less | Relation::Equal),
        _ => relation == Relation::Unordered,
    };
    positive != (predicate & 4 != 0)
}
/// One lane of CMPPS.
#[inline]
pub fn cmp32(a: u32, b: u32, imm: u8, env: &SseEnv) -> (u32, Flags) {
    let (relation, flags) = compare32(a, b, is_signalling(imm), env);
    (if holds(imm, relation) { u32::MAX } else { 0 }, flags)
}
/// One lane of CMPPD.
#[inline]
pub fn cmp64(a: u64, b: u64, imm: u8, env: &SseEnv) -> (u64, Flags) {
    let (relation, flags) = compare64(a, b, is_signalling(imm), env);
    (if holds(imm, relation) { u64::MAX } else { 0 }, flags)
}

/// Rounding mode of ROUNDxx, and the flags that its immediate lets through.
fn rounding(imm: u8, env: &SseEnv) -> (SseEnv, Flags) {
    let env = if imm & 4 != 0 { *env } else { env.with_rounding(Rounding::from_bits(u32::from(imm))) };
    (env, if imm & 8 != 0 { !Flags::PRECISION } else { !Flags::NONE })
}
/// One lane of ROUNDPS.
#[inline]
pub fn round32(a: u32, imm: u8, env: &SseEnv) -> (u32, Flags) {
    let (env, reported) = rounding(imm, env);
    let (value, flags) = sf::round32(a, &env);
    (value, flags & reported)
}
/// One lane of ROUNDPD.
#[inline]
pub fn round64(a: u64, imm: u8, env: &SseEnv) -> (u64, Flags) {
    let (env, reported) = rounding(imm, env);
    let (value, flags) = sf::round64(a, &env);
    (value, flags & reported)
}

/// CVTTSD2SI with a 32-bit destination.
#[inline]
pub fn truncate64_to32(a: u64, env: &SseEnv) -> (i32, Flags) {
    let x = f64::from_bits(a);
    let value = x as i32;
    if is_ordinary64(x) && value != i32::MIN && value != i32::MAX {
        return (value, Flags::PRECISION.when(f64::from(value) != x));
    }
    sf::f64_to_i32_truncate(a, env)
}
/// CVTTSD2SI with a 64-bit destination.
#[inline]
pub fn truncate64_to64(a: u64, env: &SseEnv) -> (i64, Flags) {
    let x = f64::from_bits(a);
    let value = x as i64;
    if is_ordinary64(x) && value != i64::MIN && value != i64::MAX {
        // Exact: below 2^53 the integer fits, above it every number is an integer.
        return (value, Flags::PRECISION.when(value as f64 != x));
    }
    sf::f64_to_i64_truncate(a, env)
}
/// CVTTSS2SI with a 32-bit destination.
#[inline]
pub fn truncate32_to32(a: u32, env: &SseEnv) -> (i32, Flags) {
    let x = f32::from_bits(a);
    if is_ordinary32(x) { truncate64_to32(f64::from(x).to_bits(), env) } else { sf::f32_to_i32_truncate(a, env) }
}
/// CVTTSS2SI with a 64-bit destination.
#[inline]
pub fn truncate32_to64(a: u32, env: &SseEnv) -> (i64, Flags) {
    let x = f32::from_bits(a);
    if is_ordinary32(x) { truncate64_to64(f64::from(x).to_bits(), env) } else { sf::f32_to_i64_truncate(a, env) }
}
/// CVTSI2SD from 64 bits.
#[inline]
pub fn widen64(a: u64, env: &SseEnv) -> (u64, Flags) {
    let value = a as i64;
    if value.unsigned_abs() <= 1 << 53 {
        return ((value as f64).to_bits(), Flags::NONE);
    }
    sf::i64_to_f64(value, env)
}
/// CVTSI2SS.
#[inline]
pub fn widen64_to32(value: i64, env: &SseEnv) -> (u32, Flags) {
    if value.unsigned_abs() <= 1 << 24 {
        return ((value as f32).to_bits(), Flags::NONE);
    }
    sf::i64_to_f32(value, env)
}
/// CVTSS2SD.
#[inline]
pub fn widen32(a: u32, env: &SseEnv) -> (u64, Flags) {
    let x = f32::from_bits(a);
    if is_ordinary32(x) { (f64::from(x).to_bits(), Flags::NONE) } else { sf::f32_to_f64(a, env) }
}

/// Unmasked exceptions of one step of a dot product end it.
fn stops(flags: Flags, env: &SseEnv) -> bool {
    flags.unmasked(env.masks) != Flags::NONE
}

/// DPPS: products of the lanes chosen by `imm` bits 4 to 7, summed in pairs, into the lanes chosen by bits 0 to 3.
pub fn dpps(a: u128, b: u128, imm: u8, env: &SseEnv) -> (u128, Flags) {
    let mut products = [0; 4];
    let mut flags = Flags::NONE;
    for (i, product) in products.iter_mut().enumerate().filter(|(i, _)| imm >> (4 + i) & 1 != 0) {
        let more;
        (*product, more) = sf::mul32(lane32(a, i), lane32(b, i), env);
        flags |= more;
    }
    flags = kept(flags, env);
    if stops(flags, env) {
        return (0, flags);
    }
    let (first, f1) = sf::add32(products[0], products[1], env);
    let (second, f2) = sf::add32(products[2], products[3], env);
    flags |= kept(f1 | f2, env);
    if stops(flags, env) {
        return (0, flags);
    }
    let (sum, more) = sf::add32(first, second, env);
    let (value, _) = lanes32::<4>(|i| (if imm >> i & 1 != 0 { sum } else { 0 }, Flags::NONE));
    (value, flags | kept(more, env))
}

/// DPPD: as DPPS, with two lanes.
pub fn dppd(a: u128, b: u128, imm: u8, env: &SseEnv) -> (u128, Flags) {
    let mut products = [0; 2];
    let mut flags = Flags::NONE;
    for (i, product) in products.iter_mut().enumerate().filter(|(i, _)| imm >> (4 + i) & 1 != 0) {
        let more;
        (*product, more) = sf::mul64(lane64(a, i), lane64(b, i), env);
        flags |= more;
    }
    flags = kept(flags, env);
    if stops(flags, env) {
        return (0, flags);
    }
    let (sum, more) = sf::add64(products[0], products[1], env);
    let (value, _) = lanes64(|i| (if imm >> i & 1 != 0 { sum } else { 0 }, Flags::NONE));
    (value, flags | kept(more, env))
}
