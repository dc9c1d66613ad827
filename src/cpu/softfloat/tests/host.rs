//! Differential tests of the SSE functions: value and flags must be those of the host's instruction.

use super::native::{self, Instruction};
use crate::cpu::softfloat::*;
use crate::cpu::x87::tests::cases::Random;

type Ours = fn(u64, u64, &SseEnv) -> (u64, Flags);

struct Operation {
    name: &'static str,
    is_32: bool,
    host: Instruction,
    ours: Ours,
}

/// A comparison's relation as ZF, PF and CF.
fn comparison_flags((relation, flags): (Relation, Flags)) -> (u64, Flags) {
    let bits = match relation {
        Relation::Greater => 0,
        Relation::Less => 1,
        Relation::Equal => 0x40,
        Relation::Unordered => 0x45,
    };
    (bits, flags)
}

macro_rules! operation {
    ($host:ident, $is_32:literal, $ours:expr) => {
        Operation { name: stringify!($host), is_32: $is_32, host: native::$host, ours: $ours }
    };
}

fn narrow((value, flags): (u32, Flags)) -> (u64, Flags) {
    (u64::from(value), flags)
}

fn signed32((value, flags): (i32, Flags)) -> (u64, Flags) {
    (u64::from(value as u32), flags)
}

fn signed64((value, flags): (i64, Flags)) -> (u64, Flags) {
    (value as u64, flags)
}

fn operations() -> Vec<Operation> {
    vec![
        operation!(addsd, false, add64),
        operation!(subsd, false, sub64),
        operation!(mulsd, false, mul64),
        operation!(divsd, false, div64),
        operation!(minsd, false, min64),
        operation!(maxsd, false, max64),
        operation!(sqrtsd, false, |a, _, env| sqrt64(a, env)),
        operation!(roundsd, false, |a, _, env| round64(a, env)),
        operation!(comisd, false, |a, b, env| comparison_flags(compare64(a, b, true, env))),
        operation!(ucomisd, false, |a, b, env| comparison_flags(compare64(a, b, false, env))),
        operation!(cvtsd2ss, false, |a, _, env| narrow(f64_to_f32(a, env))),
        operation!(cvtsi2sd32, false, |_, b, env| i32_to_f64(b as i32, env)),
        operation!(cvtsi2sd64, false, |_, b, env| i64_to_f64(b as i64, env)),
        operation!(cvtsd2si32, false, |a, _, env| signed32(f64_to_i32(a, env))),
        operation!(cvtsd2si64, false, |a, _, env| signed64(f64_to_i64(a, env))),
        operation!(cvttsd2si32, false, |a, _, env| signed32(f64_to_i32_truncate(a, env))),
        operation!(cvttsd2si64, false, |a, _, env| signed64(f64_to_i64_truncate(a, env))),
        operation!(addss, true, |a, b, env| narrow(add32(a as u32, b as u32, env))),
        operation!(subss, true, |a, b, env| narrow(sub32(a as u32, b as u32, env))),
        operation!(mulss, true, |a, b, env| narrow(mul32(a as u32, b as u32, env))),
        operation!(divss, true, |a, b, env| narrow(div32(a as u32, b as u32, env))),
        operation!(minss, true, |a, b, env| narrow(min32(a as u32, b as u32, env))),
        operation!(maxss, true, |a, b, env| narrow(max32(a as u32, b as u32, env))),
        operation!(sqrtss, true, |a, _, env| narrow(sqrt32(a as u32, env))),
        operation!(roundss, true, |a, _, env| narrow(round32(a as u32, env))),
        operation!(comiss, true, |a, b, env| comparison_flags(compare32(a as u32, b as u32, true, env))),
        operation!(ucomiss, true, |a, b, env| comparison_flags(compare32(a as u32, b as u32, false, env))),
        operation!(cvtss2sd, true, |a, _, env| f32_to_f64(a as u32, env)),
        operation!(cvtsi2ss32, true, |_, b, env| narrow(i32_to_f32(b as i32, env))),
        operation!(cvtsi2ss64, true, |_, b, env| narrow(i64_to_f32(b as i64, env))),
        operation!(cvtss2si32, true, |a, _, env| signed32(f32_to_i32(a as u32, env))),
        operation!(cvtss2si64, true, |a, _, env| signed64(f32_to_i64(a as u32, env))),
        operation!(cvttss2si32, true, |a, _, env| signed32(f32_to_i32_truncate(a as u32, env))),
        operation!(cvttss2si64, true, |a, _, env| signed64(f32_to_i64_truncate(a as u32, env))),
    ]
}

/// Two operands, every third time near each other.
fn operands(random: &mut Random, is_32: bool) -> (u64, u64) {
    let mut one = |is_32| {
        if is_32 { u64::from(random.f32_bits()) } else { random.f64_bits() }
    };
    let (a, b) = (one(is_32), one(is_32));
    match random.below(9) {
        0 => (a, a),
        1 => (a, a ^ 1 << if is_32 { 31 } else { 63 } ^ random.below(4)),
        2 => (a, a ^ random.below(8)),
        3 => (a, random.pattern()),
        _ => (a, b),
    }
}

fn random_mxcsr(random: &mut Random, masks: Option<u32>) -> u32 {
    let masks = masks.unwrap_or_else(|| random.below(64) as u32) << 7;
    (random.next() as u32 & 0x6000) | masks | [0, 0, 0x40, 0x8000, 0x8040][random.below(5) as usize]
}

/// Runs `cases` of each operation; `masks` as in MXCSR moved to bit 0, or random.
fn check(cases: u32, seed: u64, masks: Option<u32>) {
    let mut random = Random(seed);
    let mut report = Vec::new();
    for operation in operations() {
        let mut wrong = 0;
        for _ in 0..cases {
            let (a, b) = operands(&mut random, operation.is_32);
            let mxcsr = random_mxcsr(&mut random, masks);
            let host = native::run(operation.host, a, b, mxcsr);
            let env = SseEnv::from_mxcsr(mxcsr);
            let (mut value, flags) = (operation.ours)(a, b, &env);
            let trapped = flags.unmasked(env.masks) != Flags::NONE;
            let is_comparison = operation.name.contains("comi");
            let theirs = host.value.map(|value| if is_comparison { value & 0x45 } else { value });
            if operation.is_32 && !matches!(operation.name, "cvtss2sd" | "cvtss2si64" | "cvttss2si64") {
                value &= 0xffff_ffff;
            }
            if flags.0 != host.flags || theirs != (!trapped).then_some(value) {
                wrong += 1;
                if wrong < 4 {
                    report.push(format!(
                        "{} {a:x} {b:x} mxcsr {mxcsr:x}: ours {value:x} {flags:?} host {theirs:x?} {:?}",
                        operation.name,
                        Flags(host.flags)
                    ));
                }
            }
        }
        if wrong != 0 {
            report.push(format!("{}: {wrong} of {cases}", operation.name));
        }
    }
    assert!(report.is_empty(), "differences from the host:\n{}", report.join("\n"));
}

#[test]
fn masked_sse_operations_agree_with_the_host() {
    check(20_000, 11, Some(0x3f));
}

#[test]
fn unmasked_sse_operations_agree_with_the_host() {
    check(2_000, 12, None);
}

#[test]
#[ignore = "long: over a million cases for each operation"]
fn sse_operations_agree_with_the_host_over_many_cases() {
    check(1_200_000, 13, Some(0x3f));
    check(50_000, 14, None);
}
