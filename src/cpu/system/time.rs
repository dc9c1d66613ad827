//! The time-stamp counter: RDTSC, RDTSCP; and RDPMC, which has no counters to read.
//!
//! The counter runs at one tick a virtual nanosecond, so it is a function of the Moment.

use super::set_general;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::state::{cr, gpr};
use iced_x86::{Instruction, Register};

impl Cpu {
    /// Instructions retired before the one that `op` is, wherever in its block it stands.
    pub(super) fn now_at(&self, op: &Op) -> u64 {
        self.icount() - u64::from(op.rest)
    }
    /// The time-stamp counter for the instruction `op`.
    pub(super) fn tsc(&mut self, op: &Op) -> u64 {
        let now = self.now_at(op);
        self.bus().clock_ns(now).wrapping_add(self.state.msr.tsc_offset)
    }
}

/// Writes a 64-bit value to EDX:EAX.
pub(super) fn set_edx_eax(cpu: &mut Cpu, value: u64) {
    set_general(cpu, Register::EAX, value);
    set_general(cpu, Register::EDX, value >> 32);
}

/// RDTSC.
pub(super) fn rdtsc(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    if cpu.state.cr4 & cr::CR4_TSD != 0 && cpu.state.cpl != 0 {
        return cpu.fault(Fault::gp(0));
    }
    let tsc = cpu.tsc(op);
    set_edx_eax(cpu, tsc);
    Ok(())
}

/// RDTSCP.
pub(super) fn rdtscp(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    rdtsc(cpu, op, insn)?;
    cpu.regs[gpr::RCX] = cpu.state.msr.tsc_aux & 0xffff_ffff;
    Ok(())
}

/// RDPMC: the model has no performance counters, so every number is refused.
pub(super) fn rdpmc(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.fault(Fault::gp(0))
}
