//! Questions about selectors that never fault for what they ask about: LAR, LSL, VERR, VERW, ARPL. ZF is the answer.

use super::segment::{Descriptor, is_null, kind, rpl};
use super::{general, set_general, source_16};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::op::Op;
use iced_x86::{Instruction, OpKind};

fn answer(cpu: &mut Cpu, is_yes: bool) {
    let flags = cpu.rflags() & !bit::ZF;
    cpu.set_rflags(if is_yes { flags | bit::ZF } else { flags });
}

/// The selector operand, and its descriptor if it names one.
fn subject(cpu: &mut Cpu, op: &Op, insn: &Instruction, operand: u32) -> Result<(u16, Option<Descriptor>), Stop> {
    if cpu.has_paragraphs() {
        return cpu.fault(Fault::ud());
    }
    let selector = source_16(cpu, op, insn, operand)?;
    if is_null(selector) {
        return Ok((selector, None));
    }
    Ok(match cpu.descriptor_address(selector, 8) {
        Some(at) => (selector, Some(Descriptor(cpu.read_system(at)?))),
        None => (selector, None),
    })
}

/// Conforming code is visible to all levels, the rest to CPL and RPL up to its DPL.
fn is_visible(cpu: &Cpu, selector: u16, d: Descriptor) -> bool {
    d.is_conforming() || cpu.state.cpl <= d.dpl() && rpl(selector) <= d.dpl()
}

fn has_access_rights(d: Descriptor, is_long: bool) -> bool {
    let only_legacy = matches!(d.kind(), kind::TSS16 | kind::TSS16_BUSY | kind::CALL16 | kind::TASK_GATE);
    let anywhere = matches!(d.kind(), kind::LDT | kind::TSS32 | kind::TSS32_BUSY | kind::CALL32);
    d.is_segment() || anywhere || only_legacy && !is_long
}
fn has_limit(d: Descriptor, is_long: bool) -> bool {
    let only_legacy = matches!(d.kind(), kind::TSS16 | kind::TSS16_BUSY);
    let anywhere = matches!(d.kind(), kind::LDT | kind::TSS32 | kind::TSS32_BUSY);
    d.is_segment() || anywhere || only_legacy && !is_long
}

/// LAR. Bits 19..16 of the result, which the manual leaves undefined, show the limit as on Intel processors.
pub(super) fn lar(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, d) = subject(cpu, op, insn, 1)?;
    let is_long = cpu.is_long();
    let d = d.filter(|&d| has_access_rights(d, is_long) && is_visible(cpu, selector, d));
    if let Some(d) = d {
        set_general(cpu, insn.op0_register(), d.0 >> 32 & 0x00ff_ff00);
    }
    answer(cpu, d.is_some());
    Ok(())
}

/// LSL.
pub(super) fn lsl(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, d) = subject(cpu, op, insn, 1)?;
    let is_long = cpu.is_long();
    let d = d.filter(|&d| has_limit(d, is_long) && is_visible(cpu, selector, d));
    if let Some(d) = d {
        set_general(cpu, insn.op0_register(), u64::from(d.limit()));
    }
    answer(cpu, d.is_some());
    Ok(())
}

/// VERR.
pub(super) fn verr(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, d) = subject(cpu, op, insn, 0)?;
    let is_yes = d.is_some_and(|d| d.is_readable() && is_visible(cpu, selector, d));
    answer(cpu, is_yes);
    Ok(())
}

/// VERW.
pub(super) fn verw(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, d) = subject(cpu, op, insn, 0)?;
    let is_yes = d.is_some_and(|d| d.is_writable() && is_visible(cpu, selector, d));
    answer(cpu, is_yes);
    Ok(())
}

/// ARPL: raises the RPL of the first selector to that of the second.
pub(super) fn arpl(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    if cpu.has_paragraphs() {
        return cpu.fault(Fault::ud());
    }
    let selector = source_16(cpu, op, insn, 0)?;
    let floor = rpl(general(cpu, insn.op1_register()) as u16);
    let is_raised = rpl(selector) < floor;
    if is_raised {
        let raised = selector & !3 | u16::from(floor);
        if insn.op0_kind() == OpKind::Register {
            let register = insn.op0_register();
            let upper = general(cpu, register) & !0xffff;
            set_general(cpu, register, upper | u64::from(raised));
        } else {
            cpu.store(op, raised)?;
        }
    }
    answer(cpu, is_raised);
    Ok(())
}
