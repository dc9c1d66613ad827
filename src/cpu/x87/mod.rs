//! The x87 floating-point unit: its registers, its images in memory and its instructions.
//!
//! It refuses nothing that the 387 and later define; the 287's FSETPM and the 8087's FENI and FDISI do nothing. Checks of
//! CR0.TS, CR0.EM and CR4.OSFXSR are the caller's.
//!
//! Invariants: an instruction that stops (memory fault, #MF) leaves the state as it was; results and flags are the same on
//! every host.
//!
//! Where models differ, this one is a recent Intel processor: FIP and FDP follow every non-control instruction (FDP only
//! those with a memory operand), FOP only one that raises an unmasked exception, and the selectors FCS and FDS are not
//! kept and are saved as 0. CPUID must say so: leaf 7 EBX bit 13 set, bit 6 clear.

mod arithmetic;
mod compare;
mod context;
mod control;
mod execute;
mod image;
mod mmx;
mod stack;
mod transcendental;
mod transfer;

use serde::{Deserialize, Serialize};

use super::softfloat::{Env, F80};
pub use context::X87Context;
pub use execute::execute;
pub use image::{EnvironmentForm, FxForm};

#[cfg(test)]
pub(crate) mod tests;

/// FSW condition code bit C0.
pub const C0: u16 = 1 << 8;
/// FSW condition code bit C1.
pub const C1: u16 = 1 << 9;
/// FSW condition code bit C2.
pub const C2: u16 = 1 << 10;
/// FSW condition code bit C3.
pub const C3: u16 = 1 << 14;
/// FSW error summary: an unmasked exception is pending.
pub const ERROR_SUMMARY: u16 = 1 << 7;
/// FSW busy bit, always equal to the error summary since the 387.
pub const BUSY: u16 = 1 << 15;

const TOP_SHIFT: u32 = 11;
const TOP_MASK: u16 = 7 << TOP_SHIFT;

/// The whole state of the unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct X87 {
    /// Registers R0 to R7 by physical number; ST(i) is R((TOP + i) mod 8).
    pub regs: [F80; 8],
    /// Control word; bit 6 reads as 1, reserved bits as 0.
    pub fcw: u16,
    /// Status word with TOP; ES and B agree with the masks.
    pub fsw: u16,
    /// A set bit is a register in use, by physical number: the abridged tag byte of FXSAVE.
    pub tags: u8,
    /// Last opcode that raised an unmasked exception: low three bits of its first byte, then its second byte.
    pub fop: u16,
    /// Offset of the last non-control instruction.
    pub fip: u64,
    /// Offset of the last memory operand of a non-control instruction.
    pub fdp: u64,
}

impl Default for X87 {
    /// The state after power-up or RESET (SDM Vol. 3, table 10-1): unlike FNINIT, registers are zero, tags say "zero"
    /// rather than "empty" and the control word is 0040H.
    fn default() -> Self {
        Self { regs: [F80::ZERO; 8], fcw: 0x40, fsw: 0, tags: 0xff, fop: 0, fip: 0, fdp: 0 }
    }
}

impl X87 {
    /// FNINIT, and INIT of an XSAVE component save for the registers, which stay.
    pub fn initialise(&mut self) {
        let regs = self.regs;
        *self = Self { regs, fcw: 0x37f, fsw: 0, tags: 0, fop: 0, fip: 0, fdp: 0 };
    }

    /// Physical number of ST(0).
    pub fn top(&self) -> u8 {
        (self.fsw >> TOP_SHIFT) as u8 & 7
    }

    fn set_top(&mut self, top: u8) {
        self.fsw = self.fsw & !TOP_MASK | u16::from(top & 7) << TOP_SHIFT;
    }

    /// True if a waiting x87 instruction, WAIT or an MMX instruction must raise #MF instead of executing.
    pub fn has_pending_exception(&self) -> bool {
        self.fsw & ERROR_SUMMARY != 0
    }

    /// Loads the control word with its reserved bits as hardware has them.
    pub fn set_fcw(&mut self, fcw: u16) {
        self.fcw = fcw & 0x1f3f | 0x40;
        self.update_error_summary();
    }

    /// Brings ES and B into agreement with flags and masks.
    fn update_error_summary(&mut self) {
        let pending = self.fsw & !self.fcw & 0x3f != 0;
        self.fsw &= !(ERROR_SUMMARY | BUSY);
        if pending {
            self.fsw |= ERROR_SUMMARY | BUSY;
        }
    }

    fn env(&self) -> Env {
        Env::from_fcw(self.fcw)
    }
}
