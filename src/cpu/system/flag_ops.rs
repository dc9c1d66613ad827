//! Instructions on the system flags: CLI, STI, PUSHF, POPF, CLAC, STAC; and HLT.

use super::require_level_0;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::op::Op;
use crate::cpu::word::Word;
use iced_x86::Instruction;

/// Refuses a change of IF that IOPL does not allow; real mode allows all.
fn require_iopl(cpu: &mut Cpu) -> Result<(), Stop> {
    let needed = if cpu.is_v86() { 3 } else { cpu.state.cpl };
    if cpu.is_protected() && cpu.iopl() < needed { cpu.fault(Fault::gp(0)) } else { Ok(()) }
}

/// CLI.
pub(super) fn cli(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    require_iopl(cpu)?;
    cpu.set_rflags(cpu.rflags() & !bit::IF);
    Ok(())
}

/// STI: interrupts wait for one more instruction if they were off.
pub(super) fn sti(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    require_iopl(cpu)?;
    if !cpu.has_rflag(bit::IF) {
        cpu.set_rflags(cpu.rflags() | bit::IF);
        cpu.state.interrupt_shadow = true;
    }
    Ok(())
}

fn set_ac(cpu: &mut Cpu, is_set: bool) -> Result<(), Stop> {
    if cpu.state.cpl != 0 {
        return cpu.fault(Fault::ud());
    }
    let flags = cpu.rflags() & !bit::AC;
    cpu.set_rflags(if is_set { flags | bit::AC } else { flags });
    Ok(())
}

/// CLAC.
pub(super) fn clac(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    set_ac(cpu, false)
}
/// STAC.
pub(super) fn stac(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    set_ac(cpu, true)
}

/// HLT.
pub(super) fn hlt(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    cpu.state.is_halted = true;
    Ok(())
}

/// PUSHF, PUSHFD, PUSHFQ: VM and RF read as zero.
pub(super) fn pushf<W: Word>(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    if cpu.is_v86() && cpu.iopl() < 3 {
        return cpu.fault(Fault::gp(0));
    }
    let flags = cpu.rflags() & !(bit::VM | bit::RF);
    let sp = cpu.push_at(cpu.stack_pointer(), W::from_u64(flags))?;
    cpu.set_stack_pointer(sp);
    Ok(())
}

/// POPF, POPFD, POPFQ: what changes depends on CPL and IOPL (SDM vol. 2, table 4-16).
pub(super) fn popf<W: Word>(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    if cpu.is_v86() && cpu.iopl() < 3 {
        return cpu.fault(Fault::gp(0));
    }
    let (value, sp) = cpu.pop_at::<W>(cpu.stack_pointer())?;
    let mut mask = bit::STATUS | bit::TF | bit::DF | bit::NT;
    if W::BYTES > 2 {
        mask |= bit::AC | bit::ID;
    }
    if cpu.state.cpl <= cpu.iopl() {
        mask |= bit::IF;
    }
    if cpu.state.cpl == 0 {
        mask |= bit::IOPL;
    }
    cpu.set_stack_pointer(sp);
    cpu.set_rflags((cpu.rflags() & !mask | value.to_u64() & mask) & !bit::RF);
    Ok(())
}
