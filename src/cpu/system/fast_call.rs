//! SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the FSGSBASE instructions, as Intel processors do them.
//!
//! Segments come from MSRs, never from tables. SYSCALL exists only in 64-bit mode; SYSRET checks RCX before it
//! leaves level 0.

use super::segment::flat_segment;
use super::{general, set_general};
use crate::cpu::Cpu;
use crate::cpu::access::is_canonical;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::op::Op;
use crate::cpu::state::{attr, cr, gpr, seg};
use crate::cpu::tap::Gate;
use iced_x86::{Code, Instruction, Register};

const CODE: u16 = 0xb;
const DATA: u16 = 3;

impl Cpu {
    /// Code and stack segments without limits, at a privilege level.
    fn enter_flat(&mut self, cs: u16, ss: u16, cpl: u8, is_64bit: bool, rip: u64) {
        let width = if is_64bit { attr::L } else { attr::DB };
        self.state.seg[seg::SS] = flat_segment(ss, DATA, u16::from(cpl), attr::DB);
        self.enter_code(flat_segment(cs, CODE, u16::from(cpl), width), rip, cpl);
    }
    fn has_syscall(&self) -> bool {
        self.is_64bit() && self.state.efer & cr::EFER_SCE != 0
    }
}

/// SYSCALL.
pub(super) fn syscall(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    if !cpu.has_syscall() {
        return cpu.fault(Fault::ud());
    }
    let flags = cpu.rflags() & !bit::RF;
    cpu.regs[gpr::RCX] = cpu.rip;
    cpu.regs[gpr::R11] = flags;
    cpu.is_step_hidden |= cpu.state.msr.fmask & bit::TF != 0;
    cpu.set_rflags(flags & !cpu.state.msr.fmask);
    let selector = (cpu.state.msr.star >> 32) as u16 & !3;
    let entry = cpu.state.msr.lstar;
    let (from, back) = (cpu.state.cpl, cpu.rip);
    cpu.enter_flat(selector, selector.wrapping_add(8), 0, true, entry);
    cpu.tap_syscall(from, Gate::Syscall, back);
    Ok(())
}

/// SYSRET and SYSRETQ.
pub(super) fn sysret(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    if !cpu.has_syscall() {
        return cpu.fault(Fault::ud());
    }
    let is_64bit = insn.code() == Code::Sysretq;
    let rip = cpu.regs[gpr::RCX];
    if cpu.state.cpl != 0 || is_64bit && !is_canonical(rip) {
        return cpu.fault(Fault::gp(0));
    }
    let selector = (cpu.state.msr.star >> 48) as u16;
    let dropped = bit::RF | bit::VM;
    cpu.set_rflags(cpu.regs[gpr::R11] & bit::ALL & !dropped);
    let (cs, rip) = if is_64bit { (selector.wrapping_add(16), rip) } else { (selector, rip & 0xffff_ffff) };
    cpu.enter_flat(cs | 3, selector.wrapping_add(8) | 3, 3, is_64bit, rip);
    cpu.tap_return(0);
    Ok(())
}

/// SYSENTER.
pub(super) fn sysenter(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    let selector = cpu.state.msr.sysenter_cs as u16 & !3;
    if !cpu.is_protected() || selector == 0 {
        return cpu.fault(Fault::gp(0));
    }
    let is_64bit = cpu.is_long();
    let mask = if is_64bit { u64::MAX } else { 0xffff_ffff };
    cpu.set_rflags(cpu.rflags() & !(bit::VM | bit::IF | bit::RF));
    cpu.regs[gpr::RSP] = cpu.state.msr.sysenter_esp & mask;
    let entry = cpu.state.msr.sysenter_eip & mask;
    let (from, back) = (cpu.state.cpl, cpu.rip);
    cpu.enter_flat(selector, selector.wrapping_add(8), 0, is_64bit, entry);
    cpu.tap_syscall(from, Gate::Sysenter, back);
    Ok(())
}

/// SYSEXIT and SYSEXITQ.
pub(super) fn sysexit(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let selector = cpu.state.msr.sysenter_cs as u16 & !3;
    if !cpu.is_protected() || cpu.state.cpl != 0 || selector == 0 {
        return cpu.fault(Fault::gp(0));
    }
    let (rsp, rip) = (cpu.regs[gpr::RCX], cpu.regs[gpr::RDX]);
    if insn.code() == Code::Sysexitq {
        if !is_canonical(rsp) || !is_canonical(rip) {
            return cpu.fault(Fault::gp(0));
        }
        cpu.regs[gpr::RSP] = rsp;
        cpu.enter_flat(selector.wrapping_add(32) | 3, selector.wrapping_add(40) | 3, 3, true, rip);
    } else {
        cpu.regs[gpr::RSP] = rsp & 0xffff_ffff;
        let rip = rip & 0xffff_ffff;
        cpu.enter_flat(selector.wrapping_add(16) | 3, selector.wrapping_add(24) | 3, 3, false, rip);
    }
    cpu.tap_return(0);
    Ok(())
}

/// SWAPGS.
pub(super) fn swapgs(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    if !cpu.is_64bit() {
        return cpu.fault(Fault::ud());
    }
    if cpu.state.cpl != 0 {
        return cpu.fault(Fault::gp(0));
    }
    std::mem::swap(&mut cpu.state.seg[seg::GS].base, &mut cpu.state.msr.kernel_gs_base);
    cpu.update_mode();
    Ok(())
}

fn base_register(cpu: &mut Cpu, insn: &Instruction) -> Result<usize, Stop> {
    if !cpu.is_64bit() || cpu.state.cr4 & cr::CR4_FSGSBASE == 0 {
        return cpu.fault(Fault::ud());
    }
    Ok(match insn.code() {
        Code::Rdfsbase_r32 | Code::Rdfsbase_r64 | Code::Wrfsbase_r32 | Code::Wrfsbase_r64 => seg::FS,
        _ => seg::GS,
    })
}
fn width(register: Register) -> u8 {
    register.size() as u8
}

/// RDFSBASE and RDGSBASE.
pub(super) fn read_base(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let register = base_register(cpu, insn)?;
    let base = cpu.state.seg[register].base;
    set_general(cpu, insn.op0_register(), base);
    Ok(())
}

/// WRFSBASE and WRGSBASE.
pub(super) fn write_base(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let register = base_register(cpu, insn)?;
    let source = insn.op0_register();
    let base = general(cpu, source);
    if width(source) == 8 && !is_canonical(base) {
        return cpu.fault(Fault::gp(0));
    }
    cpu.state.seg[register].base = base;
    cpu.update_mode();
    Ok(())
}
