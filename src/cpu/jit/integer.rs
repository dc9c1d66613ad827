//! Templates of the integer instructions that run on to the next.

use super::asm::Rm;
use super::compile::Compiler;
use super::layout::{A, B, GUEST_RAX, GUEST_RBP, GUEST_RSP};
use super::operand::{Access, General, constant, general, is_memory};
use iced_x86::{Instruction, Mnemonic, OpKind};

const CMP: u8 = 7;
const M_A: Rm = Rm::M(A, 0);

impl Compiler<'_> {
    /// Emits a template for the instruction, if it has one; else emits nothing.
    pub(super) fn template(&mut self, insn: &Instruction) -> bool {
        use Mnemonic as M;
        let done = match insn.mnemonic() {
            M::Add => self.alu(insn, 0),
            M::Or => self.alu(insn, 1),
            M::Adc => self.alu(insn, 2),
            M::Sbb => self.alu(insn, 3),
            M::And => self.alu(insn, 4),
            M::Sub => self.alu(insn, 5),
            M::Xor => self.alu(insn, 6),
            M::Cmp => self.alu(insn, CMP),
            M::Test => self.test(insn),
            M::Inc => self.unary(insn, &[0xfe], 0),
            M::Dec => self.unary(insn, &[0xfe], 1),
            M::Neg => self.unary(insn, &[0xf6], 3),
            M::Not => self.unary(insn, &[0xf6], 2),
            M::Mov => self.mov(insn),
            M::Movnti => self.mov(insn),
            M::Movzx => self.extend(insn, false),
            M::Movsx | M::Movsxd => self.extend(insn, true),
            M::Lea => self.lea(insn),
            M::Xchg => self.xchg(insn),
            M::Push => self.push(insn),
            M::Pop => self.pop(insn),
            M::Leave => self.leave(insn),
            M::Cbw => self.widen(2),
            M::Cwde => self.widen(4),
            M::Cdqe => self.widen(8),
            M::Cdq => self.sign_into_rdx(4),
            M::Cqo => self.sign_into_rdx(8),
            M::Shl | M::Sal => self.shifts(insn, 4),
            M::Shr => self.shifts(insn, 5),
            M::Sar => self.shifts(insn, 7),
            M::Rol => self.shifts(insn, 0),
            M::Ror => self.shifts(insn, 1),
            M::Shld => self.double_shift(insn, true),
            M::Shrd => self.double_shift(insn, false),
            M::Imul if insn.op_count() > 1 => self.imul(insn),
            M::Imul => self.multiply(insn, 5),
            M::Mul => self.multiply(insn, 4),
            M::Div => self.divide(insn, false),
            M::Idiv => self.divide(insn, true),
            M::Bt => self.bit(insn, 4),
            M::Bts => self.bit(insn, 5),
            M::Btr => self.bit(insn, 6),
            M::Btc => self.bit(insn, 7),
            M::Bsf => self.scan(insn, 0xbc),
            M::Bsr => self.scan(insn, 0xbd),
            M::Popcnt => self.popcnt(insn),
            M::Bswap => self.bswap(insn),
            M::Xadd => self.xadd(insn),
            M::Cmpxchg => self.cmpxchg(insn),
            M::Clc => self.carry(0xf8),
            M::Stc => self.carry(0xf9),
            M::Cmc => self.carry(0xf5),
            M::Nop
            | M::Pause
            | M::Endbr64
            | M::Endbr32
            | M::Lfence
            | M::Mfence
            | M::Sfence
            | M::Prefetchnta
            | M::Prefetcht0
            | M::Prefetcht1
            | M::Prefetcht2
            | M::Prefetchw => Some(()),
            _ if insn.condition_code() as u8 != 0 => self.conditional(insn),
            _ => self.vector(insn),
        };
        done.is_some()
    }

    fn conditional(&mut self, insn: &Instruction) -> Option<()> {
        let code = (insn.condition_code() as u8).checked_sub(1)?;
        match (insn.op_count(), insn.op_kind(0)) {
            (2, OpKind::Register) => self.cmov(insn, code),
            (1, OpKind::Register | OpKind::Memory) => self.setcc(insn, code),
            _ => None,
        }
    }

    fn alu(&mut self, insn: &Instruction, kind: u8) -> Option<()> {
        let (wants_carry, writes) = (kind == 2 || kind == 3, kind != CMP);
        let access = if writes { Access::Write } else { Access::Read };
        if is_memory(insn, 0) {
            let bytes = insn.memory_size().size();
            let value = self.source_value(insn, 1, bytes)?;
            self.memory(insn, bytes, access);
            self.alu_on_memory(kind, bytes, value, wants_carry);
        } else if is_memory(insn, 1) {
            let d = general(insn, 0)?;
            self.memory(insn, d.size, Access::Read);
            if let Rm::R(r) = d.at {
                if wants_carry {
                    self.need_carry();
                }
                self.a.alu(kind, d.size, r, M_A);
            } else {
                self.a.load_zero(d.size, A, M_A);
                self.alu_on_slot(kind, d, A, wants_carry);
            }
        } else {
            let d = general(insn, 0)?;
            match self.source_value(insn, 1, d.size)? {
                Value::Constant(v) => {
                    if wants_carry {
                        self.need_carry();
                    }
                    match d.at {
                        slot @ Rm::M(..) if d.size == 4 && writes => {
                            self.a.load(4, A, slot);
                            self.a.alu_imm(kind, 4, Rm::R(A), v);
                            self.a.store(8, slot, A);
                        }
                        at => self.a.alu_imm(kind, d.size, at, v),
                    }
                }
                Value::General(s) => match d.at {
                    Rm::R(r) => {
                        if wants_carry {
                            self.need_carry();
                        }
                        self.a.alu(kind, d.size, r, s.at);
                    }
                    _ => {
                        let s = self.in_host(s, A);
                        self.alu_on_slot(kind, d, s, wants_carry);
                    }
                },
            }
        }
        self.status.only_host();
        Some(())
    }
    /// Arithmetic on the memory that A points to.
    fn alu_on_memory(&mut self, kind: u8, bytes: usize, value: Value, wants_carry: bool) {
        match value {
            Value::Constant(v) => {
                if wants_carry {
                    self.need_carry();
                }
                self.a.alu_imm(kind, bytes, M_A, v);
            }
            Value::General(g) => {
                let r = self.in_host(g, B);
                if wants_carry {
                    self.need_carry();
                }
                self.a.alu_to(kind, bytes, M_A, r);
            }
        }
    }
    /// Arithmetic on a register in its slot, with a host register that is not B.
    fn alu_on_slot(&mut self, kind: u8, d: General, with: u8, wants_carry: bool) {
        if wants_carry {
            self.need_carry();
        }
        if d.size == 4 && kind != CMP {
            self.a.load(4, B, d.at);
            self.a.alu(kind, 4, B, Rm::R(with));
            self.a.store(8, d.at, B);
        } else {
            self.a.alu_to(kind, d.size, d.at, with);
        }
    }
    fn source_value(&self, insn: &Instruction, i: u32, size: usize) -> Option<Value> {
        if let Some(v) = constant(insn, i, size) {
            return Some(Value::Constant(v));
        }
        general(insn, i).map(Value::General)
    }

    fn test(&mut self, insn: &Instruction) -> Option<()> {
        let opcode = |size: usize| if size == 1 { 0x84 } else { 0x85 };
        let (at, size) = if is_memory(insn, 0) {
            (M_A, insn.memory_size().size())
        } else {
            let d = general(insn, 0)?;
            (d.at, d.size)
        };
        let value = self.source_value(insn, 1, size)?;
        if is_memory(insn, 0) {
            self.memory(insn, size, Access::Read);
        }
        match value {
            Value::Constant(v) => {
                self.a.op(0, size, &[if size == 1 { 0xf6 } else { 0xf7 }], 0, at);
                self.a.imm(size, v);
            }
            Value::General(s) => {
                let s = self.in_host(s, B);
                self.a.op(0, size, &[opcode(size)], s, at);
            }
        }
        self.status.only_host();
        Some(())
    }
    /// INC, DEC, NEG, NOT by the opcode of their byte form and its extension.
    fn unary(&mut self, insn: &Instruction, opcode: &[u8], extension: u8) -> Option<()> {
        let keeps_carry = opcode[0] == 0xfe;
        let is_not = opcode[0] == 0xf6 && extension == 2;
        let (at, size) = if is_memory(insn, 0) {
            let bytes = insn.memory_size().size();
            self.memory(insn, bytes, Access::Write);
            (M_A, bytes)
        } else {
            let d = general(insn, 0)?;
            (d.at, d.size)
        };
        if keeps_carry {
            self.need_carry();
        }
        let code = [opcode[0] | u8::from(size > 1)];
        match at {
            slot @ Rm::M(..) if size == 4 && slot != M_A => {
                self.a.load(4, B, slot);
                self.a.op(0, 4, &code, extension, Rm::R(B));
                self.a.store(8, slot, B);
            }
            at => self.a.op(0, size, &code, extension, at),
        }
        if !is_not {
            self.status.only_host();
        }
        Some(())
    }

    fn mov(&mut self, insn: &Instruction) -> Option<()> {
        if is_memory(insn, 0) {
            let bytes = insn.memory_size().size();
            match self.source_value(insn, 1, bytes)? {
                Value::Constant(v) => {
                    self.memory(insn, bytes, Access::Write);
                    self.a.op(0, bytes, &[if bytes == 1 { 0xc6 } else { 0xc7 }], 0, M_A);
                    self.a.imm(bytes, v);
                }
                Value::General(s) => {
                    self.memory(insn, bytes, Access::Write);
                    let s = self.in_host(s, B);
                    self.a.store(bytes, M_A, s);
                }
            }
            return Some(());
        }
        let d = general(insn, 0)?;
        if is_memory(insn, 1) {
            self.memory(insn, d.size, Access::Read);
            match d.at {
                Rm::R(r) => self.a.load(d.size, r, M_A),
                _ => {
                    self.a.load_zero(d.size, A, M_A);
                    self.put(d, A);
                }
            }
            return Some(());
        }
        match self.source_value(insn, 1, d.size)? {
            Value::Constant(v) => match (d.at, d.size) {
                (Rm::R(r), 8) => self.a.constant(r, v as u64),
                (Rm::R(r), 4) => self.a.constant(r, v as u32 as u64),
                (slot, 4 | 8) => {
                    self.a.constant(A, if d.size == 4 { v as u32 as u64 } else { v as u64 });
                    self.a.store(8, slot, A);
                }
                (at, size) => {
                    self.a.op(0, size, &[if size == 1 { 0xc6 } else { 0xc7 }], 0, at);
                    self.a.imm(size, v);
                }
            },
            Value::General(s) => match (d.at, s.at) {
                (Rm::R(r), from) => self.a.load(d.size, r, from),
                (slot, Rm::R(r)) if d.size != 4 => self.a.store(d.size, slot, r),
                (_, from) => {
                    self.a.load_zero(d.size, A, from);
                    self.put(d, A);
                }
            },
        }
        Some(())
    }
    fn extend(&mut self, insn: &Instruction, is_signed: bool) -> Option<()> {
        let d = general(insn, 0)?;
        if !is_signed && let Some(()) = self.extend_high_byte(insn) {
            return Some(());
        }
        let (from, size) = if is_memory(insn, 1) {
            (M_A, insn.memory_size().size())
        } else {
            let s = general(insn, 1)?;
            (s.at, s.size)
        };
        if size == 4 && d.size == 2 {
            return None;
        }
        if from == M_A {
            self.memory(insn, size, Access::Read);
        }
        let to = if let Rm::R(r) = d.at { r } else { A };
        match (size, is_signed) {
            (4, true) => self.a.op(0, d.size, &[0x63], to, from),
            (4, false) => self.a.load(4, to, from),
            (_, _) => self.extend_small(d.size, to, from, size, is_signed),
        }
        if !d.is_host() {
            self.put(d, A);
        }
        Some(())
    }
    fn extend_small(&mut self, size: usize, to: u8, from: Rm, from_size: usize, is_signed: bool) {
        let opcode = [0x0f, 0xb6 | u8::from(is_signed) << 3 | u8::from(from_size == 2)];
        // A byte register above BL wants a REX prefix, which a 64-bit destination has anyway.
        let wants_rex = from_size == 1 && matches!(from, Rm::R(4..8)) && size != 8;
        match (wants_rex, size) {
            (true, 4) => self.a.op(0, 1, &opcode, to, from),
            (true, _) => {
                self.a.byte(0x66);
                self.a.op(0, 1, &opcode, to, from);
            }
            _ => self.a.op(0, size, &opcode, to, from),
        }
    }
    fn lea(&mut self, insn: &Instruction) -> Option<()> {
        let d = general(insn, 0)?;
        if d.size < 4 || !is_memory(insn, 1) {
            return None;
        }
        self.offset_part(insn);
        match (d.at, d.size) {
            (at, 8) => self.a.store(8, at, A),
            (Rm::R(r), _) => self.a.load(4, r, Rm::R(A)),
            (slot, _) => {
                self.a.load(4, A, Rm::R(A));
                self.a.store(8, slot, A);
            }
        }
        Some(())
    }
    fn xchg(&mut self, insn: &Instruction) -> Option<()> {
        if insn.op_kind(0) == OpKind::Register && insn.op_kind(1) == OpKind::Register {
            let (x, y) = (general(insn, 0)?, general(insn, 1)?);
            self.a.load_zero(x.size, A, x.at);
            self.a.load_zero(y.size, B, y.at);
            self.put(x, B);
            self.put(y, A);
            return Some(());
        }
        let i = u32::from(insn.op_kind(0) == OpKind::Memory);
        let g = general(insn, i)?;
        if !is_memory(insn, 1 - i) {
            return None;
        }
        self.memory(insn, g.size, Access::Write);
        self.a.load_zero(g.size, B, M_A);
        match g.at {
            Rm::R(r) => {
                self.a.store(g.size, M_A, r);
                self.put(g, B);
            }
            slot => {
                // A third register is wanted: the old value waits in the slot's place.
                self.a.store(8, super::layout::SPARE, B);
                self.a.load(8, B, slot);
                self.a.store(g.size, M_A, B);
                self.a.load(8, B, super::layout::SPARE);
                self.put(g, B);
            }
        }
        Some(())
    }

    fn push(&mut self, insn: &Instruction) -> Option<()> {
        if insn.stack_pointer_increment() != -8 {
            return None;
        }
        let from_memory = is_memory(insn, 0);
        let value = if from_memory { None } else { Some(self.source_value(insn, 0, 8)?) };
        if from_memory {
            self.memory(insn, 8, Access::Read);
            self.a.load(8, A, M_A);
            self.a.store(8, super::layout::SPARE, A);
        }
        self.give_up_status();
        self.a.lea(A, Rm::M(GUEST_RSP, -8));
        self.look_up(8, Access::Write);
        match value {
            Some(Value::Constant(v)) => {
                self.a.op(0, 8, &[0xc7], 0, M_A);
                self.a.imm(4, v);
            }
            Some(Value::General(g)) => {
                let r = self.in_host(g, B);
                self.a.store(8, M_A, r);
            }
            None => {
                self.a.load(8, B, super::layout::SPARE);
                self.a.store(8, M_A, B);
            }
        }
        self.a.lea(GUEST_RSP, Rm::M(GUEST_RSP, -8));
        Some(())
    }
    fn pop(&mut self, insn: &Instruction) -> Option<()> {
        let d = general(insn, 0)?;
        if insn.stack_pointer_increment() != 8 {
            return None;
        }
        self.give_up_status();
        self.a.store(8, Rm::R(A), GUEST_RSP);
        self.look_up(8, Access::Read);
        // POP RSP: the popped value wins.
        self.a.lea(GUEST_RSP, Rm::M(GUEST_RSP, 8));
        match d.at {
            Rm::R(r) => self.a.load(8, r, M_A),
            slot => {
                self.a.load(8, A, M_A);
                self.a.store(8, slot, A);
            }
        }
        Some(())
    }
    fn leave(&mut self, insn: &Instruction) -> Option<()> {
        if insn.code() != iced_x86::Code::Leaveq {
            return None;
        }
        self.give_up_status();
        self.a.store(8, Rm::R(A), GUEST_RBP);
        self.look_up(8, Access::Read);
        self.a.lea(GUEST_RSP, Rm::M(GUEST_RBP, 8));
        self.a.load(8, GUEST_RBP, M_A);
        Some(())
    }
    /// CBW, CWDE, CDQE.
    fn widen(&mut self, size: usize) -> Option<()> {
        match size {
            2 => self.a.op(0, 2, &[0x0f, 0xbe], GUEST_RAX, Rm::R(GUEST_RAX)),
            4 => self.a.op(0, 4, &[0x0f, 0xbf], GUEST_RAX, Rm::R(GUEST_RAX)),
            _ => self.a.op(0, 8, &[0x63], GUEST_RAX, Rm::R(GUEST_RAX)),
        }
        Some(())
    }
    /// CDQ, CQO.
    fn sign_into_rdx(&mut self, size: usize) -> Option<()> {
        self.a.load(size, A, Rm::R(GUEST_RAX));
        if size == 8 {
            self.a.byte(0x48);
        }
        self.a.byte(0x99);
        Some(())
    }
}

/// A source that is not in memory.
#[derive(Clone, Copy)]
enum Value {
    Constant(i64),
    General(General),
}
