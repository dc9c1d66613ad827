//! Templates of near branches, each the last instruction of its block.

use super::asm::{Rm, cc};
use super::compile::Compiler;
use super::layout::{A, B, CODE_PAGE, FLAGS, GUEST_RSP, SPARE};
use super::operand::{Access, general, is_memory};
use super::thunks::dispatch;
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

impl Compiler<'_> {
    /// Emits a template for the last instruction, if it has one; else emits nothing.
    pub(super) fn branch(&mut self, insn: &Instruction) -> bool {
        let is_near = i32::try_from(insn.near_branch_target() as i64).is_ok();
        let is_relative = insn.op_count() == 1 && insn.op_kind(0) == OpKind::NearBranch64 && is_near;
        match insn.mnemonic() {
            Mnemonic::Jmp if is_relative => {
                self.save_status();
                self.go_to(insn.near_branch_target() as i64);
            }
            Mnemonic::Call if is_relative => {
                self.push_return();
                self.go_to(insn.near_branch_target() as i64);
            }
            _ if is_relative && insn.is_jcc_short_or_near() => self.jcc(insn),
            Mnemonic::Ret if matches!(insn.code(), Code::Retnq | Code::Retnq_imm16) => self.ret(insn),
            Mnemonic::Jmp if insn.is_jmp_near_indirect() => return self.indirect(insn, false),
            Mnemonic::Call if insn.is_call_near_indirect() => return self.indirect(insn, true),
            _ => return false,
        }
        true
    }

    fn jcc(&mut self, insn: &Instruction) {
        let code = insn.condition_code() as u8 - 1;
        self.save_status();
        let code = if self.status.in_host { code } else { self.test_saved(code) };
        let taken = self.a.jcc_ahead(code);
        self.lead(taken, insn.near_branch_target() as i64);
        self.go_to(self.end());
    }
    /// Tests the saved flags for a condition: which condition of the host's flags says the same then.
    pub(super) fn test_saved(&mut self, code: u8) -> u8 {
        let mask: u16 = match code >> 1 {
            0 => 0x0001,
            1 => 0x0100,
            2 => 0x4000,
            3 => 0x4100,
            4 => 0x8000,
            5 => 0x0400,
            _ => {
                self.restore_status();
                return code;
            }
        };
        self.a.op(0, 4, &[0xf7], 0, FLAGS);
        self.a.imm(4, i64::from(mask));
        // Bits set: not zero.
        if code & 1 == 0 { cc::NE } else { cc::E }
    }

    /// The return address below the stack pointer, and the stack pointer onto it.
    fn push_return(&mut self) {
        self.give_up_status();
        self.a.lea(A, Rm::M(GUEST_RSP, -8));
        self.look_up(8, Access::Write);
        self.a.load(8, B, CODE_PAGE);
        self.a.lea(B, Rm::M(B, self.end() as i32));
        self.a.store(8, Rm::M(A, 0), B);
        self.a.lea(GUEST_RSP, Rm::M(GUEST_RSP, -8));
    }
    /// A guest address in another page, given from the start of this one.
    pub(super) fn far(&mut self, to: i64) {
        self.a.load(8, A, CODE_PAGE);
        self.a.alu_imm(0, 8, Rm::R(A), to);
        dispatch(&mut self.a, self.thunks.miss, |_| {});
    }
    fn ret(&mut self, insn: &Instruction) {
        let released = if insn.op_count() == 1 { i32::from(insn.immediate16()) } else { 0 };
        self.give_up_status();
        self.a.store(8, Rm::R(A), GUEST_RSP);
        self.look_up(8, Access::Read);
        self.a.load(8, A, Rm::M(A, 0));
        self.check_canonical();
        self.a.lea(GUEST_RSP, Rm::M(GUEST_RSP, 8 + released));
        dispatch(&mut self.a, self.thunks.miss, |_| {});
    }
    /// Has the handler raise the fault if A is no canonical address.
    fn check_canonical(&mut self) {
        self.a.store(8, Rm::R(B), A);
        self.a.shift(4, 8, Rm::R(B), 16);
        self.a.shift(7, 8, Rm::R(B), 16);
        self.a.alu(7, 8, B, Rm::R(A));
        self.refuse_if(cc::NE);
    }
    /// JMP and CALL through a register or memory.
    fn indirect(&mut self, insn: &Instruction, is_call: bool) -> bool {
        let g = general(insn, 0).filter(|g| g.size == 8);
        let from_memory = is_memory(insn, 0) && insn.memory_size().size() == 8;
        if g.is_none() && !from_memory {
            return false;
        }
        self.give_up_status();
        if from_memory {
            self.memory(insn, 8, Access::Read);
            self.a.load(8, A, Rm::M(A, 0));
        } else if let Some(g) = g {
            self.a.load(8, A, g.at);
        }
        self.check_canonical();
        if is_call {
            self.a.store(8, SPARE, A);
            self.push_return();
            self.a.load(8, A, SPARE);
        }
        dispatch(&mut self.a, self.thunks.miss, |_| {});
        true
    }
}
