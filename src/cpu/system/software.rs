//! Exceptions that programs raise on purpose: INT n, INT3, INTO, INT1, BOUND, UD0, UD1, UD2.

use super::deliver::Source;
use super::general;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop, vector};
use crate::cpu::op::Op;
use iced_x86::{Code, Instruction};

/// INT n. Virtual-8086 mode needs IOPL 3 for it.
pub(super) fn int_n(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    if cpu.is_v86() && cpu.iopl() < 3 {
        return cpu.fault(Fault::gp(0));
    }
    cpu.software_interrupt(insn.immediate8(), Source::Software)
}
/// INT3.
pub(super) fn int3(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.software_interrupt(vector::BP, Source::Software)
}
/// INTO.
pub(super) fn into(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    if cpu.flags.of() { cpu.software_interrupt(vector::OF, Source::Software) } else { Ok(()) }
}
/// INT1 (ICEBP): a #DB that needs no privilege.
pub(super) fn int1(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.software_interrupt(vector::DB, Source::Icebp)
}
/// What no processor of this model has.
pub(super) fn undefined(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.fault(Fault::ud())
}

/// BOUND: a signed index against a pair of bounds in memory.
pub(super) fn bound(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let index = general(cpu, insn.op0_register());
    let (index, lower, upper) = if insn.code() == Code::Bound_r16_m1616 {
        let pair: u32 = cpu.load(op)?;
        (index as i16 as i64, pair as i16 as i64, (pair >> 16) as i16 as i64)
    } else {
        let pair: u64 = cpu.load(op)?;
        (index as i32 as i64, pair as i32 as i64, (pair >> 32) as i32 as i64)
    };
    if index < lower || index > upper { cpu.fault(Fault::br()) } else { Ok(()) }
}
