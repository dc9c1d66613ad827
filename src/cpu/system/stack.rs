//! A stack that is not (yet) the current one: what interrupts, calls and returns between levels push to and pop from.
//!
//! Nothing in the registers changes until `commit`, so a fault in the middle leaves the instruction restartable.
//! It also finds the stacks that a TSS names (SDM vol. 3, 5.8.5 and 8.2.1).

use super::segment::{code, is_null, null_stack, rpl};
use crate::cpu::Cpu;
use crate::cpu::access::{is_canonical, stack_mask};
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::state::{Segment, attr, cr, gpr, seg};
use crate::cpu::tlb::Class;

/// A stack position with the rights that accesses to it have.
pub(super) struct Stack {
    pub ss: Segment,
    pub sp: u64,
    /// Width of the stack pointer in bytes: 2, 4 or 8.
    width: u8,
    class: Class,
    /// The error code of a #SS when something does not fit.
    code: u32,
}

/// Width of the pointer into a stack used by code that is or is not 64-bit.
fn width_of(ss: &Segment, is_64bit: bool) -> u8 {
    match (is_64bit, ss.attr & attr::DB != 0) {
        (true, _) => 8,
        (false, true) => 4,
        (false, false) => 2,
    }
}

impl Stack {
    /// The stack in use.
    pub fn current(cpu: &Cpu) -> Stack {
        let class = cpu.class_at(cpu.state.cpl);
        Stack { ss: cpu.state.seg[seg::SS], sp: cpu.stack_pointer(), width: cpu.stack_bytes(), class, code: 0 }
    }
    /// The current stack, but as 64-bit code sees it.
    pub fn current_64(cpu: &Cpu) -> Stack {
        Stack { sp: cpu.regs[gpr::RSP], width: 8, ..Stack::current(cpu) }
    }
    /// Another stack, for code at privilege level `cpl`. A #SS for it names its selector.
    pub fn at(cpu: &Cpu, ss: Segment, sp: u64, cpl: u8, is_64bit: bool) -> Stack {
        let code = if is_64bit { 0 } else { code(ss.selector) };
        let width = width_of(&ss, is_64bit);
        Stack { sp: sp & stack_mask(width), width, class: cpu.class_at(cpl), code, ss }
    }
    fn address(&self, cpu: &mut Cpu, sp: u64, size: u8) -> Result<u64, Stop> {
        let last = sp.wrapping_add(u64::from(size) - 1);
        if self.width == 8 {
            let fits = is_canonical(sp) && is_canonical(last);
            return if fits { Ok(sp) } else { cpu.fault(Fault::ss(self.code)) };
        }
        let limit = u64::from(self.ss.limit);
        let fits = if self.ss.attr & 4 != 0 && self.ss.attr & 8 == 0 {
            sp > limit && last <= stack_mask(self.width)
        } else {
            last <= limit
        };
        if !fits || self.ss.attr & attr::P == 0 {
            return cpu.fault(Fault::ss(self.code));
        }
        Ok(self.ss.base.wrapping_add(sp) & 0xffff_ffff)
    }
    /// Pushes the low `size` bytes of a value.
    pub fn push(&mut self, cpu: &mut Cpu, value: u64, size: u8) -> Result<(), Stop> {
        let sp = self.sp.wrapping_sub(u64::from(size)) & stack_mask(self.width);
        let la = self.address(cpu, sp, size)?;
        cpu.write_as(self.class, la, seg::SS as u8, &value.to_le_bytes()[..size as usize])?;
        self.sp = sp;
        Ok(())
    }
    /// Pops `size` bytes.
    pub fn pop(&mut self, cpu: &mut Cpu, size: u8) -> Result<u64, Stop> {
        let la = self.address(cpu, self.sp, size)?;
        let mut bytes = [0; 8];
        cpu.read_as(self.class, la, seg::SS as u8, &mut bytes[..size as usize])?;
        self.skip(u64::from(size));
        Ok(u64::from_le_bytes(bytes))
    }
    /// Drops bytes without reading them.
    pub fn skip(&mut self, bytes: u64) {
        self.sp = self.sp.wrapping_add(bytes) & stack_mask(self.width);
    }
    /// Makes this the current stack. A 16-bit stack pointer leaves the bits above it as they are.
    pub fn commit(self, cpu: &mut Cpu) {
        cpu.state.seg[seg::SS] = self.ss;
        let rsp = &mut cpu.regs[gpr::RSP];
        *rsp = if self.width == 2 { *rsp & !0xffff | self.sp } else { self.sp };
    }
}

impl Cpu {
    /// The rights of explicit accesses at a privilege level.
    pub(super) fn class_at(&self, cpl: u8) -> Class {
        let ac = self.has_rflag(bit::AC);
        match (cpl, ac) {
            (3, true) if self.state.cr0 & cr::CR0_AM != 0 => Class::Checked,
            (3, _) => Class::User,
            (_, true) => Class::SupervisorAc,
            _ => Class::Supervisor,
        }
    }
    /// The task register's error code, for a TSS that is too short.
    fn tss_code(&self) -> u32 {
        code(self.state.tr.selector)
    }
    /// The stack that the TSS has for code at level `cpl` (0..=2) outside long mode.
    pub(super) fn tss_stack(&mut self, cpl: u8) -> Result<Stack, Stop> {
        let tr = self.state.tr;
        let is_32bit = tr.kind() & 8 != 0;
        let (at, last) = if is_32bit { (4 + u64::from(cpl) * 8, 5) } else { (2 + u64::from(cpl) * 4, 3) };
        if at + last > u64::from(tr.limit) {
            return self.fault(Fault::ts(self.tss_code()));
        }
        let from = tr.base.wrapping_add(at);
        let (sp, ss) = if is_32bit {
            (u64::from(self.read_system::<u32>(from)?), self.read_system::<u16>(from + 4)?)
        } else {
            (u64::from(self.read_system::<u16>(from)?), self.read_system::<u16>(from + 2)?)
        };
        let ss = self.load_stack_segment(ss, cpl, false, Fault::ts)?;
        Ok(Stack::at(self, ss, sp, cpl, false))
    }
    /// A stack of the 64-bit TSS: slot 0..=2 is RSP0..RSP2, slot 4..=10 is IST1..IST7.
    fn tss_pointer_64(&mut self, slot: u64) -> Result<u64, Stop> {
        let at = 4 + slot * 8;
        if at + 7 > u64::from(self.state.tr.limit) {
            return self.fault(Fault::ts(self.tss_code()));
        }
        let sp: u64 = self.read_system(self.state.tr.base.wrapping_add(at))?;
        if is_canonical(sp) { Ok(sp) } else { self.fault(Fault::ss(0)) }
    }
    /// The 64-bit stack for level `cpl`, with its null stack segment.
    pub(super) fn tss_stack_64(&mut self, cpl: u8) -> Result<Stack, Stop> {
        let sp = self.tss_pointer_64(u64::from(cpl))?;
        Ok(Stack::at(self, null_stack(u16::from(cpl)), sp, cpl, true))
    }
    /// Stack `ist` (1..=7) of the interrupt stack table, for a handler at level `cpl`.
    pub(super) fn ist_stack(&mut self, ist: u8, cpl: u8) -> Result<Stack, Stop> {
        let sp = self.tss_pointer_64(3 + u64::from(ist))?;
        let keeps_segment = cpl == self.state.cpl;
        let ss = if keeps_segment { self.state.seg[seg::SS] } else { null_stack(u16::from(cpl)) };
        Ok(Stack::at(self, ss, sp, cpl, true))
    }
    /// The stack that a return to an outer level (or any 64-bit IRET) pops: checked against the returning code.
    pub(super) fn outer_stack(&mut self, ss: u16, sp: u64, cs: &Segment) -> Result<Stack, Stop> {
        let cpl = rpl(cs.selector);
        let is_64bit = self.is_long() && cs.attr & attr::L != 0;
        if is_null(ss) && !is_64bit {
            return self.fault(Fault::gp(0));
        }
        let ss = self.load_stack_segment(ss, cpl, is_64bit, Fault::gp)?;
        Ok(Stack::at(self, ss, sp, cpl, is_64bit))
    }
}
