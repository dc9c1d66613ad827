//! Saving and restoring everything but RAM, by name.

use super::Machine;
use super::boot::EntryState;
use super::pc::{Pc, PcError, PcState};
use crate::cpu::Cpu;
use crate::cpu::state::State;
use crate::cpu::x87::X87;
use serde::{Deserialize, Serialize};

/// All state outside RAM, between two instructions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineState {
    /// Instructions retired.
    pub icount: u64,
    /// The processor.
    pub cpu: CpuState,
    /// The board.
    pub pc: PcState,
}

/// The processor's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuState {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15.
    pub regs: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// All of RFLAGS.
    pub rflags: u64,
    /// XMM0..XMM15.
    pub xmm: [u128; 16],
    /// SIMD control and status.
    pub mxcsr: u32,
    /// x87 and MMX.
    pub x87: X87,
    /// Everything else.
    pub state: State,
}

impl Machine {
    /// Takes the state down. RAM is not part of it.
    pub fn save(&self) -> MachineState {
        MachineState { icount: self.cpu.icount(), cpu: self.cpu.save(), pc: self.pc.save() }
    }
    /// Puts a state in place. RAM is the caller's.
    pub fn restore(&mut self, state: &MachineState) -> Result<(), PcError> {
        self.pc = Pc::restore(state.pc.clone())?;
        self.cpu.restore(&state.cpu, state.icount);
        Ok(())
    }
}

impl Cpu {
    /// Takes the processor's state down.
    pub fn save(&self) -> CpuState {
        let mut regs = [0; 16];
        regs.copy_from_slice(&self.regs[..16]);
        CpuState {
            regs,
            rip: self.rip,
            rflags: self.rflags(),
            xmm: self.xmm,
            mxcsr: self.mxcsr,
            x87: self.x87.clone(),
            state: self.state.clone(),
        }
    }
    /// Puts a state in place; everything cached is forgotten.
    pub fn restore(&mut self, saved: &CpuState, icount: u64) {
        self.regs[..16].copy_from_slice(&saved.regs);
        self.rip = saved.rip;
        self.xmm = saved.xmm;
        self.mxcsr = saved.mxcsr;
        self.x87 = saved.x87.clone();
        self.state = saved.state.clone();
        self.set_rflags(saved.rflags);
        self.set_icount(icount);
        self.flush_translations();
    }
}

/// Puts a fresh processor where a loaded guest starts.
pub(super) fn enter(cpu: &mut Cpu, entry: &EntryState) {
    cpu.regs[..16].copy_from_slice(&entry.gpr);
    cpu.rip = entry.rip;
    cpu.state = entry.state();
    cpu.set_rflags(entry.rflags);
    cpu.update_mode();
}
