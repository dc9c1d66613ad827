//! Moves between XMM, MMX, general registers and memory.

use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::{Op, Slow};
use iced_x86::{Instruction, Mnemonic, OpKind};

const LOW: u128 = u64::MAX as u128;

/// 16 bytes into a register.
fn load<const MEM: bool, const ALIGNED: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = if MEM { cpu.load128(op, ALIGNED)? } else { cpu.x(op.src) };
    cpu.set_x(op.dst, v);
    Ok(())
}
/// 16 bytes into memory, or a register through the store form of the encoding.
fn store<const ALIGNED: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.store128(op, cpu.x(op.src), ALIGNED)
}
/// 8 bytes from memory or a register, the upper half cleared.
fn load64_clearing<const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.source64::<MEM>(op)?;
    cpu.set_x(op.dst, u128::from(v));
    Ok(())
}
fn load32_clearing(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v: u32 = cpu.load(op)?;
    cpu.set_x(op.dst, u128::from(v));
    Ok(())
}
/// The low part between registers, the rest kept.
fn merge64(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.dst) & !LOW | cpu.x(op.src) & LOW;
    cpu.set_x(op.dst, v);
    Ok(())
}
fn merge32(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.dst) & !0xffff_ffff | cpu.x(op.src) & 0xffff_ffff;
    cpu.set_x(op.dst, v);
    Ok(())
}
fn store64<const HIGH: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = if HIGH { cpu.x(op.src) >> 64 } else { cpu.x(op.src) };
    cpu.store(op, v as u64)
}
fn store32(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.store(op, cpu.x(op.src) as u32)
}
/// MOVLPS, MOVLPD, MOVHPS, MOVHPD from memory.
fn load_half<const HIGH: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let m: u64 = cpu.load(op)?;
    let old = cpu.x(op.dst);
    let v = if HIGH { old & LOW | u128::from(m) << 64 } else { old & !LOW | u128::from(m) };
    cpu.set_x(op.dst, v);
    Ok(())
}
fn movhlps(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.dst) & !LOW | cpu.x(op.src) >> 64;
    cpu.set_x(op.dst, v);
    Ok(())
}
fn movlhps(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.dst) & LOW | cpu.x(op.src) << 64;
    cpu.set_x(op.dst, v);
    Ok(())
}
/// MOVD and MOVQ from a general register or memory into XMM.
fn from_general<const WIDE: bool, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = match (WIDE, MEM) {
        (true, true) => cpu.load::<u64>(op)?,
        (true, false) => cpu.reg::<u64>(op.src),
        (false, true) => u64::from(cpu.load::<u32>(op)?),
        (false, false) => u64::from(cpu.reg::<u32>(op.src)),
    };
    cpu.set_x(op.dst, u128::from(v));
    Ok(())
}
/// MOVD and MOVQ from XMM.
fn to_general<const WIDE: bool, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = cpu.x(op.src) as u64;
    match (WIDE, MEM) {
        (true, true) => cpu.store(op, v)?,
        (true, false) => cpu.set_reg(op.dst, v),
        (false, true) => cpu.store(op, v as u32)?,
        (false, false) => cpu.set_reg(op.dst, v as u32),
    }
    Ok(())
}
/// MOVD and MOVQ into MMX, from a general register, MMX or memory.
fn to_mmx<const WIDE: bool>(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let v = match insn.op_kind(1) {
        OpKind::Memory if WIDE => cpu.load::<u64>(op)?,
        OpKind::Memory => u64::from(cpu.load::<u32>(op)?),
        _ if insn.op_register(1).is_mm() => cpu.x87.mm(op.src),
        _ if WIDE => cpu.reg::<u64>(op.src),
        _ => u64::from(cpu.reg::<u32>(op.src)),
    };
    cpu.x87.set_mm(op.dst, v);
    cpu.x87.enter_mmx();
    Ok(())
}
/// MOVD, MOVQ and MOVNTQ out of MMX.
fn from_mmx<const WIDE: bool>(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let v = cpu.x87.mm(op.src);
    match insn.op_kind(0) {
        OpKind::Memory if WIDE => cpu.store(op, v)?,
        OpKind::Memory => cpu.store(op, v as u32)?,
        _ if WIDE => cpu.set_reg(op.dst, v),
        _ => cpu.set_reg(op.dst, v as u32),
    }
    cpu.x87.enter_mmx();
    Ok(())
}
fn movdq2q(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    cpu.x87.set_mm(op.dst, cpu.x(op.src) as u64);
    cpu.x87.enter_mmx();
    Ok(())
}
fn movq2dq(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let v = cpu.x87.mm(op.src);
    cpu.set_x(op.dst, u128::from(v));
    cpu.x87.enter_mmx();
    Ok(())
}
/// MOVDDUP, MOVSLDUP, MOVSHDUP.
fn movddup<const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = u128::from(cpu.source64::<MEM>(op)?);
    cpu.set_x(op.dst, v | v << 64);
    Ok(())
}
fn duplicate32<const ODD: bool, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    const EVEN: u128 = 0x00000000_ffffffff_00000000_ffffffff;
    let v = cpu.source128::<MEM>(op)?;
    let v = if ODD { v >> 32 & EVEN } else { v & EVEN };
    cpu.set_x(op.dst, v | v << 32);
    Ok(())
}
/// MASKMOVDQU and MASKMOVQ: bytes whose mask has its top bit set go to DS:rDI.
fn maskmov<const MMX: bool>(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (value, mask, len) = if MMX {
        cpu.before_mmx()?;
        (
            u128::from(cpu.x87.mm(insn.op_register(1).number() as u8)),
            u128::from(cpu.x87.mm(insn.op_register(2).number() as u8)),
            8,
        )
    } else {
        (cpu.x(insn.op_register(1).number() as u8), cpu.x(insn.op_register(2).number() as u8), 16)
    };
    let bytes = match insn.op_kind(0) {
        OpKind::MemorySegDI => 2,
        OpKind::MemorySegEDI => 4,
        _ => 8,
    };
    let offset = cpu.regs[7] & crate::cpu::access::stack_mask(bytes);
    let la = cpu.linear(op.seg, offset, len, true)?;
    if mask & 0x80808080_80808080_80808080_80808080 != 0 {
        cpu.probe_write(la, op.seg, len as usize)?;
        let mut old = [0; 16];
        cpu.read_bytes(la, op.seg, &mut old[..len as usize])?;
        for (i, b) in old.iter_mut().enumerate().take(len as usize) {
            if mask >> (8 * i + 7) & 1 != 0 {
                *b = (value >> (8 * i)) as u8;
            }
        }
        cpu.write_bytes(la, op.seg, &old[..len as usize])?;
    }
    if MMX {
        cpu.x87.enter_mmx();
    }
    Ok(())
}

/// The function of a move.
pub fn select(insn: &Instruction) -> Option<Slow> {
    use Mnemonic as M;
    let to_memory = insn.op_kind(0) == OpKind::Memory;
    let from_memory = insn.op_count() > 1 && insn.op_kind(1) == OpKind::Memory;
    let mmx = |i: u32| insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_mm();
    let xmm = |i: u32| insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_xmm();
    macro_rules! mem {
        ($f:ident $(, $c:literal)*) => { if from_memory { $f::<$($c,)* true> as Slow } else { $f::<$($c,)* false> } };
    }
    Some(match insn.mnemonic() {
        M::Movaps | M::Movapd | M::Movdqa | M::Movntdqa if !to_memory => {
            if from_memory {
                load::<true, true>
            } else {
                load::<false, true>
            }
        }
        M::Movups | M::Movupd | M::Movdqu | M::Lddqu if !to_memory => {
            if from_memory {
                load::<true, false>
            } else {
                load::<false, false>
            }
        }
        M::Movaps | M::Movapd | M::Movdqa | M::Movntps | M::Movntpd | M::Movntdq => store::<true>,
        M::Movups | M::Movupd | M::Movdqu => store::<false>,
        M::Movss if to_memory => store32,
        M::Movss if from_memory => load32_clearing,
        M::Movss => merge32,
        M::Movsd if to_memory && xmm(1) => store64::<false>,
        M::Movsd if from_memory && xmm(0) => load64_clearing::<true>,
        M::Movsd if xmm(0) && xmm(1) => merge64,
        M::Movlps | M::Movlpd if to_memory => store64::<false>,
        M::Movhps | M::Movhpd if to_memory => store64::<true>,
        M::Movlps | M::Movlpd => load_half::<false>,
        M::Movhps | M::Movhpd => load_half::<true>,
        M::Movhlps => movhlps,
        M::Movlhps => movlhps,
        M::Movd | M::Movq if mmx(0) => {
            if insn.mnemonic() == M::Movq {
                to_mmx::<true>
            } else {
                to_mmx::<false>
            }
        }
        M::Movq if mmx(1) => {
            if mmx(0) {
                to_mmx::<true>
            } else {
                from_mmx::<true>
            }
        }
        M::Movd if mmx(1) => from_mmx::<false>,
        M::Movntq => from_mmx::<true>,
        M::Movq if xmm(0) && (xmm(1) || from_memory) => mem!(load64_clearing),
        M::Movq if xmm(0) => from_general::<true, false>,
        M::Movq if to_memory => store64::<false>,
        M::Movq => to_general::<true, false>,
        M::Movd if xmm(0) => mem!(from_general, false),
        M::Movd => {
            if to_memory {
                to_general::<false, true>
            } else {
                to_general::<false, false>
            }
        }
        M::Movdq2q => movdq2q,
        M::Movq2dq => movq2dq,
        M::Movddup => mem!(movddup),
        M::Movsldup => mem!(duplicate32, false),
        M::Movshdup => mem!(duplicate32, true),
        M::Maskmovdqu => maskmov::<false>,
        M::Maskmovq => maskmov::<true>,
        _ => return None,
    })
}
