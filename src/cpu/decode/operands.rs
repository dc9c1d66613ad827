//! What an instruction says about its operands: slots, sizes, kinds.

use crate::cpu::state::seg;
use iced_x86::{Instruction, OpKind, Register};

pub(super) fn is_immediate(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Immediate8
            | Immediate8_2nd
            | Immediate16
            | Immediate32
            | Immediate64
            | Immediate8to16
            | Immediate8to32
            | Immediate8to64
            | Immediate32to64
    )
}

/// Byte offset of a general register in `Cpu::regs`.
pub(super) fn register_slot(r: Register) -> u8 {
    use Register::*;
    match r {
        AH | CH | DH | BH => (r as u8 - AH as u8) * 8 + 1,
        _ if r.is_gpr() => r.full_register().number() as u8 * 8,
        _ => 0,
    }
}

pub(super) fn segment_index(r: Register) -> u8 {
    match r {
        Register::ES => seg::ES as u8,
        Register::CS => seg::CS as u8,
        Register::SS => seg::SS as u8,
        Register::FS => seg::FS as u8,
        Register::GS => seg::GS as u8,
        _ => seg::DS as u8,
    }
}

/// Size of the destination operand.
pub(super) fn operand_bytes(insn: &Instruction) -> usize {
    if insn.op_count() == 0 {
        return 0;
    }
    match insn.op_kind(0) {
        OpKind::Register => insn.op_register(0).size(),
        OpKind::Memory => insn.memory_size().size(),
        _ => 0,
    }
}
/// Size of the second operand of MOVZX and its like.
pub(super) fn source_bytes(insn: &Instruction) -> usize {
    match insn.op_kind(1) {
        OpKind::Register => insn.op_register(1).size(),
        _ => insn.memory_size().size(),
    }
}

pub(super) fn has_segment_register(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|i| insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_segment_register())
}
pub(super) fn has_system_register(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|i| {
        let r = insn.op_register(i);
        insn.op_kind(i) == OpKind::Register && (r.is_segment_register() || r.is_cr() || r.is_dr() || r.is_tr())
    })
}

/// Address size of a memory operand, from its registers or else its displacement (8 bytes in 64-bit mode even where
/// the encoding has a sign-extended 4).
pub(super) fn address_bytes(insn: &Instruction) -> u8 {
    let named = [insn.memory_base(), insn.memory_index()].into_iter().find(|r| *r != Register::None);
    match named {
        Some(Register::EIP) => 4,
        Some(r) => r.size() as u8,
        None => match insn.memory_displ_size() {
            2 => 2,
            8 => 8,
            _ => 4,
        },
    }
}

pub(super) fn string_address_bytes(insn: &Instruction) -> u8 {
    use OpKind::*;
    (0..insn.op_count())
        .find_map(|i| match insn.op_kind(i) {
            MemorySegSI | MemorySegDI | MemoryESDI => Some(2),
            MemorySegESI | MemorySegEDI | MemoryESEDI => Some(4),
            MemorySegRSI | MemorySegRDI | MemoryESRDI => Some(8),
            _ => None,
        })
        .unwrap_or(8)
}
