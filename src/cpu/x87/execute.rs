//! Dispatch of one decoded instruction to its family, and the duties common to all: #MF before, pointers after.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{C1, X87, X87Context, arithmetic, compare, control, transcendental, transfer};

/// Executes one x87 instruction (or WAIT).
///
/// `Err` is what the context made of a memory fault, a pending exception or a foreign instruction; the state is then
/// unchanged. An unmasked exception found by this instruction is left pending, as on hardware.
pub fn execute<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<(), C::Stop> {
    let mnemonic = insn.mnemonic();
    if x87.has_pending_exception() && !control::is_no_wait(mnemonic) {
        return Err(cx.math_fault());
    }
    if control::execute(x87, insn, cx)? {
        return Ok(());
    }
    if !execute_non_control(x87, insn, cx)? {
        return Err(cx.invalid_opcode());
    }
    x87.fip = cx.instruction_offset();
    if has_memory_operand(insn) {
        x87.fdp = cx.operand_offset();
    }
    if x87.has_pending_exception() {
        x87.fop = cx.opcode() & 0x7ff;
    }
    Ok(())
}

/// Each family tells whether the instruction was its own.
fn execute_non_control<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<bool, C::Stop> {
    Ok(arithmetic::execute(x87, insn, cx)?
        || transfer::execute(x87, insn, cx)?
        || compare::execute(x87, insn, cx)?
        || transcendental::execute(x87, insn.mnemonic())
        || execute_stack_control(x87, insn))
}

/// Non-control instructions that move no number.
fn execute_stack_control(x87: &mut X87, insn: &Instruction) -> bool {
    match insn.mnemonic() {
        Mnemonic::Fnop | Mnemonic::Fneni | Mnemonic::Fndisi | Mnemonic::Fnsetpm | Mnemonic::Frstpm => {}
        Mnemonic::Ffree => {
            x87.free(register_index(insn, 0));
            x87.set_condition(C1, false);
        }
        Mnemonic::Ffreep => {
            x87.free(register_index(insn, 0));
            x87.set_condition(C1, false);
            x87.pop();
        }
        Mnemonic::Fincstp => rotate(x87, 1),
        Mnemonic::Fdecstp => rotate(x87, 7),
        _ => return false,
    }
    true
}

fn rotate(x87: &mut X87, by: u8) {
    x87.set_top(x87.top() + by);
    x87.set_condition(C1, false);
}

pub(super) fn has_memory_operand(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|n| insn.op_kind(n) == OpKind::Memory)
}

/// The i of ST(i) at operand `n`; 0 where there is no such operand.
pub(super) fn register_index(insn: &Instruction, n: u32) -> u8 {
    if n < insn.op_count() && insn.op_kind(n) == OpKind::Register { insn.op_register(n).number() as u8 & 7 } else { 0 }
}
