//! Operands of templates: general registers, and memory through the TLB.

use super::asm::{Rm, cc};
use super::compile::Compiler;
use super::layout::{A, B, CODE_PAGE, TLB_BASE, guest, segment_base};
use crate::cpu::phys::PAGE;
use crate::cpu::tlb::Entry;
use iced_x86::{Instruction, OpKind, Register};
use std::mem::offset_of;

/// A general register: where it is and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct General {
    /// A host register, or the guest register's slot.
    pub at: Rm,
    /// Size in bytes.
    pub size: usize,
}

impl General {
    /// True if it has a host register.
    pub fn is_host(&self) -> bool {
        matches!(self.at, Rm::R(_))
    }
}

/// The register operand number `i`; `None` for AH, BH, CH and DH, and for what is no general register.
pub fn general(insn: &Instruction, i: u32) -> Option<General> {
    (insn.op_kind(i) == OpKind::Register).then(|| register(insn.op_register(i))).flatten()
}
/// A general register by its name.
pub fn register(r: Register) -> Option<General> {
    use Register::{AH, BH, CH, DH};
    if !r.is_gpr() || matches!(r, AH | BH | CH | DH) {
        return None;
    }
    Some(General { at: guest(r.full_register().number()), size: r.size() })
}
/// The constant operand number `i`, sign-extended from `size` bytes.
pub fn constant(insn: &Instruction, i: u32, size: usize) -> Option<i64> {
    use OpKind::*;
    let is_constant = matches!(
        insn.op_kind(i),
        Immediate8
            | Immediate16
            | Immediate32
            | Immediate64
            | Immediate8to16
            | Immediate8to32
            | Immediate8to64
            | Immediate32to64
    );
    let shift = 64 - 8 * size as u32;
    is_constant.then(|| (insn.immediate(i) as i64) << shift >> shift)
}
/// True if operand `i` is in memory, at an address that [`Compiler::address`] can make.
pub fn is_memory(insn: &Instruction, i: u32) -> bool {
    insn.op_kind(i) == OpKind::Memory && has_address(insn)
}

fn has_address(insn: &Instruction) -> bool {
    let (base, index) = (insn.memory_base(), insn.memory_index());
    let is_wide = |r: Register| r == Register::None || r == Register::RIP || r.is_gpr64();
    let fits = i32::try_from(insn.memory_displacement64() as i64).is_ok();
    // Without registers the address size shows in the displacement alone.
    let is_plain = base != Register::None || index != Register::None || insn.memory_displ_size() == 8;
    is_wide(base) && is_wide(index) && fits && is_plain
}

/// What an access needs of the TLB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing, or both.
    Write,
}

impl Compiler<'_> {
    /// The offset part of the memory operand into A. Changes B; host flags stay, if the address is not relative to RIP.
    pub(super) fn offset_part(&mut self, insn: &Instruction) {
        let disp = insn.memory_displacement64() as i32;
        let shift = insn.memory_index_scale().trailing_zeros() as u8;
        let place = |r: Register| (r != Register::None).then(|| guest(r.number()));
        if insn.memory_base() == Register::RIP {
            self.a.load(8, A, CODE_PAGE);
            return self.a.lea(A, Rm::M(A, disp));
        }
        let mut in_host = |at: Option<Rm>, free: u8| match at {
            Some(Rm::R(r)) => Some(r),
            Some(slot) => {
                self.a.load(8, free, slot);
                Some(free)
            }
            None => None,
        };
        let base = in_host(place(insn.memory_base()), A);
        let index = in_host(place(insn.memory_index()), B);
        match (base, index) {
            (Some(b), Some(i)) => self.a.lea(A, Rm::X(b, i, shift, disp)),
            (Some(A), None) if disp == 0 => {}
            (Some(b), None) if disp == 0 => self.a.store(8, Rm::R(A), b),
            (Some(b), None) => self.a.lea(A, Rm::M(b, disp)),
            (None, Some(i)) => self.a.lea(A, Rm::I(i, shift, disp)),
            (None, None) => self.a.constant(A, disp as i64 as u64),
        }
    }
    /// The linear address of the memory operand into A. Status flags have to be saved.
    pub(super) fn address(&mut self, insn: &Instruction) {
        self.offset_part(insn);
        let segment = match insn.memory_segment() {
            Register::FS => crate::cpu::state::seg::FS,
            Register::GS => crate::cpu::state::seg::GS,
            _ => return,
        };
        self.a.alu(0, 8, A, segment_base(segment));
    }
    /// The memory operand's host address into A, for `bytes` bytes; what the TLB does not know goes to the handler.
    /// Saves status flags first and destroys the host's.
    pub(super) fn memory(&mut self, insn: &Instruction, bytes: usize, access: Access) {
        self.give_up_status();
        self.address(insn);
        self.look_up(bytes, access);
    }
    /// The same for a linear address in A.
    pub(super) fn look_up(&mut self, bytes: usize, access: Access) {
        const _: () = assert!(size_of::<Entry>() == 32);
        let tag = match access {
            Access::Read => offset_of!(Entry, read),
            Access::Write => offset_of!(Entry, write),
        };
        self.a.store(8, Rm::R(B), A);
        self.a.shift(5, 8, Rm::R(B), 7);
        self.a.alu_imm(4, 4, Rm::R(B), (self.tlb_mask << 5) as i64);
        self.a.alu(0, 8, B, TLB_BASE);
        self.a.alu(6, 8, A, Rm::M(B, tag as i32));
        self.a.alu_imm(7, 8, Rm::R(A), (PAGE as usize - bytes) as i64);
        self.refuse_if(cc::A);
        self.a.alu(0, 8, A, Rm::M(B, offset_of!(Entry, host) as i32));
    }
    /// Has the handler do the instruction where a condition holds. Nothing may have changed, and flags have to be saved.
    pub(super) fn refuse_if(&mut self, cc: u8) {
        let jump = self.a.jcc_ahead(cc);
        self.refusals.push(jump);
    }
    /// A host register with the value of a general register: its own, or `free` after loading it.
    pub(super) fn in_host(&mut self, g: General, free: u8) -> u8 {
        match g.at {
            Rm::R(r) => r,
            slot => {
                self.a.load(8, free, slot);
                free
            }
        }
    }
    /// Puts the low bytes of a host register into a general register, as an instruction of that size does. If the
    /// destination is a slot and the size is 4, the upper half of `from` has to be zero.
    pub(super) fn put(&mut self, g: General, from: u8) {
        match (g.at, g.size) {
            (Rm::R(_), size) => self.a.store(size, g.at, from),
            (slot, 4) => self.a.store(8, slot, from),
            (slot, size) => self.a.store(size, slot, from),
        }
    }
}
