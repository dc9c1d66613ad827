//! A small encoder of x86-64 instructions: prefixes, opcode, ModRM, displacement, immediate (SDM vol. 2, chapter 2).
//!
//! It knows no mnemonics beyond a few that are used everywhere; templates name opcodes.

/// Host registers by their numbers in encodings.
pub mod reg {
    #![allow(missing_docs)]
    pub const RAX: u8 = 0;
    pub const RCX: u8 = 1;
    pub const RDX: u8 = 2;
    pub const RBX: u8 = 3;
    pub const RSP: u8 = 4;
    pub const RBP: u8 = 5;
    pub const RSI: u8 = 6;
    pub const RDI: u8 = 7;
    pub const R8: u8 = 8;
    pub const R9: u8 = 9;
    pub const R10: u8 = 10;
    pub const R11: u8 = 11;
    pub const R12: u8 = 12;
    pub const R13: u8 = 13;
    pub const R14: u8 = 14;
    pub const R15: u8 = 15;
}

/// Condition codes as Jcc and SETcc encode them.
pub mod cc {
    #![allow(missing_docs)]
    pub const O: u8 = 0;
    pub const B: u8 = 2;
    pub const AE: u8 = 3;
    pub const E: u8 = 4;
    pub const NE: u8 = 5;
    pub const BE: u8 = 6;
    pub const A: u8 = 7;
    pub const S: u8 = 8;
}

/// A register or memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// A register.
    R(u8),
    /// Base and displacement.
    M(u8, i32),
    /// Base, index, shift of the index, displacement.
    X(u8, u8, u8, i32),
    /// Index, shift of the index, displacement.
    I(u8, u8, i32),
}

/// A place in the code whose jump goes to a label that is not placed yet.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Fixup(usize);

/// Code being made.
pub struct Asm {
    /// The bytes so far.
    pub bytes: Vec<u8>,
    /// The address that the first of them will run at.
    base: usize,
}

impl Asm {
    /// Code that will run at `base`.
    pub fn new(base: usize) -> Asm {
        Asm { bytes: Vec::with_capacity(1024), base }
    }
    /// The address of the next byte.
    pub fn here(&self) -> usize {
        self.base + self.bytes.len()
    }
    /// Appends one byte.
    pub fn byte(&mut self, b: u8) {
        self.bytes.push(b);
    }
    fn dword(&mut self, v: i32) {
        self.bytes.extend_from_slice(&v.to_le_bytes());
    }
    /// An immediate of 1, 2 or 4 bytes.
    pub fn imm(&mut self, bytes: usize, v: i64) {
        self.bytes.extend_from_slice(&v.to_le_bytes()[..bytes.min(4)]);
    }

    /// One instruction: mandatory prefix (0 for none), operand size in bytes, opcode, register field, r/m operand.
    /// `trailing` is the number of immediate bytes that the caller appends.
    pub fn op(&mut self, prefix: u8, size: usize, opcode: &[u8], reg: u8, rm: Rm) {
        if size == 2 {
            self.byte(0x66);
        }
        if prefix != 0 {
            self.byte(prefix);
        }
        let (index, base) = match rm {
            Rm::R(r) => (0, r),
            Rm::M(b, _) => (0, b),
            Rm::X(b, i, ..) => (i, b),
            Rm::I(i, ..) => (i, 0),
        };
        let mut rex = u8::from(size == 8) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        let is_low_byte = |r: u8| (4..8).contains(&r);
        if size == 1 && (is_low_byte(reg) || matches!(rm, Rm::R(r) if is_low_byte(r))) {
            rex |= 0x40;
        }
        if rex != 0 {
            self.byte(0x40 | rex);
        }
        self.bytes.extend_from_slice(opcode);
        self.modrm(reg & 7, rm);
    }

    fn modrm(&mut self, reg: u8, rm: Rm) {
        let field = reg << 3;
        let mode = |base: u8, disp: i32| match disp {
            0 if base & 7 != 5 => 0,
            _ if i8::try_from(disp).is_ok() => 0x40,
            _ => 0x80,
        };
        match rm {
            Rm::R(r) => self.byte(0xc0 | field | r & 7),
            Rm::M(base, disp) => {
                let mode = mode(base, disp);
                self.byte(mode | field | base & 7);
                if base & 7 == 4 {
                    self.byte(0x24);
                }
                self.displacement(mode, disp);
            }
            Rm::X(base, index, shift, disp) => {
                let mode = mode(base, disp);
                self.byte(mode | field | 4);
                self.byte(shift << 6 | (index & 7) << 3 | base & 7);
                self.displacement(mode, disp);
            }
            Rm::I(index, shift, disp) => {
                self.byte(field | 4);
                self.byte(shift << 6 | (index & 7) << 3 | 5);
                self.dword(disp);
            }
        }
    }
    fn displacement(&mut self, mode: u8, disp: i32) {
        match mode {
            0x40 => self.byte(disp as u8),
            0x80 => self.dword(disp),
            _ => {}
        }
    }

    /// MOV register, r/m. 1- and 2-byte moves keep the rest of the register.
    pub fn load(&mut self, size: usize, reg: u8, rm: Rm) {
        self.op(0, size, &[if size == 1 { 0x8a } else { 0x8b }], reg, rm);
    }
    /// MOV r/m, register.
    pub fn store(&mut self, size: usize, rm: Rm, reg: u8) {
        self.op(0, size, &[if size == 1 { 0x88 } else { 0x89 }], reg, rm);
    }
    /// The r/m zero-extended into a register.
    pub fn load_zero(&mut self, size: usize, reg: u8, rm: Rm) {
        match size {
            // A size of 1 says that register numbers 4..8 are low bytes; the destination has 32 bits.
            1 => self.op(0, 1, &[0x0f, 0xb6], reg, rm),
            2 => self.op(0, 4, &[0x0f, 0xb7], reg, rm),
            _ => self.load(size, reg, rm),
        }
    }
    /// LEA, 64 bits.
    pub fn lea(&mut self, reg: u8, rm: Rm) {
        self.op(0, 8, &[0x8d], reg, rm);
    }
    /// MOV register, constant, in the shortest form.
    pub fn constant(&mut self, reg: u8, v: u64) {
        if v <= u64::from(u32::MAX) {
            if reg >= 8 {
                self.byte(0x41);
            }
            self.byte(0xb8 | reg & 7);
            self.bytes.extend_from_slice(&(v as u32).to_le_bytes());
        } else if let Ok(v) = i32::try_from(v as i64) {
            self.op(0, 8, &[0xc7], 0, Rm::R(reg));
            self.dword(v);
        } else {
            self.byte(0x48 | reg >> 3);
            self.byte(0xb8 | reg & 7);
            self.bytes.extend_from_slice(&v.to_le_bytes());
        }
    }
    /// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP (0..=7) of an r/m with a constant that fits 32 bits sign-extended.
    pub fn alu_imm(&mut self, kind: u8, size: usize, rm: Rm, v: i64) {
        if size == 1 {
            self.op(0, 1, &[0x80], kind, rm);
            self.imm(1, v);
        } else if i8::try_from(v).is_ok() {
            self.op(0, size, &[0x83], kind, rm);
            self.imm(1, v);
        } else {
            self.op(0, size, &[0x81], kind, rm);
            self.imm(size, v);
        }
    }
    /// The same of a register with an r/m.
    pub fn alu(&mut self, kind: u8, size: usize, reg: u8, rm: Rm) {
        self.op(0, size, &[kind << 3 | 2 | u8::from(size > 1)], reg, rm);
    }
    /// The same of an r/m with a register.
    pub fn alu_to(&mut self, kind: u8, size: usize, rm: Rm, reg: u8) {
        self.op(0, size, &[kind << 3 | u8::from(size > 1)], reg, rm);
    }
    /// Shift or rotate by a constant: ROL, ROR, RCL, RCR, SHL, SHR, -, SAR (0..=7).
    pub fn shift(&mut self, kind: u8, size: usize, rm: Rm, count: u8) {
        if count == 1 {
            self.op(0, size, &[if size == 1 { 0xd0 } else { 0xd1 }], kind, rm);
        } else {
            self.op(0, size, &[if size == 1 { 0xc0 } else { 0xc1 }], kind, rm);
            self.byte(count);
        }
    }
    /// JMP to a known address.
    pub fn jmp(&mut self, to: usize) {
        self.byte(0xe9);
        self.relative(to);
    }
    /// CALL of a known address.
    pub fn call(&mut self, to: usize) {
        self.byte(0xe8);
        self.relative(to);
    }
    fn relative(&mut self, to: usize) {
        let from = self.here() + 4;
        self.dword(to.wrapping_sub(from) as i32);
    }
    /// JMP to a label that comes later.
    pub fn jmp_ahead(&mut self) -> Fixup {
        self.byte(0xe9);
        self.dword(0);
        Fixup(self.bytes.len() - 4)
    }
    /// Jcc to a label that comes later.
    pub fn jcc_ahead(&mut self, cc: u8) -> Fixup {
        self.bytes.extend_from_slice(&[0x0f, 0x80 | cc]);
        self.dword(0);
        Fixup(self.bytes.len() - 4)
    }
    /// Places a label here.
    pub fn place(&mut self, fixup: Fixup) {
        let to = self.bytes.len();
        let displacement = (to - (fixup.0 + 4)) as i32;
        self.bytes[fixup.0..fixup.0 + 4].copy_from_slice(&displacement.to_le_bytes());
    }
    /// The address of the displacement that a label not placed yet will be written to.
    pub fn address_of(&self, fixup: Fixup) -> usize {
        self.base + fixup.0
    }
    /// Sends a label to a known address.
    pub fn send(&mut self, fixup: Fixup, to: usize) {
        let displacement = to.wrapping_sub(self.base + fixup.0 + 4) as i32;
        self.bytes[fixup.0..fixup.0 + 4].copy_from_slice(&displacement.to_le_bytes());
    }
}
