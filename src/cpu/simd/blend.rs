//! Blends by the sign bits of XMM0: PBLENDVB, BLENDVPS, BLENDVPD.

use super::lanes::{I8, I32, I64, map};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::{Op, Slow};
use iced_x86::{Instruction, Mnemonic, OpKind};

/// Spreads the sign of each lane of `BYTES` bytes over the lane.
#[inline(always)]
fn signs<const BYTES: usize>(v: u128) -> u128 {
    match BYTES {
        1 => map::<I8>(v, |x| x >> 7),
        4 => map::<I32>(v, |x| x >> 31),
        _ => map::<I64>(v, |x| x >> 63),
    }
}

fn blend<const BYTES: usize, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let b = cpu.source128::<MEM>(op)?;
    let mask = signs::<BYTES>(cpu.x(0));
    cpu.set_x(op.dst, cpu.x(op.dst) & !mask | b & mask);
    Ok(())
}

/// The function of one of these instructions.
pub fn select(insn: &Instruction) -> Option<Slow> {
    let is_memory = insn.op_count() > 1 && insn.op_kind(1) == OpKind::Memory;
    Some(match (insn.mnemonic(), is_memory) {
        (Mnemonic::Pblendvb, false) => blend::<1, false>,
        (Mnemonic::Pblendvb, true) => blend::<1, true>,
        (Mnemonic::Blendvps, false) => blend::<4, false>,
        (Mnemonic::Blendvps, true) => blend::<4, true>,
        (Mnemonic::Blendvpd, false) => blend::<8, false>,
        (Mnemonic::Blendvpd, true) => blend::<8, true>,
        _ => return None,
    })
}
