//! The table registers: LGDT, LIDT, SGDT, SIDT, LLDT, SLDT, LTR, STR.

use super::segment::{code, is_null, kind};
use super::{refuse_umip, require_level_0, set_general, source_16};
use crate::cpu::Cpu;
use crate::cpu::access::is_canonical;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::state::{Segment, TableRegister};
use iced_x86::{Code, Instruction, OpKind};

fn load_table(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<TableRegister, Stop> {
    require_level_0(cpu)?;
    let len = if matches!(insn.code(), Code::Lgdt_m1664 | Code::Lidt_m1664) { 10 } else { 6 };
    let la = cpu.operand_address(op, len as u64, false)?;
    let mut bytes = [0; 16];
    cpu.read_bytes(la, op.seg, &mut bytes[..len])?;
    let all = u128::from_le_bytes(bytes);
    let mut base = (all >> 16) as u64;
    if matches!(insn.code(), Code::Lgdt_m1632_16 | Code::Lidt_m1632_16) {
        base &= 0xff_ffff;
    }
    if len == 10 && !is_canonical(base) {
        return cpu.fault(Fault::gp(0));
    }
    Ok(TableRegister { base, limit: all as u16 })
}

/// LGDT.
pub(super) fn lgdt(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.state.gdtr = load_table(cpu, op, insn)?;
    Ok(())
}
/// LIDT.
pub(super) fn lidt(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.state.idtr = load_table(cpu, op, insn)?;
    Ok(())
}

/// All 32 base bits are stored even with a 16-bit operand size, as on every processor since the 80386.
fn store_table(cpu: &mut Cpu, op: &Op, table: TableRegister) -> Result<(), Stop> {
    refuse_umip(cpu)?;
    let len = if cpu.is_64bit() { 10 } else { 6 };
    let bytes = (u128::from(table.base) << 16 | u128::from(table.limit)).to_le_bytes();
    let la = cpu.operand_address(op, len as u64, true)?;
    cpu.write_bytes(la, op.seg, &bytes[..len])
}

/// SGDT.
pub(super) fn sgdt(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    store_table(cpu, op, cpu.state.gdtr)
}
/// SIDT.
pub(super) fn sidt(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    store_table(cpu, op, cpu.state.idtr)
}

fn store_selector(cpu: &mut Cpu, op: &Op, insn: &Instruction, selector: u16) -> Result<(), Stop> {
    if cpu.has_paragraphs() {
        return cpu.fault(Fault::ud());
    }
    refuse_umip(cpu)?;
    if insn.op0_kind() == OpKind::Register {
        set_general(cpu, insn.op0_register(), u64::from(selector));
        return Ok(());
    }
    cpu.store(op, selector)
}

/// SLDT.
pub(super) fn sldt(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    store_selector(cpu, op, insn, cpu.state.ldtr.selector)
}
/// STR.
pub(super) fn str(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    store_selector(cpu, op, insn, cpu.state.tr.selector)
}

fn system_selector(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<u16, Stop> {
    if cpu.has_paragraphs() {
        return cpu.fault(Fault::ud());
    }
    require_level_0(cpu)?;
    source_16(cpu, op, insn, 0)
}

/// LLDT.
pub(super) fn lldt(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let selector = system_selector(cpu, op, insn)?;
    if is_null(selector) {
        cpu.state.ldtr = Segment { selector, ..Segment::default() };
        return Ok(());
    }
    if selector & 4 != 0 {
        return cpu.fault(Fault::gp(code(selector)));
    }
    let (d, ldt) = cpu.system_segment(selector, Fault::gp)?;
    if !d.is_system(kind::LDT) {
        return cpu.fault(Fault::gp(code(selector)));
    }
    if !d.is_present() {
        return cpu.fault(Fault::np(code(selector)));
    }
    cpu.state.ldtr = ldt;
    Ok(())
}

/// LTR: the descriptor becomes busy.
pub(super) fn ltr(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let selector = system_selector(cpu, op, insn)?;
    if is_null(selector) || selector & 4 != 0 {
        return cpu.fault(Fault::gp(code(selector)));
    }
    let (d, mut tss) = cpu.system_segment(selector, Fault::gp)?;
    if !d.is_available_tss(cpu.is_long()) {
        return cpu.fault(Fault::gp(code(selector)));
    }
    if !d.is_present() {
        return cpu.fault(Fault::np(code(selector)));
    }
    if let Some(at) = cpu.descriptor_address(selector, 8) {
        cpu.set_busy(at.wrapping_add(5), true)?;
    }
    tss.attr |= u16::from(kind::BUSY);
    cpu.state.tr = tss;
    Ok(())
}
