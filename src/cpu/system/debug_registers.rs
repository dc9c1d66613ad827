//! MOV to and from the debug registers (SDM vol. 3, 18.2). Matching breakpoints is the run loop's work.

use super::{general, require_level_0, set_general};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop, vector};
use crate::cpu::op::Op;
use crate::cpu::state::cr;
use iced_x86::Instruction;

const DR6_FIXED: u64 = 0xffff_0ff0;
const DR6_WRITABLE: u64 = 0xe00f;
/// DR6.BD: the next instruction would touch a debug register.
const DR6_BD: u64 = 1 << 13;
const DR7_FIXED: u64 = 0x400;
const DR7_WRITABLE: u64 = 0xffff_23ff;
/// DR7.GD: any access to the debug registers is a #DB.
const DR7_GD: u64 = 1 << 13;

/// The register behind a number: DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE is set.
fn debug_number(cpu: &mut Cpu, number: usize) -> Result<usize, Stop> {
    let number = match number {
        4 | 5 if cpu.state.cr4 & cr::CR4_DE != 0 => return cpu.fault(Fault::ud()),
        4 | 5 => number + 2,
        0..=7 => number,
        _ => return cpu.fault(Fault::ud()),
    };
    require_level_0(cpu)?;
    if cpu.state.dr[7] & DR7_GD != 0 {
        cpu.state.dr[6] |= DR6_BD;
        return cpu.fault(Fault { vector: vector::DB, code: None, address: None });
    }
    Ok(number)
}

/// MOV from a debug register.
pub(super) fn read_debug(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let number = debug_number(cpu, insn.op1_register().number())?;
    let value = cpu.state.dr[number];
    set_general(cpu, insn.op0_register(), value);
    Ok(())
}

/// MOV to a debug register.
pub(super) fn write_debug(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let number = debug_number(cpu, insn.op0_register().number())?;
    let value = general(cpu, insn.op1_register());
    if number >= 6 && value >> 32 != 0 {
        return cpu.fault(Fault::gp(0));
    }
    cpu.state.dr[number] = match number {
        6 => DR6_FIXED | value & DR6_WRITABLE,
        7 => DR7_FIXED | value & DR7_WRITABLE,
        _ => value,
    };
    cpu.debug_changed();
    Ok(())
}

impl Cpu {
    /// A #DB handler starts with general detection off (SDM vol. 3, 18.2.4).
    pub(super) fn general_detect_off(&mut self) {
        self.state.dr[7] &= !DR7_GD;
    }
}
