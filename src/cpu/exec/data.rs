//! Moves and conversions: MOV, MOVZX, MOVSX, MOVSXD, LEA, XCHG, CMOVcc, SETcc, BSWAP, CBW and CWD families, XLAT,
//! LAHF, SAHF and the flag-setting one-byte instructions.

use super::alu::{Addressing, Form, by_address};
use super::place::{Dst, Imm, Mem, Place, Source, Src};
use super::{by_width, handler, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::{Flags, bit};
use crate::cpu::op::{Handler, Op};
use crate::cpu::state::gpr;
use crate::cpu::word::Word;

unsafe extern "C" fn mov<W: Word, D: Place<W>, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL && S::IS_FULL, (mov::<W, D::Full, S::Full>), {
        let value = S::get(cpu, op)?;
        D::put(cpu, op, value)
    })
}

/// MOV with explicit operands.
pub fn select_mov(bytes: usize, form: Form) -> Handler {
    by_width!(bytes, W => match form {
        Form::RegReg => mov::<W, Dst, Src>,
        Form::RegImm => mov::<W, Dst, Imm>,
        Form::RegMem(a) => by_address!(a, A => mov::<W, Dst, Mem<A>>),
        Form::MemReg(a) => by_address!(a, A => mov::<W, Mem<A>, Src>),
        Form::MemImm(a) => by_address!(a, A => mov::<W, Mem<A>, Imm>),
    })
}

unsafe extern "C" fn extend<const SIGNED: bool, W: Word, F: Word, S: Source<F>>(
    cpu: &mut Cpu,
    op: *const Op,
) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (extend::<SIGNED, W, F, S::Full>), {
        let v = S::get(cpu, op)?;
        let v = if SIGNED { v.sext() } else { v.to_u64() };
        cpu.set_reg(op.dst, W::from_u64(v));
        Ok(())
    })
}

/// MOVZX, MOVSX and MOVSXD from a source of `from` bytes (1, 2 or 4).
pub fn select_extend(is_signed: bool, bytes: usize, from: usize, memory: Option<Addressing>) -> Handler {
    macro_rules! source {
        ($signed:literal, $W:ident, $F:ty) => {
            match memory {
                None => extend::<$signed, $W, $F, Src>,
                Some(a) => by_address!(a, A => extend::<$signed, $W, $F, Mem<A>>),
            }
        };
    }
    by_width!(bytes, W => match (from, is_signed) {
        (1, false) => source!(false, W, u8),
        (1, true) => source!(true, W, u8),
        (2, false) => source!(false, W, u16),
        (2, true) => source!(true, W, u16),
        (_, false) => source!(false, W, u32),
        (_, true) => source!(true, W, u32),
    })
}

unsafe extern "C" fn lea<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let at = cpu.offset(op);
        cpu.set_reg(op.dst, W::from_u64(at));
        Ok(())
    })
}

/// LEA.
pub fn select_lea(bytes: usize) -> Handler {
    by_width!(bytes, W => lea::<W>)
}

unsafe extern "C" fn xchg<W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (xchg::<W, D::Full>), {
        let mine: W = cpu.reg(op.src);
        let theirs = std::cell::Cell::new(mine);
        D::modify(cpu, op, |cpu, v| {
            theirs.set(v);
            (mine, cpu.flags)
        })?;
        cpu.set_reg(op.src, theirs.get());
        Ok(())
    })
}

/// XCHG.
pub fn select_xchg(bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match memory {
        None => xchg::<W, Dst>,
        Some(a) => by_address!(a, A => xchg::<W, Mem<A>>),
    })
}

unsafe extern "C" fn cmov<W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (cmov::<W, S::Full>), {
        // The source is read, and the upper half of a 32-bit destination cleared, whatever the condition.
        let new = S::get(cpu, op)?;
        let old: W = cpu.reg(op.dst);
        let value = if cpu.flags.condition(op.aux) { new } else { old };
        cpu.set_reg(op.dst, value);
        Ok(())
    })
}

/// CMOVcc; the condition is in `aux`.
pub fn select_cmov(bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match memory {
        None => cmov::<W, Src>,
        Some(a) => by_address!(a, A => cmov::<W, Mem<A>>),
    })
}

unsafe extern "C" fn setcc<D: Place<u8>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (setcc::<D::Full>), {
        let value = cpu.flags.condition(op.aux) as u8;
        D::put(cpu, op, value)
    })
}

/// SETcc; the condition is in `aux`.
pub fn select_setcc(memory: Option<Addressing>) -> Handler {
    match memory {
        None => setcc::<Dst>,
        Some(a) => by_address!(a, A => setcc::<Mem<A>>),
    }
}

unsafe extern "C" fn bswap<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let v: W = cpu.reg(op.dst);
        // Undefined for 16 bits; Intel processors give zero.
        let swapped = if W::BITS == 16 { 0 } else { v.to_u64().swap_bytes() >> (64 - W::BITS) };
        cpu.set_reg(op.dst, W::from_u64(swapped));
        Ok(())
    })
}

/// BSWAP.
pub fn select_bswap(bytes: usize) -> Handler {
    by_width!(bytes, W => bswap::<W>)
}

/// CBW, CWDE, CDQE: widens the lower half of the accumulator to `bytes`.
pub fn select_cbw(bytes: usize) -> Handler {
    unsafe extern "C" fn cbw<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
        handler!(cpu, op, {
            let half = 64 - W::BITS / 2;
            let v = (cpu.regs[gpr::RAX] << half) as i64 >> half;
            cpu.set_reg(0, W::from_u64(v as u64));
            Ok(())
        })
    }
    by_width!(bytes, W => cbw::<W>)
}

/// CWD, CDQ, CQO: fills rDX with the accumulator's sign.
pub fn select_cwd(bytes: usize) -> Handler {
    unsafe extern "C" fn cwd<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
        handler!(cpu, op, {
            let sign = (cpu.reg::<W>(0).sext() as i64) >> 63;
            cpu.set_reg(gpr::RDX as u8 * 8, W::from_u64(sign as u64));
            Ok(())
        })
    }
    by_width!(bytes, W => cwd::<W>)
}

/// LAHF.
pub(crate) unsafe extern "C" fn lahf(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        cpu.set_reg(1, (cpu.flags.bits() | bit::FIXED) as u8);
        Ok(())
    })
}
/// SAHF: OF stays.
pub(crate) unsafe extern "C" fn sahf(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let ah: u8 = cpu.reg(1);
        let of = cpu.flags.bits() & bit::OF;
        cpu.flags = Flags::from_bits(u64::from(ah) & bit::STATUS | of);
        Ok(())
    })
}
/// CLC, STC, CMC: `aux` 0, 1, 2.
pub(crate) unsafe extern "C" fn carry(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let cf = match op.aux {
            0 => false,
            1 => true,
            _ => !cpu.flags.cf(),
        };
        cpu.flags.set_cf(cf);
        Ok(())
    })
}
/// CLD, STD: `aux` 0, 1.
pub(crate) unsafe extern "C" fn direction(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        cpu.rflags_rest = cpu.rflags_rest & !bit::DF | u64::from(op.aux) << 10;
        Ok(())
    })
}
/// NOP and everything that the model defines as a hint: fences, prefetches, PAUSE, ENDBR.
pub(crate) unsafe extern "C" fn nop(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: an op follows.
    unsafe { super::next(cpu, op) }
}
/// XLAT: the memory operand is base rBX, index AL.
pub(crate) unsafe extern "C" fn xlat(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let at = cpu.slot(op.base).wrapping_add(cpu.regs[gpr::RAX] & 0xff);
        let at = at & crate::cpu::access::stack_mask(op.address_bytes);
        let la = cpu.linear(op.seg, at, 1, false)?;
        let v: u8 = cpu.read(la, op.seg)?;
        cpu.set_reg(0, v);
        Ok(())
    })
}
