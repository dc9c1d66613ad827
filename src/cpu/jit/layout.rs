//! Where things are while generated code runs: the guest's registers in host registers, and offsets into `Cpu`.
//!
//! | host | holds |
//! |---|---|
//! | RBP | the address of `Cpu` plus [`BIAS`], so that short displacements reach the first 256 bytes of it |
//! | R15 | the budget |
//! | RAX, R14 | nothing between two instructions: free for templates |
//! | RSP | the host's stack, aligned to 16 |
//! | R13, R12, R11 | guest RAX, RSP, RBP |
//! | RCX RDX RBX RSI RDI R8 R9 R10 | the same guest register |
//!
//! Guest R11 to R15 stay in `Cpu::regs`. RAX is given up so that LAHF and SAHF can move flags; the registers whose
//! roles are built into instructions (RCX for shifts, RDX for products) are where the guest has them.

use super::asm::{Rm, reg};
use crate::cpu::Cpu;
use crate::cpu::state::{Segment, State};
use std::mem::offset_of;

/// What RBP is ahead of the address of `Cpu`.
pub const BIAS: i32 = 128;
/// The host register of each guest register that has one.
const HOST: [Option<u8>; 16] = [
    Some(reg::R13),
    Some(reg::RCX),
    Some(reg::RDX),
    Some(reg::RBX),
    Some(reg::R12),
    Some(reg::R11),
    Some(reg::RSI),
    Some(reg::RDI),
    Some(reg::R8),
    Some(reg::R9),
    Some(reg::R10),
    None,
    None,
    None,
    None,
    None,
];
/// The host register of guest RAX.
pub const GUEST_RAX: u8 = reg::R13;
/// The host register of guest RSP.
pub const GUEST_RSP: u8 = reg::R12;
/// The host register of guest RBP.
pub const GUEST_RBP: u8 = reg::R11;
/// A free register, and the one that LAHF, MUL and their like use.
pub const A: u8 = reg::RAX;
/// The other free register.
pub const B: u8 = reg::R14;
/// The budget.
pub const BUDGET: u8 = reg::R15;

/// A field of `Cpu` as an operand.
pub const fn field(offset: usize) -> Rm {
    Rm::M(reg::RBP, offset as i32 - BIAS)
}
/// Where a guest register is: a host register or its slot.
pub fn guest(number: usize) -> Rm {
    HOST[number].map_or(slot(number), Rm::R)
}
/// The slot of a guest register in `Cpu::regs`.
pub fn slot(number: usize) -> Rm {
    field(offset_of!(Cpu, regs) + number * 8)
}
/// Guest registers that live in host registers, with them.
pub fn mapped() -> impl Iterator<Item = (usize, u8)> {
    HOST.iter().enumerate().filter_map(|(number, host)| host.map(|host| (number, host)))
}
/// The base of a segment register.
pub fn segment_base(segment: usize) -> Rm {
    let at = offset_of!(Cpu, state) + offset_of!(State, seg) + segment * size_of::<Segment>();
    field(at + offset_of!(Segment, base))
}
/// An XMM register.
pub fn xmm(number: usize) -> Rm {
    field(offset_of!(Cpu, xmm) + number * 16)
}
/// `Cpu::budget`
pub const BUDGET_FIELD: Rm = field(offset_of!(Cpu, budget));
/// `Cpu::tlb_base`
pub const TLB_BASE: Rm = field(offset_of!(Cpu, tlb_base));
/// `Cpu::rip`
pub const RIP: Rm = field(offset_of!(Cpu, rip));
/// [`super::Live::key`]
pub const KEY: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, key));
/// [`super::Live::code_page`]
pub const CODE_PAGE: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, code_page));
/// [`super::Live::flags`]: OF in the low byte, then SF ZF AF PF CF as LAHF stores them.
pub const FLAGS: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, flags));
/// The second byte of [`FLAGS`].
pub const LOW_FLAGS: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, flags) + 1);
/// [`super::Live::jumps`]
pub const JUMPS: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, jumps));
/// [`super::Live::link`]
pub const LINK: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, link));
/// [`super::Live::spare`]
pub const SPARE: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, spare));
/// [`super::Live::is_loaded`]
pub const LOADED: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, is_loaded));
/// `Cpu::mxcsr`
pub const MXCSR: Rm = field(offset_of!(Cpu, mxcsr));
/// [`super::Live::default_mxcsr`]
pub const DEFAULT_MXCSR: Rm = field(offset_of!(Cpu, live) + offset_of!(super::Live, default_mxcsr));
