//! The way of an event through its gate to the handler: real-mode vectors, 16-, 32- and 64-bit gates, task gates
//! (SDM vol. 3, 6.12, 6.14 and 20.3; vol. 2, INT n).
//!
//! Registers change only after the last check and the last push.

use super::deliver::{Event, Source};
use super::segment::{Descriptor, code, is_null, kind, null_segment};
use super::stack::Stack;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::state::{Segment, attr, gpr, seg};

/// What every handler starts without.
const CLEARED: u64 = bit::TF | bit::NT | bit::VM | bit::RF;

/// A gate that passed its own checks.
struct Gate {
    descriptor: Descriptor,
    offset: u64,
    /// Bytes of each pushed word.
    size: u8,
    ist: u8,
}

impl Gate {
    fn clears_if(&self) -> bool {
        self.descriptor.kind() & 1 == 0
    }
}

/// The code segment a gate leads to, and the level that it runs at.
struct Target {
    cs: Segment,
    cpl: u8,
    is_inner: bool,
}

impl Cpu {
    /// Takes one event to its handler. `Ok(Some(_))` is a fault in the task that a task gate switched to.
    pub(super) fn interrupt(&mut self, event: &Event) -> Result<Option<Fault>, Stop> {
        if !self.is_protected() {
            return self.interrupt_real(event).map(|()| None);
        }
        let refuse = u32::from(event.vector) * 8 + 2;
        let size = if self.is_long() { 16 } else { 8 };
        let at = u64::from(event.vector) * size;
        if at + size - 1 > u64::from(self.state.idtr.limit) {
            return self.fault(Fault::gp(refuse));
        }
        let at = self.state.idtr.base.wrapping_add(at);
        let descriptor = Descriptor(self.read_system(at)?);
        let high: u64 = if self.is_long() { self.read_system(at.wrapping_add(8))? } else { 0 };
        let known = match descriptor.kind() {
            kind::INTERRUPT32 | kind::TRAP32 => true,
            kind::TASK_GATE | kind::INTERRUPT16 | kind::TRAP16 => !self.is_long(),
            _ => false,
        };
        if descriptor.is_segment() || !known {
            return self.fault(Fault::gp(refuse));
        }
        if event.source == Source::Software && descriptor.dpl() < self.state.cpl {
            return self.fault(Fault::gp(refuse));
        }
        if !descriptor.is_present() {
            return self.fault(Fault::np(refuse));
        }
        if descriptor.kind() == kind::TASK_GATE {
            return self.interrupt_task(descriptor.gate_selector(), event);
        }
        let gate = self.gate(descriptor, high);
        let target = self.gate_target(&gate)?;
        if self.is_long() {
            self.interrupt_64(event, &gate, target)?;
        } else {
            self.interrupt_32(event, &gate, target)?;
        }
        Ok(None)
    }
    fn gate(&self, descriptor: Descriptor, high: u64) -> Gate {
        let offset = descriptor.gate_offset();
        if self.is_long() {
            let ist = (descriptor.0 >> 32) as u8 & 7;
            return Gate { descriptor, offset: offset | high << 32, size: 8, ist };
        }
        let is_wide = descriptor.kind() & 8 != 0;
        let (offset, size) = if is_wide { (offset, 4) } else { (offset & 0xffff, 2) };
        Gate { descriptor, offset, size, ist: 0 }
    }
    fn gate_target(&mut self, gate: &Gate) -> Result<Target, Stop> {
        let selector = gate.descriptor.gate_selector();
        if is_null(selector) {
            return self.fault(Fault::gp(0));
        }
        let d = self.descriptor(selector, Fault::gp)?;
        let is_long_code = d.attr() & (attr::L | attr::DB) == attr::L;
        let cpl = self.state.cpl;
        let refused = !d.is_code()
            || d.dpl() > cpl
            || self.is_long() && !is_long_code
            || self.is_v86() && (d.is_conforming() || d.dpl() != 0);
        if refused {
            return self.fault(Fault::gp(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        let is_inner = !d.is_conforming() && d.dpl() < cpl;
        let cpl = if is_inner { d.dpl() } else { cpl };
        let mut cs = d.segment(selector & !3 | u16::from(cpl));
        self.mark_accessed(&mut cs)?;
        Ok(Target { cs, cpl, is_inner })
    }
    fn interrupt_real(&mut self, event: &Event) -> Result<(), Stop> {
        let at = u64::from(event.vector) * 4;
        if at + 3 > u64::from(self.state.idtr.limit) {
            return self.fault(Fault::gp(u32::from(event.vector) * 8 + 2));
        }
        let vector: u32 = self.read_system(self.state.idtr.base.wrapping_add(at))?;
        let mut stack = Stack::current(self);
        stack.push(self, event.saved_flags(self), 2)?;
        stack.push(self, u64::from(self.state.seg[seg::CS].selector), 2)?;
        stack.push(self, self.rip, 2)?;
        stack.commit(self);
        self.set_rflags(self.rflags() & !(bit::IF | bit::TF | bit::AC | bit::RF));
        let cs = self.paragraph(seg::CS, (vector >> 16) as u16);
        self.enter_code(cs, u64::from(vector & 0xffff), 0);
        Ok(())
    }
    fn interrupt_32(&mut self, event: &Event, gate: &Gate, target: Target) -> Result<(), Stop> {
        let mut stack = if target.is_inner { self.tss_stack(target.cpl)? } else { Stack::current(self) };
        let size = gate.size;
        let is_v86 = self.is_v86();
        if is_v86 {
            for register in [seg::GS, seg::FS, seg::DS, seg::ES] {
                stack.push(self, u64::from(self.state.seg[register].selector), size)?;
            }
        }
        if target.is_inner {
            stack.push(self, u64::from(self.state.seg[seg::SS].selector), size)?;
            stack.push(self, self.regs[gpr::RSP], size)?;
        }
        self.push_frame(&mut stack, event, size)?;
        self.check_rip(&target.cs, gate.offset)?;
        stack.commit(self);
        if is_v86 {
            for register in [seg::GS, seg::FS, seg::DS, seg::ES] {
                self.state.seg[register] = null_segment(0);
            }
        }
        self.enter_handler(gate, target);
        Ok(())
    }
    fn interrupt_64(&mut self, event: &Event, gate: &Gate, target: Target) -> Result<(), Stop> {
        let mut stack = match gate.ist {
            0 if target.is_inner => self.tss_stack_64(target.cpl)?,
            0 => Stack::current_64(self),
            ist => self.ist_stack(ist, target.cpl)?,
        };
        stack.sp &= !0xf;
        stack.push(self, u64::from(self.state.seg[seg::SS].selector), 8)?;
        stack.push(self, self.regs[gpr::RSP], 8)?;
        self.push_frame(&mut stack, event, 8)?;
        self.check_rip(&target.cs, gate.offset)?;
        stack.commit(self);
        self.enter_handler(gate, target);
        Ok(())
    }
    /// RFLAGS, CS, RIP and the error code.
    fn push_frame(&mut self, stack: &mut Stack, event: &Event, size: u8) -> Result<(), Stop> {
        stack.push(self, event.saved_flags(self), size)?;
        stack.push(self, u64::from(self.state.seg[seg::CS].selector), size)?;
        stack.push(self, self.rip, size)?;
        match event.code {
            Some(code) => stack.push(self, u64::from(code), size),
            None => Ok(()),
        }
    }
    fn enter_handler(&mut self, gate: &Gate, target: Target) {
        let cleared = if gate.clears_if() { CLEARED | bit::IF } else { CLEARED };
        self.set_rflags(self.rflags() & !cleared);
        self.enter_code(target.cs, gate.offset, target.cpl);
    }
    /// Through a task gate: a nested task switch, with the error code on the new task's stack.
    fn interrupt_task(&mut self, selector: u16, event: &Event) -> Result<Option<Fault>, Stop> {
        if selector & 4 != 0 {
            return self.fault(Fault::gp(code(selector)));
        }
        let (descriptor, tss) = self.system_segment(selector, Fault::gp)?;
        if !descriptor.is_available_tss(false) {
            return self.fault(Fault::gp(code(selector)));
        }
        let saved = event.saved_flags(self);
        let fault = self.switch_task(tss, super::task::Switch::Call, saved)?;
        let (None, Some(error)) = (fault, event.code) else { return Ok(fault) };
        let size = if self.state.tr.kind() & 8 != 0 { 4 } else { 2 };
        let mut stack = Stack::current(self);
        if stack.push(self, u64::from(error), size).is_err() {
            return Ok(Some(self.take_fault()));
        }
        stack.commit(self);
        Ok(None)
    }
}
