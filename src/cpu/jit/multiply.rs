//! Templates of products and quotients. The model's flags of a product: CF and OF say that it did not fit, SF and PF are of
//! the low half, ZF and AF are clear; a quotient changes none (docs/cpu-undefined-flags.md).

use super::asm::{Rm, cc, reg};
use super::compile::Compiler;
use super::layout::{A, B, FLAGS, GUEST_RAX};
use super::operand::{Access, constant, general, is_memory};
use iced_x86::Instruction;

impl Compiler<'_> {
    /// IMUL with two or three operands.
    pub(super) fn imul(&mut self, insn: &Instruction) -> Option<()> {
        let d = general(insn, 0)?;
        let in_memory = is_memory(insn, 1);
        let has_constant = insn.op_count() == 3;
        let factor = if has_constant { Some(constant(insn, 2, d.size)?) } else { None };
        let mut from = Rm::M(A, 0);
        if !in_memory {
            from = general(insn, 1)?.at;
        }
        if d.size == 2 {
            return None;
        }
        let is_wanted = !self.is_status_dead();
        if in_memory {
            self.memory(insn, d.size, Access::Read);
        }
        let to = if let Rm::R(r) = d.at { r } else { B };
        match factor {
            Some(v) => {
                let is_short = i8::try_from(v).is_ok();
                self.a.op(0, d.size, &[if is_short { 0x6b } else { 0x69 }], to, from);
                self.a.imm(if is_short { 1 } else { 4 }, v);
            }
            None => {
                if !d.is_host() {
                    self.a.load(d.size, B, d.at);
                }
                self.a.op(0, d.size, &[0x0f, 0xaf], to, from);
            }
        }
        if !d.is_host() {
            self.put(d, B);
        }
        self.product_flags(is_wanted, d.size, to);
        Some(())
    }
    /// The flags of a product that was just made, whose low half is in a register.
    fn product_flags(&mut self, is_wanted: bool, size: usize, low: u8) {
        if !is_wanted {
            return self.status.only_host();
        }
        self.a.op(0, 1, &[0x0f, 0x90 | cc::O], 0, Rm::R(A));
        self.a.op(0, size, &[0x85], low, Rm::R(low));
        self.a.byte(0x9f); // lahf
        self.a.bytes.extend_from_slice(&[0x80, 0xe4, 0x86]); // and ah, SF | PF | fixed
        self.a.bytes.extend_from_slice(&[0x08, 0xc4]); // or ah, al
        self.a.store(4, FLAGS, A);
        self.status.only_saved();
    }
    /// MUL (4) and IMUL (5) of the accumulator.
    pub(super) fn multiply(&mut self, insn: &Instruction, extension: u8) -> Option<()> {
        let size = self.wide_source(insn)?;
        let is_wanted = !self.is_status_dead();
        let from = self.source_beside_a(insn, size);
        self.a.load(size, A, Rm::R(GUEST_RAX));
        self.a.op(0, size, &[0xf7], extension, from);
        self.a.load(size, GUEST_RAX, Rm::R(A));
        self.product_flags(is_wanted, size, GUEST_RAX);
        Some(())
    }
    /// DIV and IDIV, where it is easy to see that they do not fault.
    pub(super) fn divide(&mut self, insn: &Instruction, is_signed: bool) -> Option<()> {
        let size = self.wide_source(insn)?;
        self.give_up_status();
        let from = self.source_beside_a(insn, size);
        if from != Rm::R(B) {
            self.a.load(size, B, from);
        }
        if is_signed {
            // The dividend has to be a sign-extended accumulator, the divisor neither 0 nor -1.
            self.a.load(size, A, Rm::R(GUEST_RAX));
            self.a.shift(7, size, Rm::R(A), size as u8 * 8 - 1);
            self.a.alu(7, size, A, Rm::R(reg::RDX));
            self.refuse_if(cc::NE);
            self.a.lea(A, Rm::M(B, 1));
            self.a.alu_imm(7, size, Rm::R(A), 1);
            self.refuse_if(cc::BE);
        } else {
            self.a.alu(7, size, reg::RDX, Rm::R(B));
            self.refuse_if(cc::AE);
        }
        self.a.load(size, A, Rm::R(GUEST_RAX));
        self.a.op(0, size, &[0xf7], if is_signed { 7 } else { 6 }, Rm::R(B));
        self.a.load(size, GUEST_RAX, Rm::R(A));
        Some(())
    }
    /// The size of a source of 4 or 8 bytes that [`Self::source_beside_a`] can get.
    fn wide_source(&self, insn: &Instruction) -> Option<usize> {
        let size = if is_memory(insn, 0) { insn.memory_size().size() } else { general(insn, 0)?.size };
        (size >= 4).then_some(size)
    }
    /// The only operand, where it may be used while A holds something else: its place, or in B.
    fn source_beside_a(&mut self, insn: &Instruction, size: usize) -> Rm {
        if is_memory(insn, 0) {
            self.memory(insn, size, Access::Read);
            self.a.load(size, B, Rm::M(A, 0));
            return Rm::R(B);
        }
        general(insn, 0).map_or(Rm::R(B), |g| g.at)
    }
}
