//! Port instructions: IN, OUT, INS, OUTS, and the right to use them: IOPL or the TSS's permission bitmap
//! (SDM vol. 1, 19.5).
//!
//! Each iteration of REP INS or REP OUTS retires as one instruction, so it can be interrupted anywhere.

use super::{general, set_general};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::op::Op;
use crate::cpu::state::{attr, gpr, seg};
use iced_x86::{Code, Instruction, OpKind, Register};

impl Cpu {
    /// Refuses a port access of `size` bytes that neither IOPL nor the TSS allows.
    pub(super) fn check_port(&mut self, port: u16, size: u8) -> Result<(), Stop> {
        let is_free = !self.is_protected() || !self.is_v86() && self.state.cpl <= self.iopl();
        if is_free || self.bitmap_allows(port, size)? {
            return Ok(());
        }
        self.fault(Fault::gp(0))
    }
    fn bitmap_allows(&mut self, port: u16, size: u8) -> Result<bool, Stop> {
        let tr = self.state.tr;
        if tr.attr & attr::P == 0 || tr.kind() & 8 == 0 || tr.limit < 0x67 {
            return Ok(false);
        }
        let map: u16 = self.read_system(tr.base.wrapping_add(0x66))?;
        let at = u64::from(map) + u64::from(port / 8);
        // Two bytes are always read, so the map needs a byte of ones at its end.
        if at + 1 > u64::from(tr.limit) {
            return Ok(false);
        }
        let bits: u16 = self.read_system(tr.base.wrapping_add(at))?;
        let wanted = ((1 << size) - 1) << (port % 8);
        Ok(bits & wanted == 0)
    }
    /// Reads a port on behalf of the running instruction.
    fn read_port(&mut self, port: u16, size: u8) -> Result<u32, Stop> {
        self.check_port(port, size)?;
        self.must_be_alone()?;
        let now = self.now();
        let value = self.bus().port_read(port, size, now);
        self.tap_port(port, size, false, value);
        Ok(value)
    }
    fn write_port(&mut self, port: u16, size: u8, value: u32) -> Result<(), Stop> {
        self.check_port(port, size)?;
        self.must_be_alone()?;
        let now = self.now();
        let before = self.console_before();
        self.bus().port_write(port, size, value, now);
        self.tap_port(port, size, true, value);
        self.tap_console(before);
        Ok(())
    }
    fn read_port_to(&mut self, port: u16, register: Register) -> Result<(), Stop> {
        let value = self.read_port(port, register.size() as u8)?;
        if register == Register::AL {
            let rax = &mut self.regs[gpr::RAX];
            *rax = *rax & !0xff | u64::from(value & 0xff);
        } else {
            set_general(self, register, u64::from(value));
        }
        Ok(())
    }
    fn dx(&self) -> u16 {
        self.regs[gpr::RDX] as u16
    }
}

/// The low `size` bytes.
fn low(value: u64, size: u8) -> u32 {
    match size {
        1 => u32::from(value as u8),
        2 => u32::from(value as u16),
        _ => value as u32,
    }
}

/// IN from a port given in the instruction.
pub(super) fn in_immediate(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.read_port_to(u16::from(insn.immediate8()), insn.op0_register())
}
/// IN from the port in DX.
pub(super) fn in_dx(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.read_port_to(cpu.dx(), insn.op0_register())
}
/// OUT to a port given in the instruction.
pub(super) fn out_immediate(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    out(cpu, u16::from(insn.immediate8()), insn.op1_register())
}
/// OUT to the port in DX.
pub(super) fn out_dx(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    out(cpu, cpu.dx(), insn.op1_register())
}
fn out(cpu: &mut Cpu, port: u16, register: Register) -> Result<(), Stop> {
    let size = register.size() as u8;
    let value = low(general(cpu, register), size);
    cpu.write_port(port, size, value)
}

fn string_size(insn: &Instruction) -> u8 {
    match insn.code() {
        Code::Insb_m8_DX | Code::Outsb_DX_m8 => 1,
        Code::Insw_m16_DX | Code::Outsw_DX_m16 => 2,
        _ => 4,
    }
}
/// All ones up to the address size of a string operand.
fn address_mask(kind: OpKind) -> u64 {
    match kind {
        OpKind::MemoryESDI | OpKind::MemorySegSI => 0xffff,
        OpKind::MemoryESEDI | OpKind::MemorySegESI => 0xffff_ffff,
        _ => u64::MAX,
    }
}
/// Writes the part of a register that the address size covers; a 32-bit write clears the upper half.
fn set_masked(cpu: &mut Cpu, register: usize, mask: u64, value: u64) {
    let slot = &mut cpu.regs[register];
    *slot = if mask == 0xffff { *slot & !mask | value & mask } else { value & mask };
}

/// True if a REP instruction has nothing to do.
fn is_exhausted(cpu: &Cpu, insn: &Instruction, mask: u64) -> bool {
    is_repeated(insn) && cpu.regs[gpr::RCX] & mask == 0
}
fn is_repeated(insn: &Instruction) -> bool {
    insn.has_rep_prefix() || insn.has_repne_prefix()
}
/// Moves the pointer on after one iteration, and comes back for the next one.
fn advance(cpu: &mut Cpu, insn: &Instruction, pointer: usize, mask: u64, size: u8) {
    let step = u64::from(size);
    let at = cpu.regs[pointer];
    let next = if cpu.has_rflag(bit::DF) { at.wrapping_sub(step) } else { at.wrapping_add(step) };
    set_masked(cpu, pointer, mask, next);
    if !is_repeated(insn) {
        return;
    }
    let left = (cpu.regs[gpr::RCX] & mask).wrapping_sub(1);
    set_masked(cpu, gpr::RCX, mask, left);
    if left & mask != 0 {
        cpu.rip = cpu.rip.wrapping_sub(insn.len() as u64) & cpu.rip_width;
    }
}

/// INS. The destination is always ES:rDI; it is checked before the port is read, since reading has effects.
pub(super) fn ins(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let size = string_size(insn);
    let mask = address_mask(insn.op0_kind());
    if is_exhausted(cpu, insn, mask) {
        return Ok(());
    }
    cpu.check_port(cpu.dx(), size)?;
    let segment = seg::ES as u8;
    let la = cpu.linear(segment, cpu.regs[gpr::RDI] & mask, u64::from(size), true)?;
    cpu.probe_write(la, segment, size as usize)?;
    let value = cpu.read_port(cpu.dx(), size)?;
    cpu.write_bytes(la, segment, &value.to_le_bytes()[..size as usize])?;
    advance(cpu, insn, gpr::RDI, mask, size);
    Ok(())
}

/// OUTS.
pub(super) fn outs(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let size = string_size(insn);
    let mask = address_mask(insn.op1_kind());
    if is_exhausted(cpu, insn, mask) {
        return Ok(());
    }
    cpu.check_port(cpu.dx(), size)?;
    let segment = match insn.memory_segment().number() as u8 {
        // In 64-bit mode overrides other than FS and GS are ignored.
        named if cpu.is_64bit() && named < seg::FS as u8 => seg::DS as u8,
        named => named,
    };
    let la = cpu.linear(segment, cpu.regs[gpr::RSI] & mask, u64::from(size), false)?;
    let mut bytes = [0; 4];
    cpu.must_be_alone()?;
    cpu.read_bytes(la, segment, &mut bytes[..size as usize])?;
    cpu.write_port(cpu.dx(), size, u32::from_le_bytes(bytes))?;
    advance(cpu, insn, gpr::RSI, mask, size);
    Ok(())
}
