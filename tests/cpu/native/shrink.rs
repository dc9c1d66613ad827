//! Makes a failing case smaller: clears registers, flags, memory patches and instructions that do not matter.

use iced_x86::Instruction;

use super::case::{Case, FxImage, Retires};
use super::compare::{compare, instructions};
use super::engine::Engine;
use super::masks::Masks;

const NOP: u8 = 0x90;

/// The smallest case found in one pass of single reductions that still makes the two CPUs differ.
pub fn shrink(case: &Case, native: &mut dyn Engine, engine: &mut dyn Engine, masks: &Masks) -> Case {
    let mut best = case.clone();
    let mut keep_if_failing = |best: &mut Case, reduced: Case| {
        if reduced != *best && compare(&reduced, &native.run(&reduced), &engine.run(&reduced), masks).is_some() {
            *best = reduced;
        }
    };
    // Twice: an early instruction can be needed until a later one, which it skips or whose fault it avoids, is gone.
    let count = instructions(case).len();
    let counter = loop_counter(&instructions(case));
    for n in (0..count).chain(0..count) {
        // Without its counting a loop might never end; the jump can go, and then the counting.
        let code = instructions(&best);
        if counter.is_some() && code.last().is_some_and(is_backward) && n + 2 == count {
            continue;
        }
        let reduced = without_instruction(&best, case, n);
        keep_if_failing(&mut best, reduced);
    }
    for n in (0..best.memory.len()).rev() {
        let mut reduced = best.clone();
        reduced.memory.remove(n);
        keep_if_failing(&mut best, reduced);
    }
    for n in 0..16 {
        if counter != Some(n) {
            let mut reduced = best.clone();
            reduced.before.gpr[n] = 0;
            keep_if_failing(&mut best, reduced);
        }
        let mut reduced = best.clone();
        reduced.before.fx.set_xmm(n, 0);
        keep_if_failing(&mut best, reduced);
        let mut reduced = best.clone();
        reduced.before.rflags &= !(1 << n);
        keep_if_failing(&mut best, reduced);
    }
    for n in 0..8 {
        let mut reduced = best.clone();
        reduced.before.fx.set_st(n, [0; 10]);
        keep_if_failing(&mut best, reduced);
    }
    for control in [set_initial_x87, set_initial_mxcsr] {
        let mut reduced = best.clone();
        control(&mut reduced.before.fx);
        keep_if_failing(&mut best, reduced);
    }
    best
}

fn is_backward(instruction: &Instruction) -> bool {
    instruction.is_jcc_short() && instruction.near_branch_target() < instruction.ip()
}

/// The register that the loop of a block counts down.
fn loop_counter(code: &[Instruction]) -> Option<usize> {
    match code {
        [.., counting, jump] if is_backward(jump) => Some(counting.op0_register().number()),
        _ => None,
    }
}

fn set_initial_x87(fx: &mut FxImage) {
    fx.set_fcw(0x37F);
    fx.set_fsw(0);
    fx.set_ftw(0);
}

fn set_initial_mxcsr(fx: &mut FxImage) {
    fx.set_mxcsr(0x1F80);
}

/// Instruction `n` of the original replaced by one-byte NOPs, so that jump distances stay right.
fn without_instruction(best: &Case, original: &Case, n: usize) -> Case {
    let mut reduced = best.clone();
    let instruction = instructions(original)[n];
    let start = (instruction.ip() - original.before.rip) as usize;
    reduced.code[start..start + instruction.len()].fill(NOP);
    let count = instructions(&reduced).len() as u32;
    reduced.retires = match best.retires {
        Retires::Exactly(_) => Retires::Exactly(count),
        Retires::Varies(_) => Retires::Varies(count),
    };
    reduced
}
