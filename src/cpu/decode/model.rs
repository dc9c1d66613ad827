//! Which instructions the CPU model has, and which of them the control registers refuse.

use super::{Builder, undefined};
use crate::cpu::block::Mode;
use crate::cpu::fault::Fault;
use crate::cpu::op::Slow;
use iced_x86::{CpuidFeature, Instruction, Mnemonic, Register};

impl Builder {
    /// The exception that CR0 and CR4 call for instead of this floating-point or vector instruction.
    pub(super) fn refusal(&self, insn: &Instruction) -> Option<Slow> {
        let not_available: Slow = |cpu, _, _| cpu.fault(Fault::nm());
        if insn.mnemonic() == Mnemonic::Wait {
            return self.mode.has(Mode::NO_WAIT).then_some(not_available);
        }
        if matches!(insn.mnemonic(), Mnemonic::Fxsave | Mnemonic::Fxsave64 | Mnemonic::Fxrstor | Mnemonic::Fxrstor64) {
            return self.mode.has(Mode::NO_X87).then_some(not_available);
        }
        if is_x87(insn) {
            return self.mode.has(Mode::NO_X87).then_some(not_available);
        }
        if matches!(insn.mnemonic(), Mnemonic::Crc32 | Mnemonic::Movnti) {
            return None;
        }
        let touches_mmx =
            (0..insn.op_count()).any(|i| insn.op_register(i).is_mm()) || insn.mnemonic() == Mnemonic::Emms;
        let touches_xmm = (0..insn.op_count()).any(|i| insn.op_register(i).is_xmm())
            || matches!(insn.mnemonic(), Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr);
        if touches_mmx && self.mode.has(Mode::EMULATE) || touches_xmm && self.mode.has(Mode::SSE_OFF) {
            return Some(undefined);
        }
        self.mode.has(Mode::NO_SSE).then_some(not_available)
    }
}

/// True for the x87 unit's instructions, FWAIT among them.
pub(in crate::cpu) fn is_x87(insn: &Instruction) -> bool {
    use CpuidFeature::{FPU, FPU287, FPU387};
    matches!(insn.mnemonic(), Mnemonic::Fisttp | Mnemonic::Wait)
        || insn.cpuid_features().iter().any(|f| matches!(f, FPU | FPU287 | FPU387))
}

/// System instructions that reach no device and end no run: what follows depends on mode, flags and mappings alone.
pub(super) fn only_changes_mode(insn: &Instruction) -> bool {
    use Mnemonic as M;
    let to_cr3 = insn.op0_register() == Register::CR3;
    let from_control = insn.op1_register().is_cr() && insn.op1_register() != Register::CR8;
    match insn.mnemonic() {
        M::Syscall
        | M::Sysret
        | M::Sysretq
        | M::Swapgs
        | M::Iretq
        | M::Cli
        | M::Popfq
        | M::Pushfq
        | M::Clac
        | M::Stac => true,
        M::Rdtsc | M::Rdtscp | M::Cpuid | M::Invlpg | M::Rdfsbase | M::Rdgsbase | M::Wrfsbase | M::Wrgsbase => true,
        M::Mov => to_cr3 || from_control,
        _ => false,
    }
}

/// The instruction set extensions of the model, `reenact-x86-64-v2`.
pub(super) fn is_in_model(insn: &Instruction) -> bool {
    use CpuidFeature::*;
    if insn.is_invalid() {
        return false;
    }
    insn.cpuid_features().iter().all(|f| {
        matches!(
            f,
            INTEL8086
                | INTEL8086_ONLY
                | INTEL186
                | INTEL286
                | INTEL386
                | INTEL486
                | X64
                | CMOV
                | CX8
                | CMPXCHG16B
                | FPU
                | FPU287
                | FPU387
                | MMX
                | SSE
                | SSE2
                | SSE3
                | SSSE3
                | SSE4_1
                | SSE4_2
                | POPCNT
                | FXSR
                | TSC
                | RDTSCP
                | RDPMC
                | MSR
                | SEP
                | SYSCALL
                | SMAP
                | FSGSBASE
                | PAUSE
                | MULTIBYTENOP
                | CLFSH
                | CET_IBT
                | CET_SS
                | PREFETCHW
                | PREFETCHWT1
                | CPUID
                | SMM
                | UDBG
        )
    }) && !matches!(insn.mnemonic(), Mnemonic::Rsm)
}
