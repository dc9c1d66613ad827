//! Handlers of near branches and string instructions.

use super::Builder;
use super::operands::{register_slot, string_address_bytes};
use crate::cpu::exec::{branch, string};
use crate::cpu::op::{Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

impl Builder {
    pub(super) fn control(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
        use Mnemonic as M;
        let memory = self.addressing(op, insn);
        let is_relative = matches!(insn.op_kind(0), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
        let bytes = match insn.op_kind(0) {
            OpKind::NearBranch16 => 2,
            OpKind::NearBranch32 => 4,
            OpKind::NearBranch64 => 8,
            OpKind::Register => insn.op_register(0).size(),
            _ => insn.memory_size().size(),
        };
        let cc = insn.condition_code() as u8;
        Some(match insn.mnemonic() {
            M::Jmp if is_relative => branch::select_jmp(bytes),
            M::Call if is_relative => branch::select_call(bytes),
            M::Jmp | M::Call if insn.is_jmp_near_indirect() || insn.is_call_near_indirect() => {
                if memory.is_none() {
                    op.src = register_slot(insn.op_register(0));
                }
                branch::select_indirect(insn.mnemonic() == M::Call, bytes, memory)
            }
            M::Ret => {
                op.imm = if insn.op_count() == 1 { u64::from(insn.immediate16()) } else { 0 };
                branch::select_ret(match insn.code() {
                    Code::Retnw | Code::Retnw_imm16 => 2,
                    Code::Retnd | Code::Retnd_imm16 => 4,
                    _ => 8,
                })
            }
            M::Loopne | M::Loope | M::Loop | M::Jcxz | M::Jecxz | M::Jrcxz => {
                op.aux = match insn.mnemonic() {
                    M::Loopne => 0,
                    M::Loope => 1,
                    M::Loop => 2,
                    _ => 3,
                };
                op.address_bytes = counter_bytes(insn.code());
                branch::select_loop(bytes)
            }
            _ if is_relative && cc != 0 && insn.is_jcc_short_or_near() => branch::select_jcc(bytes, cc - 1),
            _ => return None,
        })
    }

    pub(super) fn strings(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
        use Mnemonic as M;
        if !insn.is_string_instruction() {
            return None;
        }
        let repeated = insn.has_rep_prefix() || insn.has_repne_prefix();
        op.aux = if insn.has_repne_prefix() { 2 } else { 1 };
        op.seg = self.segment(insn);
        op.address_bytes = string_address_bytes(insn);
        Some(match insn.mnemonic() {
            M::Movsb => string::select::<string::Movs>(1, repeated),
            M::Movsw => string::select::<string::Movs>(2, repeated),
            M::Movsd => string::select::<string::Movs>(4, repeated),
            M::Movsq => string::select::<string::Movs>(8, repeated),
            M::Cmpsb => string::select::<string::Cmps>(1, repeated),
            M::Cmpsw => string::select::<string::Cmps>(2, repeated),
            M::Cmpsd => string::select::<string::Cmps>(4, repeated),
            M::Cmpsq => string::select::<string::Cmps>(8, repeated),
            M::Stosb => string::select::<string::Stos>(1, repeated),
            M::Stosw => string::select::<string::Stos>(2, repeated),
            M::Stosd => string::select::<string::Stos>(4, repeated),
            M::Stosq => string::select::<string::Stos>(8, repeated),
            M::Lodsb => string::select::<string::Lods>(1, repeated),
            M::Lodsw => string::select::<string::Lods>(2, repeated),
            M::Lodsd => string::select::<string::Lods>(4, repeated),
            M::Lodsq => string::select::<string::Lods>(8, repeated),
            M::Scasb => string::select::<string::Scas>(1, repeated),
            M::Scasw => string::select::<string::Scas>(2, repeated),
            M::Scasd => string::select::<string::Scas>(4, repeated),
            M::Scasq => string::select::<string::Scas>(8, repeated),
            _ => return None,
        })
    }
}

fn counter_bytes(code: Code) -> u8 {
    use Code::*;
    match code {
        Loopne_rel8_16_CX | Loopne_rel8_32_CX | Loope_rel8_16_CX | Loope_rel8_32_CX | Loop_rel8_16_CX
        | Loop_rel8_32_CX | Jcxz_rel8_16 | Jcxz_rel8_32 => 2,
        Loopne_rel8_16_ECX | Loopne_rel8_32_ECX | Loopne_rel8_64_ECX | Loope_rel8_16_ECX | Loope_rel8_32_ECX
        | Loope_rel8_64_ECX | Loop_rel8_16_ECX | Loop_rel8_32_ECX | Loop_rel8_64_ECX | Jecxz_rel8_16
        | Jecxz_rel8_32 | Jecxz_rel8_64 => 4,
        _ => 8,
    }
}
