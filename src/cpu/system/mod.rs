//! The system instructions and everything around them: exceptions and interrupts, gates, tasks, privilege
//! levels, control registers, MSRs, CPUID and ports (SDM vol. 3).
//!
//! Each file is one family. An instruction checks first and changes registers last, so a refused one leaves
//! nothing behind. What CPUID does not offer is an invalid opcode here: VME, XSAVE, MONITOR, VMX, SMM.

mod control;
pub mod cpuid;
mod debug_registers;
mod deliver;
mod far;
mod fast_call;
mod flag_ops;
mod gate;
mod inspect;
mod iret;
pub mod msr;
mod mtrr;
mod port;
mod segment;
mod segment_ops;
mod software;
mod stack;
mod tables;
mod task;
#[cfg(test)]
mod tests;
mod time;

pub use deliver::Shutdown;

use super::Cpu;
use super::fault::{Fault, Stop};
use super::op::{Op, Slow};
use super::state::cr;
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

/// What runs a system instruction, or `None` if this is not one of them.
pub fn select(insn: &Instruction) -> Option<Slow> {
    by_code(insn.code()).or_else(|| by_mnemonic(insn))
}

/// Instructions whose forms differ in what they do.
fn by_code(code: Code) -> Option<Slow> {
    Some(match code {
        Code::Jmp_ptr1616 | Code::Jmp_ptr1632 => far::jump_direct,
        Code::Call_ptr1616 | Code::Call_ptr1632 => far::call_direct,
        Code::Jmp_m1616 | Code::Jmp_m1632 | Code::Jmp_m1664 => far::jump_indirect,
        Code::Call_m1616 | Code::Call_m1632 | Code::Call_m1664 => far::call_indirect,
        Code::Mov_rm16_Sreg | Code::Mov_r32m16_Sreg | Code::Mov_r64m16_Sreg => segment_ops::store,
        Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16 => segment_ops::load,
        Code::Pushw_ES | Code::Pushw_CS | Code::Pushw_SS | Code::Pushw_DS | Code::Pushw_FS | Code::Pushw_GS => {
            segment_ops::push::<2>
        }
        Code::Pushd_ES | Code::Pushd_CS | Code::Pushd_SS | Code::Pushd_DS | Code::Pushd_FS | Code::Pushd_GS => {
            segment_ops::push::<4>
        }
        Code::Pushq_FS | Code::Pushq_GS => segment_ops::push::<8>,
        Code::Popw_ES | Code::Popw_SS | Code::Popw_DS | Code::Popw_FS | Code::Popw_GS => segment_ops::pop::<2>,
        Code::Popd_ES | Code::Popd_SS | Code::Popd_DS | Code::Popd_FS | Code::Popd_GS => segment_ops::pop::<4>,
        Code::Popq_FS | Code::Popq_GS => segment_ops::pop::<8>,
        Code::Mov_r32_cr | Code::Mov_r64_cr => control::read_control,
        Code::Mov_cr_r32 | Code::Mov_cr_r64 => control::write_control,
        Code::Mov_r32_dr | Code::Mov_r64_dr => debug_registers::read_debug,
        Code::Mov_dr_r32 | Code::Mov_dr_r64 => debug_registers::write_debug,
        Code::Pushfw => flag_ops::pushf::<u16>,
        Code::Pushfd => flag_ops::pushf::<u32>,
        Code::Pushfq => flag_ops::pushf::<u64>,
        Code::Popfw => flag_ops::popf::<u16>,
        Code::Popfd => flag_ops::popf::<u32>,
        Code::Popfq => flag_ops::popf::<u64>,
        Code::In_AL_imm8 | Code::In_AX_imm8 | Code::In_EAX_imm8 => port::in_immediate,
        Code::In_AL_DX | Code::In_AX_DX | Code::In_EAX_DX => port::in_dx,
        Code::Out_imm8_AL | Code::Out_imm8_AX | Code::Out_imm8_EAX => port::out_immediate,
        Code::Out_DX_AL | Code::Out_DX_AX | Code::Out_DX_EAX => port::out_dx,
        _ => return None,
    })
}

fn by_mnemonic(insn: &Instruction) -> Option<Slow> {
    use Mnemonic as M;
    Some(match insn.mnemonic() {
        M::Retf => far::ret,
        M::Iret | M::Iretd | M::Iretq => iret::iret,
        M::Syscall => fast_call::syscall,
        M::Sysret | M::Sysretq => fast_call::sysret,
        M::Sysenter => fast_call::sysenter,
        M::Sysexit | M::Sysexitq => fast_call::sysexit,
        M::Swapgs => fast_call::swapgs,
        M::Rdfsbase | M::Rdgsbase => fast_call::read_base,
        M::Wrfsbase | M::Wrgsbase => fast_call::write_base,
        M::Int => software::int_n,
        M::Int3 => software::int3,
        M::Into => software::into,
        M::Int1 => software::int1,
        M::Bound => software::bound,
        M::Lgdt => tables::lgdt,
        M::Lidt => tables::lidt,
        M::Sgdt => tables::sgdt,
        M::Sidt => tables::sidt,
        M::Lldt => tables::lldt,
        M::Sldt => tables::sldt,
        M::Ltr => tables::ltr,
        M::Str => tables::str,
        M::Lmsw => control::lmsw,
        M::Smsw => control::smsw,
        M::Clts => control::clts,
        M::Invlpg => control::invlpg,
        M::Invd | M::Wbinvd => control::invalidate_caches,
        M::Hlt => flag_ops::hlt,
        M::Cli => flag_ops::cli,
        M::Sti => flag_ops::sti,
        M::Clac => flag_ops::clac,
        M::Stac => flag_ops::stac,
        M::Lds | M::Les | M::Lss | M::Lfs | M::Lgs => segment_ops::load_pointer,
        M::Lar => inspect::lar,
        M::Lsl => inspect::lsl,
        M::Verr => inspect::verr,
        M::Verw => inspect::verw,
        M::Arpl => inspect::arpl,
        M::Insb | M::Insw | M::Insd => port::ins,
        M::Outsb | M::Outsw | M::Outsd => port::outs,
        M::Rdmsr => msr::rdmsr,
        M::Wrmsr => msr::wrmsr,
        M::Rdtsc => time::rdtsc,
        M::Rdtscp => time::rdtscp,
        M::Rdpmc => time::rdpmc,
        M::Cpuid => cpuid::cpuid,
        M::Ud0 | M::Ud1 | M::Ud2 | M::Rsm | M::Monitor | M::Mwait => software::undefined,
        M::Xgetbv | M::Xsetbv => software::undefined,
        _ => return None,
    })
}

/// A general register, zero-extended.
fn general(cpu: &Cpu, register: Register) -> u64 {
    let value = cpu.regs[register.number()];
    match register.size() {
        2 => value & 0xffff,
        4 => value & 0xffff_ffff,
        _ => value,
    }
}
/// Writes a 16-, 32- or 64-bit general register; a 32-bit write clears the upper half.
fn set_general(cpu: &mut Cpu, register: Register, value: u64) {
    let slot = &mut cpu.regs[register.number()];
    *slot = match register.size() {
        2 => *slot & !0xffff | value & 0xffff,
        4 => value & 0xffff_ffff,
        _ => value,
    };
}
/// A 16-bit source operand in a register or in memory.
fn source_16(cpu: &mut Cpu, op: &Op, insn: &Instruction, operand: u32) -> Result<u16, Stop> {
    if insn.op_kind(operand) == OpKind::Register {
        return Ok(general(cpu, insn.op_register(operand)) as u16);
    }
    cpu.load(op)
}
/// #GP(0) unless the code is the kernel's (or in real mode).
fn require_level_0(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.state.cpl == 0 { Ok(()) } else { cpu.fault(Fault::gp(0)) }
}
/// #GP(0) where user code may not see system registers (CR4.UMIP).
fn refuse_umip(cpu: &mut Cpu) -> Result<(), Stop> {
    let refused = cpu.state.cr4 & cr::CR4_UMIP != 0 && cpu.state.cpl != 0;
    if refused { cpu.fault(Fault::gp(0)) } else { Ok(()) }
}
