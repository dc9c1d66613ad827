//! Floating-point arithmetic, comparisons and conversions of SSE to SSE4.2.
//!
//! One table ([`table`]) says for each instruction where its operands are and what it computes; [`run`] does the rest:
//! fetches operands, lets the host's instruction or [`soft`] compute, and settles MXCSR and #XM. Values and flags are
//! the same on both ways (a unit test compares them), so a recording does not depend on the host.

#[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
mod host;
mod quick;
mod reciprocal;
mod soft;
mod table;

pub use table::select;

use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags;
use crate::cpu::op::Op;
use crate::cpu::softfloat::{Flags, SseEnv};
use crate::cpu::state::cr;
use iced_x86::Instruction;

/// MXCSR bits that mask the six exceptions.
const ALL_MASKED: u32 = 0x1f80;

/// Where an operand is, or where the result goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An XMM register; as the source also memory of [`Operation::BYTES`] bytes.
    Xmm,
    /// An MMX register; as the source also 8 bytes of memory.
    Mmx,
    /// A 32-bit general register or 4 bytes of memory.
    General32,
    /// A 64-bit general register or 8 bytes of memory.
    General64,
    /// ZF, PF and CF of a comparison; the first operand is an XMM register.
    Status,
}

/// What an instruction computes from its operands `a` (the old destination) and `b` (the source, zero-extended).
trait Operation {
    /// Size of the source in memory; 16 bytes have to be aligned.
    const BYTES: u32;
    const DESTINATION: Place = Place::Xmm;
    const SOURCE: Place = Place::Xmm;
    /// With a memory operand the instruction leaves the x87 state alone although its register form is an MMX one.
    const IS_MMX_ONLY_WITH_REGISTER: bool = false;
    /// It computes in steps and drops the exceptions that do not come to be by itself: those of a step before the one that
    /// stops it stay.
    const HAS_STAGES: bool = false;
    /// The portable way: the result in as many low bits as the destination has, and the exceptions.
    fn soft(a: u128, b: u128, imm: u8, env: &SseEnv) -> (u128, Flags);
    /// The host's way, for operations that have one: the result and MXCSR after it. Only with all exceptions masked.
    #[inline(always)]
    fn host(_a: u128, _b: u128, _mxcsr: u32) -> Option<(u128, u32)> {
        None
    }
    /// A short way where nothing has to be reported in MXCSR.
    #[inline(always)]
    fn quick(_a: u128, _b: u128, _mxcsr: u32) -> Option<u128> {
        None
    }
}

#[inline(always)]
fn source<O: Operation, const MEM: bool>(cpu: &mut Cpu, op: &Op) -> Result<u128, Stop> {
    Ok(match (O::SOURCE, O::BYTES) {
        (Place::Mmx, _) => u128::from(cpu.source_mm::<MEM>(op)?),
        (Place::General32, _) if !MEM => u128::from(cpu.reg::<u32>(op.src)),
        (Place::General64, _) if !MEM => u128::from(cpu.reg::<u64>(op.src)),
        (_, 16) => cpu.source128::<MEM>(op)?,
        (_, 8) => u128::from(cpu.source64::<MEM>(op)?),
        _ => u128::from(cpu.source32::<MEM>(op)?),
    })
}

#[inline(always)]
fn deliver<O: Operation>(cpu: &mut Cpu, op: &Op, value: u128) {
    match O::DESTINATION {
        Place::Xmm => cpu.set_x(op.dst, value),
        Place::Mmx => cpu.x87.set_mm(op.dst, value as u64),
        Place::General32 => cpu.set_reg(op.dst, value as u32),
        Place::General64 => cpu.set_reg(op.dst, value as u64),
        Place::Status => cpu.flags = flags::Flags::from_bits(value as u64),
    }
}

/// Runs one instruction.
fn run<O: Operation, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let is_mmx = O::DESTINATION == Place::Mmx || O::SOURCE == Place::Mmx && !(MEM && O::IS_MMX_ONLY_WITH_REGISTER);
    if is_mmx {
        cpu.before_mmx()?;
    }
    let b = source::<O, MEM>(cpu, op)?;
    let a = match O::DESTINATION {
        Place::Xmm | Place::Status => cpu.x(op.dst),
        _ => 0,
    };
    if let Some(value) = O::quick(a, b, cpu.mxcsr) {
        deliver::<O>(cpu, op, value);
        return Ok(());
    }
    let computed = if cpu.mxcsr & ALL_MASKED == ALL_MASKED { O::host(a, b, cpu.mxcsr) } else { None };
    let value = match computed {
        Some((value, mxcsr)) => {
            cpu.mxcsr = mxcsr;
            value
        }
        None => {
            let (value, flags) = O::soft(a, b, op.aux, &SseEnv::from_mxcsr(cpu.mxcsr));
            settle(cpu, if O::HAS_STAGES { flags } else { kept(flags, &SseEnv::from_mxcsr(cpu.mxcsr)) })?;
            value
        }
    };
    if is_mmx {
        cpu.x87.enter_mmx();
    }
    deliver::<O>(cpu, op, value);
    Ok(())
}

/// The exceptions that come to be.
///
/// Packed operations look at all elements for the exceptions found before a result is computed; an unmasked one keeps
/// all results, and so their exceptions, from coming to be (SDM vol. 1, 11.5.2).
#[inline(always)]
fn kept(flags: Flags, env: &SseEnv) -> Flags {
    if flags.suppress_result(env.masks) { flags & Flags::BEFORE_RESULT } else { flags.exceptions() }
}

/// Records exceptions in MXCSR and raises the unmasked ones.
#[inline(always)]
fn settle(cpu: &mut Cpu, flags: Flags) -> Result<(), Stop> {
    if flags == Flags::NONE {
        return Ok(());
    }
    let masks = SseEnv::from_mxcsr(cpu.mxcsr).masks;
    cpu.mxcsr |= u32::from(flags.exceptions().0);
    if flags.unmasked(masks) == Flags::NONE { Ok(()) } else { raise(cpu) }
}

#[cold]
fn raise(cpu: &mut Cpu) -> Result<(), Stop> {
    let has_handler = cpu.state.cr4 & cr::CR4_OSXMMEXCPT != 0;
    cpu.fault(if has_handler { Fault::xm() } else { Fault::ud() })
}

#[cfg(all(test, target_arch = "x86_64", not(reenact_portable)))]
mod tests;
