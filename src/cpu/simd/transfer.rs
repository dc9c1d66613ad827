//! Single lanes and masks between vectors and general registers: PEXTR, PINSR, EXTRACTPS, INSERTPS, PMOVMSKB,
//! MOVMSKPS, MOVMSKPD; PTEST and EMMS.
//!
//! Lane numbers in immediates are taken modulo the number of lanes, so nothing here indexes out of range.

use super::lanes::{I32, Lanes, U32};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::{Flags, bit};
use crate::cpu::op::{Op, Slow};
use iced_x86::{Instruction, Mnemonic, OpKind};

/// Lane `index` of `width` bits, in the low part; the lanes above it are still there.
#[inline(always)]
fn lane(v: u128, width: u32, lanes: u32, index: u8) -> u128 {
    v >> (width * (u32::from(index) & (lanes - 1)))
}
/// `v` with lane `index` of `width` bits replaced.
#[inline(always)]
fn with_lane(v: u128, width: u32, lanes: u32, index: u8, value: u64) -> u128 {
    let shift = width * (u32::from(index) & (lanes - 1));
    let mask = u128::MAX >> (128 - width);
    v & !(mask << shift) | (u128::from(value) & mask) << shift
}

/// PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS: registers get the lane zero-extended, memory just the lane.
fn extract<const WIDTH: u32, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = lane(cpu.x(op.src), WIDTH, 128 / WIDTH, op.aux) as u64;
    match (MEM, WIDTH) {
        (true, 8) => return cpu.store(op, v as u8),
        (true, 16) => return cpu.store(op, v as u16),
        (true, 32) => return cpu.store(op, v as u32),
        (true, _) => return cpu.store(op, v),
        (false, 8) => cpu.set_reg(op.dst, u64::from(v as u8)),
        (false, 16) => cpu.set_reg(op.dst, u64::from(v as u16)),
        (false, 32) => cpu.set_reg(op.dst, v as u32),
        (false, _) => cpu.set_reg(op.dst, v),
    }
    Ok(())
}
/// PEXTRW from MMX.
fn extract_mm(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let v = lane(u128::from(cpu.x87.mm(op.src)), 16, 4, op.aux);
    cpu.set_reg(op.dst, u64::from(v as u16));
    cpu.x87.enter_mmx();
    Ok(())
}
/// Operand 1 of an insertion: a part of a general register or of memory.
#[inline(always)]
fn inserted<const WIDTH: u32, const MEM: bool>(cpu: &mut Cpu, op: &Op) -> Result<u64, Stop> {
    Ok(match (MEM, WIDTH) {
        (true, 8) => u64::from(cpu.load::<u8>(op)?),
        (true, 16) => u64::from(cpu.load::<u16>(op)?),
        (true, 32) => u64::from(cpu.load::<u32>(op)?),
        (true, _) => cpu.load(op)?,
        (false, _) => cpu.reg(op.src),
    })
}
/// PINSRB, PINSRW, PINSRD, PINSRQ.
fn insert<const WIDTH: u32, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let value = inserted::<WIDTH, MEM>(cpu, op)?;
    cpu.set_x(op.dst, with_lane(cpu.x(op.dst), WIDTH, 128 / WIDTH, op.aux, value));
    Ok(())
}
/// PINSRW into MMX.
fn insert_mm<const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let value = inserted::<16, MEM>(cpu, op)?;
    let v = with_lane(u128::from(cpu.x87.mm(op.dst)), 16, 4, op.aux, value);
    cpu.x87.set_mm(op.dst, v as u64);
    cpu.x87.enter_mmx();
    Ok(())
}
/// INSERTPS: a lane by bits 7..6 (memory is its own lane) to lane 5..4, then zeroes by bits 3..0.
fn insertps<const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let value = if MEM { cpu.load::<u32>(op)? } else { lane(cpu.x(op.src), 32, 4, op.aux >> 6) as u32 };
    let mut v = U32::of(with_lane(cpu.x(op.dst), 32, 4, op.aux >> 4, u64::from(value)));
    for (i, lane) in v.iter_mut().enumerate() {
        if op.aux >> i & 1 != 0 {
            *lane = 0;
        }
    }
    cpu.set_x(op.dst, v.join());
    Ok(())
}

/// The top bits of eight bytes, gathered by a multiplication that no carry disturbs: bit `8 * i` of the factor's
/// input lands in bit `56 + i`.
#[inline(always)]
fn byte_signs(v: u64) -> u32 {
    const TOPS: u64 = 0x8080_8080_8080_8080;
    (((v & TOPS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}
fn pmovmskb(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.src);
    cpu.set_reg(op.dst, byte_signs(v as u64) | byte_signs((v >> 64) as u64) << 8);
    Ok(())
}
fn pmovmskb_mm(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    cpu.set_reg(op.dst, byte_signs(cpu.x87.mm(op.src)));
    cpu.x87.enter_mmx();
    Ok(())
}
fn movmskps(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let lanes = I32::of(cpu.x(op.src));
    let mask = lanes.iter().enumerate().fold(0, |mask, (i, &lane)| mask | u32::from(lane < 0) << i);
    cpu.set_reg(op.dst, mask);
    Ok(())
}
fn movmskpd(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.src);
    cpu.set_reg(op.dst, (v >> 63) as u32 & 1 | ((v >> 127) as u32) << 1);
    Ok(())
}

/// PTEST: ZF if no bit is common, CF if all of the source's bits are in the first operand; the rest clear.
fn ptest<const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let b = cpu.source128::<MEM>(op)?;
    let a = cpu.x(op.dst);
    let zf = if a & b == 0 { bit::ZF } else { 0 };
    let cf = if !a & b == 0 { bit::CF } else { 0 };
    cpu.flags = Flags::from_bits(zf | cf);
    Ok(())
}
/// TOP becomes 0 as by other MMX instructions; the host does so too.
fn emms(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    cpu.x87.enter_mmx();
    cpu.x87.emms();
    Ok(())
}

/// The function of one of these instructions.
pub fn select(insn: &Instruction) -> Option<Slow> {
    use Mnemonic as M;
    let has_memory = |i: u32| insn.op_count() > i && insn.op_kind(i) == OpKind::Memory;
    macro_rules! by_memory {
        ($operand:literal, $f:ident $(, $width:literal)?) => {
            if has_memory($operand) { $f::<$($width,)? true> as Slow } else { $f::<$($width,)? false> }
        };
    }
    Some(match insn.mnemonic() {
        M::Pextrb => by_memory!(0, extract, 8),
        M::Pextrw if insn.op_register(1).is_mm() => extract_mm,
        M::Pextrw => by_memory!(0, extract, 16),
        M::Pextrd | M::Extractps => by_memory!(0, extract, 32),
        M::Pextrq => by_memory!(0, extract, 64),
        M::Pinsrb => by_memory!(1, insert, 8),
        M::Pinsrw if insn.op_register(0).is_mm() => by_memory!(1, insert_mm),
        M::Pinsrw => by_memory!(1, insert, 16),
        M::Pinsrd => by_memory!(1, insert, 32),
        M::Pinsrq => by_memory!(1, insert, 64),
        M::Insertps => by_memory!(1, insertps),
        M::Pmovmskb if insn.op_register(1).is_mm() => pmovmskb_mm,
        M::Pmovmskb => pmovmskb,
        M::Movmskps => movmskps,
        M::Movmskpd => movmskpd,
        M::Ptest => by_memory!(1, ptest),
        M::Emms => emms,
        _ => return None,
    })
}
