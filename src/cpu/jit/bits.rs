//! Templates of bit tests, bit scans, conditional moves and sets, byte swaps, and read-modify-write with a register.

use super::asm::{Rm, cc, reg};
use super::compile::Compiler;
use super::layout::{A, B, FLAGS, GUEST_RAX, SPARE};
use super::operand::{Access, constant, general, is_memory};
use iced_x86::Instruction;

const M_A: Rm = Rm::M(A, 0);

impl Compiler<'_> {
    /// Makes the host's flags say whether a condition holds, and by which code. Needs A.
    pub(super) fn condition(&mut self, code: u8) -> u8 {
        if self.status.in_host { code } else { self.test_saved(code) }
    }
    pub(super) fn cmov(&mut self, insn: &Instruction, code: u8) -> Option<()> {
        let d = general(insn, 0)?;
        let mut from = Rm::R(B);
        if is_memory(insn, 1) {
            self.memory(insn, d.size, Access::Read);
            self.a.load_zero(d.size, B, M_A);
        } else {
            from = general(insn, 1)?.at;
        }
        let code = self.condition(code);
        match d.at {
            Rm::R(r) => self.a.op(0, d.size, &[0x0f, 0x40 | code], r, from),
            slot => {
                self.a.load(8, A, slot);
                self.a.op(0, d.size, &[0x0f, 0x40 | code], A, from);
                self.put(d, A);
            }
        }
        Some(())
    }
    pub(super) fn setcc(&mut self, insn: &Instruction, code: u8) -> Option<()> {
        let mut at = M_A;
        if is_memory(insn, 0) {
            self.memory(insn, 1, Access::Write);
            self.a.store(8, SPARE, A);
        } else {
            at = general(insn, 0)?.at;
        }
        let code = self.condition(code);
        if at == M_A {
            self.a.load(8, A, SPARE);
        }
        self.a.op(0, 1, &[0x0f, 0x90 | code], 0, at);
        Some(())
    }
    pub(super) fn bswap(&mut self, insn: &Instruction) -> Option<()> {
        let d = general(insn, 0)?;
        if d.size < 4 {
            return None;
        }
        let r = self.in_host(d, A);
        self.a.byte(0x40 | u8::from(d.size == 8) << 3 | r >> 3);
        self.a.bytes.extend_from_slice(&[0x0f, 0xc8 | r & 7]);
        if !d.is_host() {
            self.put(d, A);
        }
        Some(())
    }
    /// CLC, STC, CMC by opcode.
    pub(super) fn carry(&mut self, opcode: u8) -> Option<()> {
        self.need_status();
        self.a.byte(opcode);
        self.status.only_host();
        Some(())
    }
    /// BT, BTS, BTR, BTC (4..=7).
    pub(super) fn bit(&mut self, insn: &Instruction, kind: u8) -> Option<()> {
        let number = constant(insn, 1, 1);
        let index = general(insn, 1);
        let access = if kind == 4 { Access::Read } else { Access::Write };
        if is_memory(insn, 0) {
            let size = insn.memory_size().size();
            match number {
                Some(n) => {
                    self.memory(insn, size, access);
                    self.a.op(0, size, &[0x0f, 0xba], kind, M_A);
                    self.a.imm(1, n);
                }
                None => self.bit_string(insn, kind, size, access)?,
            }
            self.save_carry();
            return Some(());
        }
        let d = general(insn, 0)?;
        if d.size < 4 || number.is_none() && index.is_none() {
            return None;
        }
        self.need_status();
        let r = self.in_host(d, A);
        match (number, index) {
            (Some(n), _) => {
                self.a.op(0, d.size, &[0x0f, 0xba], kind, Rm::R(r));
                self.a.imm(1, n);
            }
            (None, Some(index)) => {
                let index = self.in_host(index, B);
                self.a.op(0, d.size, &[0x0f, 0x83 | kind << 3], index, Rm::R(r));
            }
            (None, None) => return None,
        }
        if kind != 4 && !d.is_host() {
            // 4 bytes written to A clear its upper half.
            self.put(d, A);
        }
        self.status.only_host();
        Some(())
    }
    /// A bit at a register's distance from memory; leaves it in the host's CF.
    fn bit_string(&mut self, insn: &Instruction, kind: u8, size: usize, access: Access) -> Option<()> {
        let index = general(insn, 1)?;
        if size < 4 {
            return None;
        }
        self.give_up_status();
        self.address(insn);
        // The word that the bit is in.
        match size {
            8 => self.a.load(8, B, index.at),
            _ => self.a.op(0, 8, &[0x63], B, index.at),
        }
        let shift = if size == 8 { 6 } else { 5 };
        self.a.shift(7, 8, Rm::R(B), shift);
        self.a.lea(A, Rm::X(A, B, shift - 3, 0));
        self.look_up(size, access);
        self.a.load(4, B, index.at);
        self.a.alu_imm(4, 4, Rm::R(B), size as i64 * 8 - 1);
        self.a.op(0, size, &[0x0f, 0x83 | kind << 3], B, M_A);
        Some(())
    }
    /// BSF (BCh) and BSR (BDh) by opcode: a zero source leaves the destination.
    pub(super) fn scan(&mut self, insn: &Instruction, opcode: u8) -> Option<()> {
        let d = general(insn, 0)?;
        let in_memory = is_memory(insn, 1);
        let s = general(insn, 1);
        if d.size < 4 || !in_memory && s.is_none() {
            return None;
        }
        if in_memory {
            self.memory(insn, d.size, Access::Read);
            self.a.load(d.size, B, M_A);
        } else if let Some(s) = s {
            self.a.load(d.size, B, s.at);
        }
        self.a.op(0, d.size, &[0x85], B, Rm::R(B));
        self.a.constant(A, 0x4600);
        let zero = self.a.jcc_ahead(cc::E);
        self.a.op(0, d.size, &[0x0f, opcode], B, Rm::R(B));
        self.put(d, B);
        self.a.op(0, 1, &[0x84], B, Rm::R(B));
        self.a.byte(0x9f); // lahf
        self.a.alu_imm(4, 4, Rm::R(A), 0x0600);
        self.a.place(zero);
        self.a.store(4, FLAGS, A);
        self.status.only_saved();
        Some(())
    }
    pub(super) fn popcnt(&mut self, insn: &Instruction) -> Option<()> {
        let d = general(insn, 0)?;
        let mut from = M_A;
        if d.size < 4 {
            return None;
        }
        if is_memory(insn, 1) {
            self.memory(insn, d.size, Access::Read);
        } else {
            from = general(insn, 1)?.at;
        }
        let to = if let Rm::R(r) = d.at { r } else { B };
        self.a.op(0xf3, d.size, &[0x0f, 0xb8], to, from);
        if !d.is_host() {
            self.put(d, B);
        }
        self.status.only_host();
        Some(())
    }
    /// XADD with memory.
    pub(super) fn xadd(&mut self, insn: &Instruction) -> Option<()> {
        let s = general(insn, 1)?;
        let Rm::R(r) = s.at else { return None };
        if !is_memory(insn, 0) {
            return None;
        }
        self.memory(insn, s.size, Access::Write);
        self.a.load_zero(s.size, B, M_A);
        self.a.alu_to(0, s.size, M_A, r);
        self.put(s, B);
        self.status.only_host();
        Some(())
    }
    /// CMPXCHG with memory. There is one processor, so that LOCK adds nothing.
    pub(super) fn cmpxchg(&mut self, insn: &Instruction) -> Option<()> {
        let s = general(insn, 1)?;
        if !is_memory(insn, 0) {
            return None;
        }
        self.memory(insn, s.size, Access::Write);
        self.a.store(8, Rm::R(B), A);
        self.a.store(8, Rm::R(A), GUEST_RAX);
        let opcode = [0x0f, 0xb0 | u8::from(s.size > 1)];
        match s.at {
            Rm::R(r) => self.a.op(0, s.size, &opcode, r, Rm::M(B, 0)),
            slot => {
                // RCX lends itself.
                self.a.store(8, SPARE, reg::RCX);
                self.a.load(8, reg::RCX, slot);
                self.a.op(0, s.size, &opcode, reg::RCX, Rm::M(B, 0));
                self.a.load(8, reg::RCX, SPARE);
            }
        }
        self.a.store(8, Rm::R(GUEST_RAX), A);
        self.status.only_host();
        Some(())
    }
    /// MOVZX from AH, BH, CH or DH.
    pub(super) fn extend_high_byte(&mut self, insn: &Instruction) -> Option<()> {
        use iced_x86::Register::{AH, BH, CH, DH};
        let d = general(insn, 0)?;
        let from = insn.op_register(1);
        if !matches!(from, AH | BH | CH | DH) || d.size < 4 {
            return None;
        }
        self.a.load(4, A, super::layout::guest(from.full_register().number()));
        self.a.bytes.extend_from_slice(&[0x0f, 0xb6, 0xc4]); // movzx eax, ah
        self.a.store(8, d.at, A);
        Some(())
    }
}
