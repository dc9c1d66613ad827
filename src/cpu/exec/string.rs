//! MOVS, CMPS, STOS, LODS, SCAS, alone and repeated.
//!
//! Every iteration of a repeated instruction retires one instruction; a repeat count of zero retires one too. A
//! repeated instruction is the last of its block and runs as many iterations as the budget allows, so that an
//! interrupt can land between any two; it is then dispatched again at its own address.

use super::{by_width, chain, handler, leave};
use crate::cpu::Cpu;
use crate::cpu::access::stack_mask;
use crate::cpu::exec::alu::sub;
use crate::cpu::fault::Stop;
use crate::cpu::flags::bit;
use crate::cpu::op::{Handler, Op};
use crate::cpu::phys::PAGE;
use crate::cpu::state::{gpr, seg};
use crate::cpu::word::Word;

const ES: u8 = seg::ES as u8;

/// Adds to an index register with the instruction's address size.
#[inline(always)]
fn advance(cpu: &mut Cpu, register: usize, by: u64, address_bytes: u8) {
    let mask = stack_mask(address_bytes);
    let r = &mut cpu.regs[register];
    let moved = r.wrapping_add(by) & mask;
    // A 32-bit index clears the upper half, a 16-bit one leaves it.
    *r = if address_bytes == 2 { *r & !mask | moved } else { moved };
}
#[inline(always)]
fn stride<W: Word>(cpu: &Cpu) -> u64 {
    if cpu.has_rflag(bit::DF) { (W::BYTES as u64).wrapping_neg() } else { W::BYTES as u64 }
}
#[inline(always)]
fn source<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
    let la = cpu.linear(op.seg, cpu.regs[gpr::RSI] & stack_mask(op.address_bytes), W::BYTES as u64, false)?;
    cpu.read(la, op.seg)
}
#[inline(always)]
fn destination<W: Word>(cpu: &mut Cpu, op: &Op, is_write: bool) -> Result<u64, Stop> {
    cpu.linear(ES, cpu.regs[gpr::RDI] & stack_mask(op.address_bytes), W::BYTES as u64, is_write)
}

/// One string instruction.
pub trait Strings {
    /// CMPS and SCAS end a repetition by ZF.
    const COMPARES: bool = false;
    /// One iteration, without the count.
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop>;
    /// Many iterations at once where memory allows it: how many were done, of at most `most`.
    fn bulk<W: Word>(_cpu: &mut Cpu, _op: &Op, _most: u64) -> u64 {
        0
    }
}

/// MOVS
pub struct Movs;
/// CMPS
pub struct Cmps;
/// STOS
pub struct Stos;
/// LODS
pub struct Lods;
/// SCAS
pub struct Scas;

impl Strings for Movs {
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
        let value: W = source(cpu, op)?;
        let to = destination::<W>(cpu, op, true)?;
        cpu.write(to, ES, value)?;
        let by = stride::<W>(cpu);
        advance(cpu, gpr::RSI, by, op.address_bytes);
        advance(cpu, gpr::RDI, by, op.address_bytes);
        Ok(())
    }
    fn bulk<W: Word>(cpu: &mut Cpu, op: &Op, most: u64) -> u64 {
        if !cpu.is_64bit() || op.address_bytes != 8 || op.seg >= seg::FS as u8 || cpu.has_rflag(bit::DF) {
            return 0;
        }
        let (from, to) = (cpu.regs[gpr::RSI], cpu.regs[gpr::RDI]);
        let n = most.min((PAGE - from % PAGE) / W::BYTES as u64).min((PAGE - to % PAGE) / W::BYTES as u64);
        let len = n * W::BYTES as u64;
        if n == 0 {
            return 0;
        }
        let (Some(src), Some(dst)) = (cpu.host_for_read(from, len), cpu.host_for_write(to, len)) else { return 0 };
        let distance = (dst as usize).wrapping_sub(src as usize);
        // SAFETY: both ranges are `len` bytes of RAM. Bytes that were just stored are read again only when the
        // destination is a little ahead of the source: then element by element, as the guest would.
        unsafe {
            if distance == 0 || distance >= len as usize {
                std::ptr::copy(src, dst, len as usize);
            } else {
                for i in 0..n as usize {
                    W::load(src.add(i * W::BYTES)).store(dst.add(i * W::BYTES));
                }
            }
        }
        cpu.regs[gpr::RSI] = from + len;
        cpu.regs[gpr::RDI] = to + len;
        n
    }
}
impl Strings for Stos {
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
        let to = destination::<W>(cpu, op, true)?;
        cpu.write(to, ES, cpu.reg::<W>(0))?;
        let by = stride::<W>(cpu);
        advance(cpu, gpr::RDI, by, op.address_bytes);
        Ok(())
    }
    fn bulk<W: Word>(cpu: &mut Cpu, op: &Op, most: u64) -> u64 {
        if !cpu.is_64bit() || op.address_bytes != 8 || cpu.has_rflag(bit::DF) {
            return 0;
        }
        let to = cpu.regs[gpr::RDI];
        let n = most.min((PAGE - to % PAGE) / W::BYTES as u64);
        let len = n * W::BYTES as u64;
        if n == 0 {
            return 0;
        }
        let Some(dst) = cpu.host_for_write(to, len) else { return 0 };
        let value: W = cpu.reg(0);
        // SAFETY: `len` bytes of RAM.
        unsafe {
            if value.to_u64() == 0 {
                std::ptr::write_bytes(dst, 0, len as usize);
            } else {
                for i in 0..n as usize {
                    value.store(dst.add(i * W::BYTES));
                }
            }
        }
        cpu.regs[gpr::RDI] = to + len;
        n
    }
}
impl Strings for Lods {
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
        let value: W = source(cpu, op)?;
        cpu.set_reg(0, value);
        let by = stride::<W>(cpu);
        advance(cpu, gpr::RSI, by, op.address_bytes);
        Ok(())
    }
}
impl Strings for Cmps {
    const COMPARES: bool = true;
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
        let a: W = source(cpu, op)?;
        let at = destination::<W>(cpu, op, false)?;
        let b: W = cpu.read(at, ES)?;
        cpu.flags = sub(a, b, false).1;
        let by = stride::<W>(cpu);
        advance(cpu, gpr::RSI, by, op.address_bytes);
        advance(cpu, gpr::RDI, by, op.address_bytes);
        Ok(())
    }
}
impl Strings for Scas {
    const COMPARES: bool = true;
    fn once<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
        let at = destination::<W>(cpu, op, false)?;
        let b: W = cpu.read(at, ES)?;
        cpu.flags = sub(cpu.reg::<W>(0), b, false).1;
        let by = stride::<W>(cpu);
        advance(cpu, gpr::RDI, by, op.address_bytes);
        Ok(())
    }
}

unsafe extern "C" fn single<K: Strings, W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, { K::once::<W>(cpu, op) })
}

/// `aux` is 1 for REP and REPE, 2 for REPNE.
unsafe extern "C" fn repeated<K: Strings, W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: a repeated instruction is the last op of its block.
    let o = unsafe { &*op };
    let here = cpu.regs[gpr::BLOCK].wrapping_add(u64::from(o.offset)) & cpu.rip_mask();
    let behind = here.wrapping_add(u64::from(o.len)) & cpu.rip_mask();
    let count = cpu.regs[gpr::RCX] & stack_mask(o.address_bytes);
    if count == 0 {
        // No iteration writes the count, so a 32-bit one keeps its upper half (SDM vol. 2, REP).
        // SAFETY: as above.
        return unsafe { chain(cpu, behind) };
    }
    let most = if cpu.is_alone { 1 } else { count.min(cpu.budget as u64 + 1) };
    let (done, is_over) = iterate::<K, W>(cpu, o, most);
    if done == 0 {
        return leave(cpu, op);
    }
    advance(cpu, gpr::RCX, done.wrapping_neg(), o.address_bytes);
    // The block paid for the first iteration.
    cpu.budget -= done as i64 - 1;
    if is_over || done == count {
        // SAFETY: as above.
        return unsafe { chain(cpu, behind) };
    }
    cpu.rip = here;
    cpu.repeating_at = cpu.icount();
    std::ptr::null()
}

/// Up to `most` iterations: how many were done, and whether the last one ended the repetition by ZF.
/// A fault stops it; what waits is in `Cpu::pending`.
fn iterate<K: Strings, W: Word>(cpu: &mut Cpu, op: &Op, most: u64) -> (u64, bool) {
    let mut done = 0;
    while done < most {
        let bulk = K::bulk::<W>(cpu, op, most - done);
        if bulk > 0 {
            done += bulk;
            continue;
        }
        if K::once::<W>(cpu, op).is_err() {
            break;
        }
        cpu.tap_iteration(op, done);
        done += 1;
        if K::COMPARES && cpu.flags.zf() != (op.aux == 1) {
            return (done, true);
        }
    }
    (done, false)
}

/// The handler of a string instruction, repeated or not.
pub fn select<K: Strings>(bytes: usize, is_repeated: bool) -> Handler {
    if is_repeated { by_width!(bytes, W => repeated::<K, W>) } else { by_width!(bytes, W => single::<K, W>) }
}
