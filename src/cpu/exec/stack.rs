//! PUSH, POP, PUSHA, POPA, ENTER, LEAVE.
//!
//! `LONG` handlers are for 64-bit mode with 64-bit operands; the others take any stack and operand width.

use super::alu::{Addressing, by_address};
use super::place::{Fast, Full, Imm, Mem, Path, Source, Src};
use super::{handler, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::{Handler, Op};
use crate::cpu::state::{gpr, seg};
use crate::cpu::word::Word;
use iced_x86::Instruction;

const SS: u8 = seg::SS as u8;

impl Cpu {
    /// Pushes in 64-bit mode.
    #[inline(always)]
    pub(crate) fn push64<P: Path>(&mut self, value: u64) -> Result<(), Stop> {
        let rsp = self.regs[gpr::RSP].wrapping_sub(8);
        self.write_on::<P, u64>(rsp, SS, value)?;
        self.regs[gpr::RSP] = rsp;
        Ok(())
    }
    /// Pushes with the stack's own width.
    pub(crate) fn push<W: Word>(&mut self, value: W) -> Result<(), Stop> {
        let sp = self.push_at(self.stack_pointer(), value)?;
        self.set_stack_pointer(sp);
        Ok(())
    }
}

unsafe extern "C" fn push_long<P: Path, S: Source<u64>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, !P::IS_FAST, (push_long::<Full, S::Full>), {
        let value = S::get(cpu, op)?;
        cpu.push64::<P>(value)
    })
}
unsafe extern "C" fn push<W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (push::<W, S::Full>), {
        let value = S::get(cpu, op)?;
        cpu.push(value)
    })
}
unsafe extern "C" fn pop_long_reg<P: Path>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, !P::IS_FAST, pop_long_reg::<Full>, {
        let rsp = cpu.regs[gpr::RSP];
        let value = cpu.read_on::<P, u64>(rsp, SS)?;
        cpu.regs[gpr::RSP] = rsp.wrapping_add(8);
        // POP RSP: the popped value wins.
        cpu.set_reg(op.dst, value);
        Ok(())
    })
}
unsafe extern "C" fn pop_reg<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let (value, sp) = cpu.pop_at::<W>(cpu.stack_pointer())?;
        cpu.set_stack_pointer(sp);
        cpu.set_reg(op.dst, value);
        Ok(())
    })
}
unsafe extern "C" fn pop_mem<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let old = cpu.regs[gpr::RSP];
        let (value, sp) = cpu.pop_at::<W>(cpu.stack_pointer())?;
        // An address based on rSP uses its value after the pop (SDM vol. 2, POP).
        cpu.set_stack_pointer(sp);
        let done = cpu.store(op, value);
        if done.is_err() {
            cpu.regs[gpr::RSP] = old;
        }
        done
    })
}

/// PUSH of a register, an immediate or memory.
pub fn select_push(is_long: bool, bytes: usize, source: PushSource) -> Handler {
    macro_rules! width {
        ($f:ident, $g:ident) => {
            match source {
                PushSource::Register => $f::<$g, Src>,
                PushSource::Immediate => $f::<$g, Imm>,
                PushSource::Memory(a) => by_address!(a, A => $f::<$g, Mem<A>>),
            }
        };
    }
    match (is_long, bytes) {
        (true, 8) => width!(push_long, Fast),
        (_, 8) => width!(push, u64),
        (_, 4) => width!(push, u32),
        _ => width!(push, u16),
    }
}

/// What a PUSH pushes.
#[derive(Clone, Copy)]
pub enum PushSource {
    /// `op.src`
    Register,
    /// `op.imm`
    Immediate,
    /// The memory operand.
    Memory(Addressing),
}

/// POP into a register or memory.
pub fn select_pop(is_long: bool, bytes: usize, is_memory: bool) -> Handler {
    match (is_memory, is_long, bytes) {
        (false, true, 8) => pop_long_reg::<Fast>,
        (false, _, 8) => pop_reg::<u64>,
        (false, _, 4) => pop_reg::<u32>,
        (false, _, _) => pop_reg::<u16>,
        (true, _, 8) => pop_mem::<u64>,
        (true, _, 4) => pop_mem::<u32>,
        (true, _, _) => pop_mem::<u16>,
    }
}

/// LEAVE.
pub fn select_leave(bytes: usize) -> Handler {
    unsafe extern "C" fn leave<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
        handler!(cpu, op, {
            let from = cpu.regs[gpr::RBP] & crate::cpu::access::stack_mask(cpu.stack_bytes());
            let (value, sp) = cpu.pop_at::<W>(from)?;
            cpu.set_stack_pointer(sp);
            cpu.set_reg(gpr::RBP as u8 * 8, value);
            Ok(())
        })
    }
    match bytes {
        8 => leave::<u64>,
        4 => leave::<u32>,
        _ => leave::<u16>,
    }
}

/// ENTER (SDM vol. 2): a frame with `level` display pointers.
pub fn enter<W: Word>(cpu: &mut Cpu, _op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (size, level) = (u64::from(insn.immediate16()), insn.immediate8_2nd() % 32);
    let mask = crate::cpu::access::stack_mask(cpu.stack_bytes());
    let mut sp = cpu.push_at::<W>(cpu.stack_pointer(), W::from_u64(cpu.regs[gpr::RBP]))?;
    let frame = sp;
    let mut display = cpu.regs[gpr::RBP];
    for _ in 1..level {
        display = display.wrapping_sub(W::BYTES as u64);
        let (value, _) = cpu.pop_at::<W>(display & mask)?;
        sp = cpu.push_at(sp, value)?;
    }
    if level > 0 {
        sp = cpu.push_at::<W>(sp, W::from_u64(frame))?;
    }
    let sp = sp.wrapping_sub(size) & mask;
    // The new top of the stack must be writable (SDM vol. 2, ENTER: #PF and #SS conditions).
    let la = cpu.linear(SS, sp, W::BYTES as u64, true)?;
    cpu.probe_write(la, SS, W::BYTES)?;
    cpu.set_stack_pointer(sp);
    cpu.set_reg(gpr::RBP as u8 * 8, W::from_u64(frame));
    Ok(())
}

/// PUSHA and PUSHAD.
pub fn pusha<W: Word>(cpu: &mut Cpu, _op: &Op, _: &Instruction) -> Result<(), Stop> {
    let mut sp = cpu.stack_pointer();
    for r in 0..8 {
        sp = cpu.push_at(sp, W::from_u64(cpu.regs[r]))?;
    }
    cpu.set_stack_pointer(sp);
    Ok(())
}

/// POPA and POPAD: the stack pointer's slot is skipped.
pub fn popa<W: Word>(cpu: &mut Cpu, _op: &Op, _: &Instruction) -> Result<(), Stop> {
    let mut sp = cpu.stack_pointer();
    let mut values = [W::from_u64(0); 8];
    for v in values.iter_mut().rev() {
        (*v, sp) = cpu.pop_at::<W>(sp)?;
    }
    for (r, &v) in values.iter().enumerate().filter(|(r, _)| *r != gpr::RSP) {
        cpu.set_reg(r as u8 * 8, v);
    }
    cpu.set_stack_pointer(sp);
    Ok(())
}
