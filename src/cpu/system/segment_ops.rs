//! Instructions that read and write segment registers: MOV, PUSH, POP, LDS, LES, LFS, LGS, LSS.

use super::{set_general, source_16};
use crate::cpu::Cpu;
use crate::cpu::access::stack_mask;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::state::seg;
use iced_x86::{Code, Instruction, OpKind};

/// After a load of SS nothing may come between it and the load of the stack pointer (SDM vol. 3, 6.8.3).
fn shadow_if_stack(cpu: &mut Cpu, register: usize) {
    if register == seg::SS {
        cpu.state.interrupt_shadow = true;
        cpu.state.debug_shadow = true;
    }
}

/// MOV r/m, Sreg: memory gets 16 bits, a wider register is zero-extended.
pub(super) fn store(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let selector = cpu.state.seg[insn.op1_register().number()].selector;
    if insn.op0_kind() == OpKind::Register {
        set_general(cpu, insn.op0_register(), u64::from(selector));
        return Ok(());
    }
    cpu.store(op, selector)
}

/// MOV Sreg, r/m.
pub(super) fn load(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let register = insn.op0_register().number();
    if register == seg::CS {
        return cpu.fault(Fault::ud());
    }
    let selector = source_16(cpu, op, insn, 1)?;
    let segment = cpu.load_segment(register, selector)?;
    cpu.set_segment(register, segment);
    shadow_if_stack(cpu, register);
    Ok(())
}

/// PUSH Sreg. A 32-bit push writes only the low half of its slot, as recent Intel processors do.
pub(super) fn push<const SIZE: u64>(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let selector = cpu.state.seg[insn.op0_register().number()].selector;
    let sp = cpu.stack_pointer().wrapping_sub(SIZE) & stack_mask(cpu.stack_bytes());
    let la = cpu.linear(seg::SS as u8, sp, SIZE, true)?;
    if SIZE == 8 {
        cpu.write(la, seg::SS as u8, u64::from(selector))?;
    } else {
        cpu.write(la, seg::SS as u8, selector)?;
    }
    cpu.set_stack_pointer(sp);
    Ok(())
}

/// POP Sreg.
pub(super) fn pop<const SIZE: u64>(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let register = insn.op0_register().number();
    let sp = cpu.stack_pointer();
    let la = cpu.linear(seg::SS as u8, sp, SIZE, false)?;
    let selector: u16 = cpu.read(la, seg::SS as u8)?;
    let segment = cpu.load_segment(register, selector)?;
    // The stack pointer moves by the width of the old stack segment.
    cpu.set_stack_pointer(sp.wrapping_add(SIZE) & stack_mask(cpu.stack_bytes()));
    cpu.set_segment(register, segment);
    shadow_if_stack(cpu, register);
    Ok(())
}

/// LDS, LES, LFS, LGS, LSS.
pub(super) fn load_pointer(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let register = match insn.code() {
        Code::Lds_r16_m1616 | Code::Lds_r32_m1632 => seg::DS,
        Code::Les_r16_m1616 | Code::Les_r32_m1632 => seg::ES,
        Code::Lfs_r16_m1616 | Code::Lfs_r32_m1632 | Code::Lfs_r64_m1664 => seg::FS,
        Code::Lgs_r16_m1616 | Code::Lgs_r32_m1632 | Code::Lgs_r64_m1664 => seg::GS,
        _ => seg::SS,
    };
    let destination = insn.op0_register();
    let (selector, offset) = cpu.load_far_pointer(op, destination.size() as u8)?;
    let segment = cpu.load_segment(register, selector)?;
    cpu.set_segment(register, segment);
    set_general(cpu, destination, offset);
    Ok(())
}
