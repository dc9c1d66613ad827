//! Bit instructions: BT, BTS, BTR, BTC, BSF, BSR, POPCNT.

use super::alu::{Addressing, by_address};
use super::place::{Dst, Mem, Place, Source, Src};
use super::{by_width, handler, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::Flags;
use crate::cpu::op::{Handler, Op};
use crate::cpu::word::Word;

/// BT, BTS, BTR, BTC as 0..=3.
#[inline(always)]
fn changed<const KIND: u8, W: Word>(a: W, bit: u32) -> W {
    let mask = W::from_u64(1 << bit);
    match KIND {
        1 => a | mask,
        2 => a & !mask,
        3 => a ^ mask,
        _ => a,
    }
}

#[inline(always)]
fn bit_op<const KIND: u8, W: Word, D: Place<W>>(cpu: &mut Cpu, op: &Op, bit: u32) -> Result<(), Stop> {
    let bit = bit % W::BITS;
    if KIND == 0 {
        let a: W = D::look(cpu, op)?;
        cpu.flags.set_cf(a.to_u64() >> bit & 1 != 0);
        return Ok(());
    }
    D::modify(cpu, op, |cpu, a: W| {
        let mut f = cpu.flags;
        f.set_cf(a.to_u64() >> bit & 1 != 0);
        (changed::<KIND, W>(a, bit), f)
    })
}

unsafe extern "C" fn by_imm<const KIND: u8, W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (by_imm::<KIND, W, D::Full>), {
        bit_op::<KIND, W, D>(cpu, op, op.imm as u32 & 63)
    })
}
unsafe extern "C" fn by_reg<const KIND: u8, W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, { bit_op::<KIND, W, Dst>(cpu, op, cpu.reg::<W>(op.src).to_u64() as u32 & 63) })
}
/// A bit string in memory: the signed bit number reaches beyond the operand (SDM vol. 2, 3.1.1.9).
unsafe extern "C" fn in_string<const KIND: u8, W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let number = cpu.reg::<W>(op.src).sext() as i64;
        let word = (number >> W::BITS.trailing_zeros()) * W::BYTES as i64;
        let mask = crate::cpu::access::stack_mask(op.address_bytes);
        let offset = cpu.offset(op).wrapping_add(word as u64) & mask;
        let la = cpu.linear(op.seg, offset, W::BYTES as u64, KIND != 0)?;
        let bit = number as u32 % W::BITS;
        let old: W = if KIND == 0 {
            cpu.read(la, op.seg)?
        } else {
            W::from_u64(super::place::read_for_write(cpu, la, op.seg, W::BYTES as u32)?)
        };
        if KIND != 0 {
            cpu.write(la, op.seg, changed::<KIND, W>(old, bit))?;
        }
        cpu.flags.set_cf(old.to_u64() >> bit & 1 != 0);
        Ok(())
    })
}

/// BT (0), BTS (1), BTR (2), BTC (3) by an immediate or by a register.
pub fn select_bit(kind: u8, bytes: usize, memory: Option<Addressing>, has_immediate: bool) -> Handler {
    macro_rules! kind {
        ($k:literal, $W:ident) => {
            match (memory, has_immediate) {
                (None, true) => by_imm::<$k, $W, Dst>,
                (None, false) => by_reg::<$k, $W>,
                (Some(a), true) => by_address!(a, A => by_imm::<$k, $W, Mem<A>>),
                (Some(_), false) => in_string::<$k, $W>,
            }
        };
    }
    by_width!(bytes, W => match kind {
        0 => kind!(0, W),
        1 => kind!(1, W),
        2 => kind!(2, W),
        _ => kind!(3, W),
    })
}

/// BSF (0), BSR (1), POPCNT (2). A zero source leaves BSF's and BSR's destination as it is, all 64 bits of it.
unsafe extern "C" fn scan<const KIND: u8, W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (scan::<KIND, W, S::Full>), {
        let v = S::get(cpu, op)?.to_u64();
        if KIND == 2 {
            let n = u64::from(v.count_ones());
            cpu.set_reg(op.dst, W::from_u64(n));
            cpu.flags = Flags { zero: v, sign: 1, carry: 0 };
            return Ok(());
        }
        if v == 0 {
            // ZF alone is defined; the others are cleared, PF of a zero result is set.
            cpu.flags = Flags { zero: 0, sign: 0, carry: 0 };
            return Ok(());
        }
        let n = u64::from(if KIND == 0 { v.trailing_zeros() } else { 63 - v.leading_zeros() });
        cpu.set_reg(op.dst, W::from_u64(n));
        cpu.flags = Flags { zero: 1, sign: n, carry: 0 };
        Ok(())
    })
}

/// BSF (0), BSR (1), POPCNT (2).
pub fn select_scan(kind: u8, bytes: usize, memory: Option<Addressing>) -> Handler {
    macro_rules! kind {
        ($k:literal, $W:ident) => {
            match memory {
                None => scan::<$k, $W, Src>,
                Some(a) => by_address!(a, A => scan::<$k, $W, Mem<A>>),
            }
        };
    }
    by_width!(bytes, W => match kind {
        0 => kind!(0, W),
        1 => kind!(1, W),
        _ => kind!(2, W),
    })
}
