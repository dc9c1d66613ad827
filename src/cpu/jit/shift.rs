//! Templates of shifts and rotates. The manual leaves AF, and OF for counts above 1, undefined; the model says AF clear and
//! OF as if the count were 1 (docs/cpu-undefined-flags.md), so where flags are wanted a copy is shifted by 1 for its OF.

use super::asm::{Rm, cc};
use super::compile::Compiler;
use super::layout::{A, B, FLAGS};
use super::operand::{Access, General, constant, general, is_memory};
use iced_x86::{Instruction, OpKind};

const M_A: Rm = Rm::M(A, 0);

/// What a shift works on.
#[derive(Clone, Copy)]
enum Target {
    General(General),
    /// The memory that A points to.
    Memory,
}

impl Compiler<'_> {
    /// ROL, ROR (0, 1), SHL, SHR, SAR (4, 5, 7).
    pub(super) fn shifts(&mut self, insn: &Instruction, kind: u8) -> Option<()> {
        let in_memory = is_memory(insn, 0);
        let g = general(insn, 0);
        let size = if in_memory { insn.memory_size().size() } else { g?.size };
        let mask = if size == 8 { 63 } else { 31 };
        let is_wanted = !self.is_status_dead();
        let by_cl = insn.op_kind(1) == OpKind::Register;
        let count = if by_cl { 0 } else { constant(insn, 1, 1)? as u8 & mask };
        if by_cl && size < 4 || !by_cl && (count == 0 || usize::from(count) >= size * 8) {
            return None;
        }
        if is_wanted {
            // A rotate keeps four flags, and a count of zero in CL all of them.
            if by_cl || kind < 2 {
                self.save_status();
            }
        }
        let target = match g {
            Some(g) => Target::General(g),
            None => {
                self.memory(insn, size, Access::Write);
                Target::Memory
            }
        };
        let at = self.shift_begin(target, size, is_wanted);
        let mut zero = None;
        if by_cl && is_wanted {
            self.a.op(0, 1, &[0xf6], 0, Rm::R(super::asm::reg::RCX));
            self.a.imm(1, i64::from(mask));
            zero = Some(self.a.jcc_ahead(cc::E));
        }
        match by_cl {
            true => self.a.op(0, size, &[0xd3], kind, at),
            false => self.a.shift(kind, size, at, count),
        }
        if is_wanted {
            self.shift_flags(kind, size);
        }
        if let Some(zero) = zero {
            self.a.place(zero);
        }
        if let (Target::General(g), Rm::M(..)) = (target, at) {
            // The slot was shifted in place; 4 bytes clear the rest.
            if g.size == 4 {
                self.a.load(4, A, g.at);
                self.a.store(8, g.at, A);
            }
        }
        if is_wanted {
            self.status.only_saved()
        } else {
            self.status.only_host()
        }
        Some(())
    }
    /// Copies the operand to B if flags are wanted, and says where it is shifted.
    fn shift_begin(&mut self, target: Target, size: usize, is_wanted: bool) -> Rm {
        let at = match target {
            Target::General(g) => g.at,
            Target::Memory => M_A,
        };
        if is_wanted {
            self.a.load_zero(size, B, at);
        }
        if let (Target::General(_), Rm::R(r), 4) = (target, at, size) {
            // Even a count of zero clears the upper half.
            self.a.load(4, r, Rm::R(r));
        }
        at
    }
    /// Saves the flags of a shift that was just made, by 1 or more, of the operand that B still holds.
    fn shift_flags(&mut self, kind: u8, size: usize) {
        if kind < 2 {
            self.save_carry();
        } else {
            self.a.byte(0x9f); // lahf
            self.a.bytes.extend_from_slice(&[0x80, 0xe4, 0xef]); // and ah, ~AF
        }
        self.a.shift(kind, size, Rm::R(B), 1);
        self.a.op(0, 1, &[0x0f, 0x90 | cc::O], 0, Rm::R(A));
        self.a.store(if kind < 2 { 1 } else { 4 }, FLAGS, A);
    }

    /// SHLD and SHRD by a constant.
    pub(super) fn double_shift(&mut self, insn: &Instruction, is_left: bool) -> Option<()> {
        let (d, s) = (general(insn, 0)?, general(insn, 1)?);
        let count = constant(insn, 2, 1)? as u8 & if d.size == 8 { 63 } else { 31 };
        let Rm::R(_) = d.at else { return None };
        if d.size < 4 || count == 0 || !s.is_host() {
            return None;
        }
        let Rm::R(from) = s.at else { return None };
        let opcode = [0x0f, if is_left { 0xa4 } else { 0xac }];
        let is_wanted = !self.is_status_dead();
        if is_wanted {
            self.a.load(d.size, B, d.at);
            // Its source, should that be the destination.
            self.a.load(8, A, s.at);
            self.a.store(8, super::layout::SPARE, A);
        }
        self.a.op(0, d.size, &opcode, from, d.at);
        self.a.byte(count);
        if !is_wanted {
            self.status.only_host();
            return Some(());
        }
        self.a.byte(0x9f); // lahf
        self.a.bytes.extend_from_slice(&[0x80, 0xe4, 0xef]);
        self.a.store(4, FLAGS, A);
        self.a.load(8, A, super::layout::SPARE);
        self.a.op(0, d.size, &opcode, A, Rm::R(B));
        self.a.byte(1);
        self.a.op(0, 1, &[0x0f, 0x90 | cc::O], 0, FLAGS);
        self.status.only_saved();
        Some(())
    }
}
