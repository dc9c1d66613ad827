//! Near branches: JMP, Jcc, CALL, RET, LOOP, JCXZ. Each ends its block.
//!
//! `BYTES` is the width of the instruction pointer that the operand size gives: 8, 4 or 2.

use super::alu::{Addressing, Alu, Cmp, Form, Test, by_address};
use super::place::{Dst, Fast, Full, Imm, Mem, Near, Path, Place, Source, Src};
use super::{chain, chain_by_link, leave};
use crate::cpu::Cpu;
use crate::cpu::access::{is_canonical, stack_mask};
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::{Handler, Op};
use crate::cpu::state::{gpr, seg};
use crate::cpu::word::Word;

const SS: u8 = seg::SS as u8;

#[inline(always)]
fn target<const BYTES: usize>(cpu: &Cpu, relative: u64) -> u64 {
    let t = cpu.regs[gpr::BLOCK].wrapping_add(relative);
    match BYTES {
        8 => t,
        4 => t & 0xffff_ffff,
        _ => t & 0xffff,
    }
}

/// Refuses a target outside the canonical range or the code segment, before anything else changes.
#[inline(always)]
fn check<const BYTES: usize, P: Path>(cpu: &mut Cpu, rip: u64) -> Result<(), Stop> {
    let is_good = if BYTES == 8 { is_canonical(rip) } else { rip <= u64::from(cpu.state.seg[seg::CS].limit) };
    match is_good {
        true => Ok(()),
        false if P::IS_FAST => Err(Stop),
        false => cpu.fault(Fault::gp(0)),
    }
}

macro_rules! branch {
    ($cpu:ident, $op:ident, $is_full:expr, $full:expr, $body:block) => {{
        // SAFETY: branches are the last op of their block; a failed fast path has changed nothing.
        unsafe {
            let o = &*$op;
            match (|$cpu: &mut Cpu, $op: &Op| -> Result<u64, Stop> { $body })($cpu, o) {
                Ok(rip) => chain($cpu, rip),
                Err(Stop) if $is_full => leave($cpu, $op),
                Err(Stop) => $full($cpu, $op),
            }
        }
    }};
}

/// Where the block goes on when a conditional branch is not taken; `disp` is the distance from the block's start.
#[inline(always)]
fn behind(cpu: &Cpu, op: &Op) -> u64 {
    cpu.regs[gpr::BLOCK].wrapping_add(op.disp as i64 as u64) & cpu.rip_mask()
}

unsafe extern "C" fn jmp<const BYTES: usize>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: branches are the last op of their block, and have a slot for links.
    unsafe {
        let rip = target::<BYTES>(cpu, (*op).imm);
        if BYTES != 8 && check::<BYTES, Full>(cpu, rip).is_err() {
            return leave(cpu, op);
        }
        chain_by_link(cpu, op, 0, rip)
    }
}
unsafe extern "C" fn jcc<const BYTES: usize, const CC: u8>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: as `branch_if`.
    unsafe { branch_if::<BYTES>(cpu, op, cpu.flags.condition(CC)) }
}
/// The second half of a conditional branch.
///
/// # Safety
/// `op` is a Jcc, the last op of the running block.
#[inline(always)]
unsafe fn branch_if<const BYTES: usize>(cpu: &mut Cpu, op: *const Op, is_taken: bool) -> *const Op {
    // SAFETY: the caller's.
    unsafe {
        if !is_taken {
            let rip = behind(cpu, &*op);
            return chain_by_link(cpu, op, 1, rip);
        }
        let rip = target::<BYTES>(cpu, (*op).imm);
        if BYTES != 8 && check::<BYTES, Full>(cpu, rip).is_err() {
            return leave(cpu, op);
        }
        chain_by_link(cpu, op, 0, rip)
    }
}
/// CMP or TEST with the Jcc behind it, in 64-bit mode: one dispatch instead of two. The flags are set all the same.
unsafe extern "C" fn compare_and_branch<O: Alu, W: Word, D: Place<W>, S: Source<W>, const CC: u8>(
    cpu: &mut Cpu,
    op: *const Op,
) -> *const Op {
    // SAFETY: decode puts this handler only where the next op is a Jcc, the last of the block; a failed fast path has
    // changed nothing.
    unsafe {
        let operands = S::get(cpu, &*op).and_then(|b| D::look(cpu, &*op).map(|a| (a, b)));
        match operands {
            Ok((a, b)) => {
                let flags = O::apply(cpu.flags, a, b).1;
                cpu.flags = flags;
                branch_if::<8>(cpu, op.add(1), O::condition(CC, a, b).unwrap_or_else(|| flags.condition(CC)))
            }
            Err(Stop) if D::IS_FULL && S::IS_FULL => leave(cpu, op),
            Err(Stop) => compare_and_branch::<O, W, D::Full, S::Full, CC>(cpu, op),
        }
    }
}
/// The fused handler for a CMP or TEST before a Jcc in 64-bit mode, if there is one.
pub fn select_fused(is_test: bool, bytes: usize, form: Form, cc: u8) -> Option<Handler> {
    macro_rules! table {
        ($O:ty, $W:ty, $D:ty, $S:ty: $($c:literal)*) => {{
            const TABLE: [Handler; 16] = [$(compare_and_branch::<$O, $W, $D, $S, $c> as Handler),*];
            TABLE[usize::from(cc & 15)]
        }};
    }
    macro_rules! form {
        ($O:ty, $W:ty) => {
            match form {
                Form::RegReg => table!($O, $W, Dst, Src: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                Form::RegImm => table!($O, $W, Dst, Imm: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                Form::MemImm(Addressing::Near) => table!($O, $W, Mem<Near>, Imm: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                Form::RegMem(Addressing::Near) => table!($O, $W, Dst, Mem<Near>: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                _ => return None,
            }
        };
    }
    Some(match (is_test, bytes) {
        (false, 1) => form!(Cmp, u8),
        (false, 4) => form!(Cmp, u32),
        (false, 8) => form!(Cmp, u64),
        (true, 1) => form!(Test, u8),
        (true, 4) => form!(Test, u32),
        (true, 8) => form!(Test, u64),
        _ => return None,
    })
}
unsafe extern "C" fn call<const BYTES: usize, P: Path>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    branch!(cpu, op, !P::IS_FAST, (call::<BYTES, Full>), {
        let rip = target::<BYTES>(cpu, op.imm);
        check::<BYTES, P>(cpu, rip)?;
        push_return::<BYTES, P>(cpu, op)?;
        Ok(rip)
    })
}
#[inline(always)]
fn push_return<const BYTES: usize, P: Path>(cpu: &mut Cpu, op: &Op) -> Result<(), Stop> {
    let back = cpu.regs[gpr::BLOCK].wrapping_add(u64::from(op.offset) + u64::from(op.len)) & cpu.rip_mask();
    match BYTES {
        8 => cpu.push64::<P>(back),
        _ if P::IS_FAST => Err(Stop),
        4 => cpu.push(back as u32),
        _ => cpu.push(back as u16),
    }
}
unsafe extern "C" fn jmp_to<const BYTES: usize, W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    branch!(cpu, op, S::IS_FULL, (jmp_to::<BYTES, W, S::Full>), {
        let rip = S::get(cpu, op)?.to_u64();
        check::<BYTES, Full>(cpu, rip)?;
        Ok(rip)
    })
}
unsafe extern "C" fn call_to<const BYTES: usize, W: Word, S: Source<W>, P: Path>(
    cpu: &mut Cpu,
    op: *const Op,
) -> *const Op {
    branch!(cpu, op, !P::IS_FAST, (call_to::<BYTES, W, S::Full, Full>), {
        let rip = S::get(cpu, op)?.to_u64();
        check::<BYTES, P>(cpu, rip)?;
        push_return::<BYTES, P>(cpu, op)?;
        Ok(rip)
    })
}
/// RET, releasing `imm` more bytes.
unsafe extern "C" fn ret<const BYTES: usize, P: Path>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    branch!(cpu, op, !P::IS_FAST, (ret::<BYTES, Full>), {
        if BYTES == 8 {
            let rsp = cpu.regs[gpr::RSP];
            let rip = cpu.read_on::<P, u64>(rsp, SS)?;
            check::<BYTES, P>(cpu, rip)?;
            cpu.regs[gpr::RSP] = rsp.wrapping_add(8).wrapping_add(op.imm);
            return Ok(rip);
        }
        if P::IS_FAST {
            return Err(Stop);
        }
        let sp = cpu.stack_pointer();
        let (rip, sp) = if BYTES == 4 {
            let (v, sp) = cpu.pop_at::<u32>(sp)?;
            (u64::from(v), sp)
        } else {
            let (v, sp) = cpu.pop_at::<u16>(sp)?;
            (u64::from(v), sp)
        };
        check::<BYTES, P>(cpu, rip)?;
        cpu.set_stack_pointer(sp.wrapping_add(op.imm));
        Ok(rip)
    })
}
/// LOOPNE (0), LOOPE (1), LOOP (2), JCXZ (3) in `aux`; the counter has the address size.
unsafe extern "C" fn loops<const BYTES: usize>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    branch!(cpu, op, true, loops::<BYTES>, {
        let mask = stack_mask(op.address_bytes);
        let count = cpu.regs[gpr::RCX] & mask;
        let left = if op.aux == 3 { count } else { count.wrapping_sub(1) & mask };
        let taken = match op.aux {
            0 => left != 0 && !cpu.flags.zf(),
            1 => left != 0 && cpu.flags.zf(),
            2 => left != 0,
            _ => left == 0,
        };
        let rip = if taken { target::<BYTES>(cpu, op.imm) } else { behind(cpu, op) };
        check::<BYTES, Full>(cpu, rip)?;
        if op.aux != 3 {
            let rcx = &mut cpu.regs[gpr::RCX];
            // A 32-bit counter clears the upper half, a 16-bit one leaves it.
            *rcx = if op.address_bytes == 2 { *rcx & !mask | left } else { left };
        }
        Ok(rip)
    })
}

macro_rules! by_ip {
    ($bytes:expr, $f:ident $(, $P:ident)?) => {
        match $bytes {
            8 => $f::<8 $(, $P)?> as Handler,
            4 => $f::<4 $(, $P)?> as Handler,
            _ => $f::<2 $(, $P)?> as Handler,
        }
    };
}

/// JMP to a relative target.
pub fn select_jmp(bytes: usize) -> Handler {
    by_ip!(bytes, jmp)
}
/// CALL to a relative target.
pub fn select_call(bytes: usize) -> Handler {
    by_ip!(bytes, call, Fast)
}
/// RET.
pub fn select_ret(bytes: usize) -> Handler {
    by_ip!(bytes, ret, Fast)
}
/// LOOP and JCXZ families.
pub fn select_loop(bytes: usize) -> Handler {
    by_ip!(bytes, loops)
}
/// Jcc with condition `cc`.
pub fn select_jcc(bytes: usize, cc: u8) -> Handler {
    macro_rules! table {
        ($b:literal: $($c:literal)*) => { [$(jcc::<$b, $c> as Handler),*] };
    }
    const LONG: [Handler; 16] = table!(8: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    const WIDE: [Handler; 16] = table!(4: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    const SHORT: [Handler; 16] = table!(2: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    let table = match bytes {
        8 => LONG,
        4 => WIDE,
        _ => SHORT,
    };
    table[usize::from(cc & 15)]
}
/// JMP or CALL through a register or memory.
pub fn select_indirect(is_call: bool, bytes: usize, memory: Option<Addressing>) -> Handler {
    macro_rules! width {
        ($b:literal, $W:ty) => {
            match (is_call, memory) {
                (false, None) => jmp_to::<$b, $W, Src> as Handler,
                (true, None) => call_to::<$b, $W, Src, Fast>,
                (false, Some(a)) => by_address!(a, A => jmp_to::<$b, $W, Mem<A>>),
                (true, Some(a)) => by_address!(a, A => call_to::<$b, $W, Mem<A>, Fast>),
            }
        };
    }
    match bytes {
        8 => width!(8, u64),
        4 => width!(4, u32),
        _ => width!(2, u16),
    }
}
