//! Differential tests: every x87 encoding on random states, here and on the host, must leave equal state.

use iced_x86::{Decoder, DecoderOptions, Instruction, MemorySize, Mnemonic};

use super::cases::Random;
use super::native::{Native, Surroundings};
use super::scripted::Scripted;
use crate::cpu::softfloat::F80;
use crate::cpu::x87::{C1, X87, execute};

/// All encodings D8 to DF with every register form, and every memory form as [rsi]; with the 16-bit environment forms.
fn encodings() -> Vec<(Vec<u8>, Instruction)> {
    let memory = (0..8).map(|reg| 0x06 | reg << 3);
    let modrms: Vec<u8> = memory.chain(0xc0..=0xff).collect();
    let mut list = Vec::new();
    for prefix in [&[][..], &[0x66]] {
        for opcode in 0xd8..=0xdf {
            for &modrm in &modrms {
                let bytes = [prefix, &[opcode, modrm]].concat();
                let insn = Decoder::new(64, &bytes, DecoderOptions::NONE).decode();
                let environment = matches!(
                    insn.mnemonic(),
                    Mnemonic::Fldenv | Mnemonic::Fnstenv | Mnemonic::Frstor | Mnemonic::Fnsave
                );
                if !insn.is_invalid() && (prefix.is_empty() || environment) {
                    list.push((bytes, insn));
                }
            }
        }
    }
    list
}

pub fn is_transcendental(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, F2xm1 | Fyl2x | Fyl2xp1 | Fptan | Fpatan | Fsin | Fcos | Fsincos)
}

fn random_memory(random: &mut Random, insn: &Instruction) -> [u8; 128] {
    let mut memory = [0; 128];
    for chunk in memory.chunks_exact_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes());
    }
    match insn.memory_size() {
        MemorySize::Float32 => memory[..4].copy_from_slice(&random.f32_bits().to_le_bytes()),
        MemorySize::Float64 => memory[..8].copy_from_slice(&random.f64_bits().to_le_bytes()),
        MemorySize::Float80 => memory[..10].copy_from_slice(&random.f80().to_bytes()),
        MemorySize::Int16 | MemorySize::Int32 | MemorySize::Int64 => {
            memory[..8].copy_from_slice(&random.pattern().to_le_bytes());
        }
        MemorySize::Bcd => {
            for byte in &mut memory[..9] {
                *byte = (random.below(10) << 4 | random.below(10)) as u8;
            }
        }
        // An environment: no exception is pending, and the control word is as fresh code would have it.
        _ if insn.mnemonic() == Mnemonic::Fldenv || insn.mnemonic() == Mnemonic::Frstor => {
            memory[0] |= 0x3f;
        }
        _ => {}
    }
    memory
}

/// Hides what the host's maker does otherwise: pointers everywhere, and in stored environments.
fn hide_pointers(x87: &mut X87, memory: &mut [u8; 128], insn: &Instruction) {
    (x87.fip, x87.fdp, x87.fop) = (0, 0, 0);
    // FCOMI clears C1 on Intel and leaves it on AMD.
    if matches!(insn.mnemonic(), Mnemonic::Fcomi | Mnemonic::Fcomip | Mnemonic::Fucomi | Mnemonic::Fucomip) {
        x87.fsw &= !C1;
    }
    match insn.memory_size() {
        MemorySize::FpuEnv28 | MemorySize::FpuState108 => memory[12..28].fill(0),
        MemorySize::FpuEnv14 | MemorySize::FpuState94 => memory[6..14].fill(0),
        _ => {}
    }
}

struct Difference {
    count: u32,
    first: Vec<String>,
}

fn compare_on(encodings: &[(Vec<u8>, Instruction)], cases: u32, seed: u64) -> Vec<String> {
    let mut native = Native::new();
    let mut random = Random(seed);
    let mut report = Vec::new();
    for (bytes, insn) in encodings {
        native.set_instruction(bytes);
        let mut difference = Difference { count: 0, first: Vec::new() };
        for _ in 0..cases {
            compare_once(&native, insn, &mut random, &mut difference);
        }
        if difference.count != 0 {
            let Difference { count, first } = difference;
            report.push(format!("{bytes:02x?} {insn}: {count} of {cases}\n{}", first.join("\n")));
        }
    }
    report
}

fn compare_once(native: &Native, insn: &Instruction, random: &mut Random, difference: &mut Difference) {
    let before = random.x87();
    let memory = random_memory(random, insn);
    let flags = random.next() & 0x8d5;
    let mut theirs = before.clone();
    let mut around = Surroundings { memory, flags, ax: 0 };
    native.run(&mut theirs, &mut around);
    let mut ours = before.clone();
    let mut context = Scripted { flags, ..Scripted::new(memory) };
    execute(&mut ours, insn, &mut context).expect("nothing here faults");
    hide_pointers(&mut theirs, &mut around.memory, insn);
    hide_pointers(&mut ours, &mut context.memory, insn);
    let ax_agrees =
        insn.mnemonic() != Mnemonic::Fnstsw || insn.memory_size() != MemorySize::Unknown || around.ax == context.ax;
    if ours == theirs && around.memory == context.memory && around.flags == context.flags && ax_agrees {
        return;
    }
    difference.count += 1;
    if difference.first.len() < 4 {
        difference.first.push(format!(
            "  before {}\n  mem    {:02x?}\n  ours   {} {:x} {:02x?}\n  theirs {} {:x} {:02x?}",
            shown(&before),
            &memory[..10],
            shown(&ours),
            context.flags,
            &context.memory[..14],
            shown(&theirs),
            around.flags,
            &around.memory[..14]
        ));
    }
}

fn shown(x87: &X87) -> String {
    let stack: Vec<_> = (0..8).map(|i| format!("{:?}{}", x87.st(i), if x87.is_empty(i) { "-" } else { "" })).collect();
    format!("cw {:04x} sw {:04x} top {} [{}]", x87.fcw, x87.fsw, x87.top(), stack.join(" "))
}

fn check(select: impl Fn(&Instruction) -> bool, cases: u32, seed: u64) {
    let selected: Vec<_> = encodings().into_iter().filter(|(_, insn)| select(insn)).collect();
    let report = compare_on(&selected, cases, seed);
    assert!(report.is_empty(), "{} encodings differ from the host:\n{}", report.len(), report.join("\n"));
}

#[test]
fn every_exact_instruction_agrees_with_the_host() {
    check(|insn| !is_transcendental(insn.mnemonic()), 3000, 1);
}

#[test]
#[ignore = "long: over a million cases for each operation"]
fn every_exact_instruction_agrees_with_the_host_over_many_cases() {
    check(|insn| !is_transcendental(insn.mnemonic()), 200_000, 2);
}

/// Position of a number among the numbers of its sign.
fn rank(value: F80) -> i128 {
    let magnitude = i128::from(value.sign_exp & 0x7fff) << 63 | i128::from(value.sig & (u64::MAX >> 1));
    if value.is_negative() { -magnitude } else { magnitude }
}

/// Equal but for the last bit of results and what depends on it: C1, and PE and UE of results that one side takes for exact.
fn nearly_equal(ours: &X87, theirs: &X87, loose: u16) -> bool {
    let close = |i| (rank(ours.st(i)) - rank(theirs.st(i))).abs() <= 1;
    ours.tags == theirs.tags && (ours.fsw ^ theirs.fsw) & !loose == 0 && (0..8).all(close)
}

/// A number that the functions have an interesting answer for.
fn moderate(random: &mut Random) -> F80 {
    let exponent = match random.below(4) {
        0 => 16383 - 70 + random.below(72),
        1 => 16383 - 3 + random.below(5),
        2 => 16383 + random.below(3),
        _ => 16383 - 12 + random.below(12),
    } as u16;
    F80::new((random.next() as u16 & 1) << 15 | exponent, 1 << 63 | random.pattern())
}

fn transcendental_differences(cases: u32, seed: u64, moderate_share: u64) -> Vec<String> {
    let mut native = Native::new();
    let mut random = Random(seed);
    let mut report = Vec::new();
    let all: Vec<_> = encodings().into_iter().filter(|(_, insn)| is_transcendental(insn.mnemonic())).collect();
    for (bytes, insn) in &all {
        native.set_instruction(bytes);
        let (mut count, mut inexact, mut first) = (0, 0, Vec::new());
        for _ in 0..cases {
            let mut before = random.x87();
            if random.below(100) < moderate_share {
                let top = before.top();
                before.set_st(0, moderate(&mut random));
                before.set_st(1, moderate(&mut random));
                before.tags = !(1 << (top.wrapping_sub(1) & 7));
                before.fsw &= 0x7f00;
            }
            let mut theirs = before.clone();
            let mut around = Surroundings { memory: [0; 128], flags: 0, ax: 0 };
            native.run(&mut theirs, &mut around);
            let mut ours = before.clone();
            execute(&mut ours, insn, &mut Scripted::new([0; 128])).expect("nothing here faults");
            (theirs.fip, theirs.fdp, theirs.fop) = (ours.fip, ours.fdp, ours.fop);
            inexact += u32::from(ours != theirs);
            if !nearly_equal(&ours, &theirs, C1) {
                count += 1;
                if first.len() < 6 {
                    first.push(format!(
                        "  before {}\n  ours   {}\n  theirs {}",
                        shown(&before),
                        shown(&ours),
                        shown(&theirs)
                    ));
                }
            }
        }
        println!("{insn}: {inexact} of {cases} differ in any bit, {count} by more than the last");
        if count != 0 {
            report.push(format!("[{bytes:02x?} {insn}: {count} of {cases}\n{}", first.join("\n")));
        }
    }
    report
}

#[test]
fn transcendental_results_are_within_one_unit_of_the_host() {
    let report = transcendental_differences(3000, 3, 100);
    assert!(report.is_empty(), "{} instructions differ from the host:\n{}", report.len(), report.join("\n"));
}

#[test]
fn transcendental_special_cases_agree_with_the_host() {
    let report = transcendental_differences(3000, 4, 0);
    assert!(report.is_empty(), "{} instructions differ from the host:\n{}", report.len(), report.join("\n"));
}
