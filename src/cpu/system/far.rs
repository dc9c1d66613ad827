//! Far JMP, CALL and RET: direct, through call gates, and to other tasks (SDM vol. 3, 5.8; vol. 2, CALL, JMP, RET).

use super::segment::{Descriptor, code, is_null, kind, rpl};
use super::stack::Stack;
use super::task::Switch;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::state::{Segment, attr, gpr, seg};
use iced_x86::{Code, Instruction};

/// Where a call gate leads.
struct GateTarget {
    cs: Segment,
    offset: u64,
    dpl: u8,
    is_conforming: bool,
    /// Bytes of each pushed word.
    size: u8,
    parameters: u8,
}

/// JMP ptr16:16 and ptr16:32.
pub(super) fn jump_direct(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, offset, _) = direct_pointer(insn);
    cpu.far_jump(selector, offset)
}
/// CALL ptr16:16 and ptr16:32.
pub(super) fn call_direct(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, offset, size) = direct_pointer(insn);
    cpu.far_call(selector, offset, size)
}
/// JMP m16:16, m16:32 and m16:64.
pub(super) fn jump_indirect(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (selector, offset) = cpu.load_far_pointer(op, indirect_size(insn))?;
    cpu.far_jump(selector, offset)
}
/// CALL m16:16, m16:32 and m16:64.
pub(super) fn call_indirect(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let size = indirect_size(insn);
    let (selector, offset) = cpu.load_far_pointer(op, size)?;
    cpu.far_call(selector, offset, size)
}
/// RETF, with or without bytes to drop.
pub(super) fn ret(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let (size, has_immediate) = match insn.code() {
        Code::Retfw => (2, false),
        Code::Retfw_imm16 => (2, true),
        Code::Retfd => (4, false),
        Code::Retfd_imm16 => (4, true),
        Code::Retfq => (8, false),
        _ => (8, true),
    };
    let from = cpu.state.cpl;
    cpu.far_return(size, if has_immediate { u64::from(insn.immediate16()) } else { 0 })?;
    cpu.tap_return(from);
    Ok(())
}

fn direct_pointer(insn: &Instruction) -> (u16, u64, u8) {
    let selector = insn.far_branch_selector();
    match insn.code() {
        Code::Jmp_ptr1616 | Code::Call_ptr1616 => (selector, u64::from(insn.far_branch16()), 2),
        _ => (selector, u64::from(insn.far_branch32()), 4),
    }
}
fn indirect_size(insn: &Instruction) -> u8 {
    match insn.code() {
        Code::Jmp_m1616 | Code::Call_m1616 => 2,
        Code::Jmp_m1632 | Code::Call_m1632 => 4,
        _ => 8,
    }
}

impl Cpu {
    /// Reads a far pointer: an offset of `size` bytes, then a selector.
    pub(super) fn load_far_pointer(&mut self, op: &Op, size: u8) -> Result<(u16, u64), Stop> {
        let size = size as usize;
        let la = self.operand_address(op, size as u64 + 2, false)?;
        let mut bytes = [0; 10];
        self.read_bytes(la, op.seg, &mut bytes[..size + 2])?;
        let selector = u16::from_le_bytes([bytes[size], bytes[size + 1]]);
        let mut offset = [0; 8];
        offset[..size].copy_from_slice(&bytes[..size]);
        Ok((selector, u64::from_le_bytes(offset)))
    }
    fn far_jump(&mut self, selector: u16, offset: u64) -> Result<(), Stop> {
        if self.has_paragraphs() {
            let cs = self.paragraph(seg::CS, selector);
            self.check_rip(&cs, offset)?;
            self.enter_code(cs, offset, self.state.cpl);
            return Ok(());
        }
        let cpl = self.state.cpl;
        let d = self.far_descriptor(selector)?;
        if d.is_segment() {
            let cs = self.direct_target(d, selector)?;
            return self.jump_to(cs, offset, cpl);
        }
        match d.kind() {
            kind::CALL16 | kind::CALL32 => {
                let gate = self.call_gate(d, selector)?;
                if !gate.is_conforming && gate.dpl != cpl {
                    return self.fault(Fault::gp(code(gate.cs.selector)));
                }
                self.jump_to(gate.cs, gate.offset, cpl)
            }
            _ => self.far_task(d, selector, Switch::Jump),
        }
    }
    fn jump_to(&mut self, mut cs: Segment, offset: u64, cpl: u8) -> Result<(), Stop> {
        cs.selector = cs.selector & !3 | u16::from(cpl);
        self.check_rip(&cs, offset)?;
        self.mark_accessed(&mut cs)?;
        self.enter_code(cs, offset, cpl);
        Ok(())
    }
    fn far_call(&mut self, selector: u16, offset: u64, size: u8) -> Result<(), Stop> {
        let cpl = self.state.cpl;
        if self.has_paragraphs() {
            let cs = self.paragraph(seg::CS, selector);
            self.check_rip(&cs, offset)?;
            let mut stack = Stack::current(self);
            self.push_return(&mut stack, size)?;
            stack.commit(self);
            self.enter_code(cs, offset, cpl);
            return Ok(());
        }
        let d = self.far_descriptor(selector)?;
        if d.is_segment() {
            let cs = self.direct_target(d, selector)?;
            return self.call_to(cs, offset, size);
        }
        match d.kind() {
            kind::CALL16 | kind::CALL32 => {
                let gate = self.call_gate(d, selector)?;
                if gate.is_conforming || gate.dpl == cpl {
                    return self.call_to(gate.cs, gate.offset, gate.size);
                }
                self.call_inner(gate)
            }
            _ => self.far_task(d, selector, Switch::Call),
        }
    }
    /// A call that stays on its privilege level.
    fn call_to(&mut self, cs: Segment, offset: u64, size: u8) -> Result<(), Stop> {
        self.check_rip(&cs, offset)?;
        let mut stack = Stack::current(self);
        self.push_return(&mut stack, size)?;
        // The jump's remaining steps may still fault; RSP moves only after them.
        self.jump_to(cs, offset, self.state.cpl)?;
        stack.commit(self);
        self.update_mode();
        Ok(())
    }
    /// A call through a gate to an inner level: new stack, old SS:RSP, parameters, return address.
    fn call_inner(&mut self, gate: GateTarget) -> Result<(), Stop> {
        let size = gate.size;
        let mut old = Stack::current(self);
        let mut stack = if self.is_long() { self.tss_stack_64(gate.dpl)? } else { self.tss_stack(gate.dpl)? };
        stack.push(self, u64::from(self.state.seg[seg::SS].selector), size)?;
        stack.push(self, self.regs[gpr::RSP], size)?;
        let mut parameters = [0; 31];
        let parameters = &mut parameters[..gate.parameters as usize];
        for p in parameters.iter_mut() {
            *p = old.pop(self, size)?;
        }
        for &p in parameters.iter().rev() {
            stack.push(self, p, size)?;
        }
        self.push_return(&mut stack, size)?;
        self.jump_to(gate.cs, gate.offset, gate.dpl)?;
        stack.commit(self);
        self.update_mode();
        Ok(())
    }
    fn push_return(&mut self, stack: &mut Stack, size: u8) -> Result<(), Stop> {
        stack.push(self, u64::from(self.state.seg[seg::CS].selector), size)?;
        stack.push(self, self.rip, size)
    }
    fn far_descriptor(&mut self, selector: u16) -> Result<Descriptor, Stop> {
        if is_null(selector) {
            return self.fault(Fault::gp(0));
        }
        self.descriptor(selector, Fault::gp)
    }
    /// A code segment named by the instruction itself.
    fn direct_target(&mut self, d: Descriptor, selector: u16) -> Result<Segment, Stop> {
        let cpl = self.state.cpl;
        let allowed = if d.is_conforming() { d.dpl() <= cpl } else { rpl(selector) <= cpl && d.dpl() == cpl };
        if !d.is_code() || !allowed || self.is_contradictory(d) {
            return self.fault(Fault::gp(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        Ok(d.segment(selector & !3 | u16::from(cpl)))
    }
    /// In long mode a code segment cannot be 64-bit and 32-bit at once.
    fn is_contradictory(&self, d: Descriptor) -> bool {
        let both = attr::L | attr::DB;
        self.is_long() && d.attr() & both == both
    }
    /// A call gate and the code segment behind it, apart from the relation of its DPL to CPL.
    fn call_gate(&mut self, d: Descriptor, selector: u16) -> Result<GateTarget, Stop> {
        let cpl = self.state.cpl;
        if d.dpl() < cpl || d.dpl() < rpl(selector) || self.is_long() && d.kind() == kind::CALL16 {
            return self.fault(Fault::gp(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        let high = if self.is_long() { self.long_half(selector, Fault::gp)? } else { 0 };
        let target = d.gate_selector();
        let code_segment = self.far_descriptor(target)?;
        let is_64bit = code_segment.attr() & (attr::L | attr::DB) == attr::L;
        if !code_segment.is_code() || code_segment.dpl() > cpl || self.is_long() && !is_64bit {
            return self.fault(Fault::gp(code(target)));
        }
        if !code_segment.is_present() {
            return self.fault(Fault::np(code(target)));
        }
        let (size, offset, parameters) = match (self.is_long(), d.kind()) {
            (true, _) => (8, d.gate_offset() | high << 32, 0),
            (false, kind::CALL32) => (4, d.gate_offset(), (d.0 >> 32) as u8 & 31),
            _ => (2, d.gate_offset() & 0xffff, (d.0 >> 32) as u8 & 31),
        };
        let cs = code_segment.segment(target & !3 | u16::from(cpl));
        let (dpl, is_conforming) = (code_segment.dpl(), code_segment.is_conforming());
        Ok(GateTarget { cs, offset, dpl, is_conforming, size, parameters })
    }
    /// A far transfer to a task, by its TSS or by a task gate.
    fn far_task(&mut self, d: Descriptor, selector: u16, how: Switch) -> Result<(), Stop> {
        let is_task = d.kind() == kind::TASK_GATE || d.is_available_tss(false);
        let cpl = self.state.cpl;
        if !is_task || self.is_long() || d.dpl() < cpl || d.dpl() < rpl(selector) {
            return self.fault(Fault::gp(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        let mut tss = d.segment(selector);
        if d.kind() == kind::TASK_GATE {
            let selector = d.gate_selector();
            if selector & 4 != 0 {
                return self.fault(Fault::gp(code(selector)));
            }
            let behind = self.descriptor(selector, Fault::gp)?;
            if !behind.is_available_tss(false) {
                return self.fault(Fault::gp(code(selector)));
            }
            if !behind.is_present() {
                return self.fault(Fault::np(code(selector)));
            }
            tss = behind.segment(selector);
        }
        let fault = self.switch_task(tss, how, self.rflags())?;
        self.land(fault)?;
        self.tap_return(cpl);
        Ok(())
    }
    fn far_return(&mut self, size: u8, dropped: u64) -> Result<(), Stop> {
        let mut stack = Stack::current(self);
        let rip = stack.pop(self, size)?;
        let selector = stack.pop(self, size)? as u16;
        stack.skip(dropped);
        if self.has_paragraphs() {
            let cs = self.paragraph(seg::CS, selector);
            self.check_rip(&cs, rip)?;
            stack.commit(self);
            self.enter_code(cs, rip, self.state.cpl);
            return Ok(());
        }
        let mut cs = self.return_target(selector)?;
        let cpl = rpl(selector);
        let is_outer = cpl > self.state.cpl;
        if is_outer {
            let sp = stack.pop(self, size)?;
            let ss = stack.pop(self, size)? as u16;
            stack = self.outer_stack(ss, sp, &cs)?;
            stack.skip(dropped);
        }
        self.check_rip(&cs, rip)?;
        self.mark_accessed(&mut cs)?;
        stack.commit(self);
        self.enter_code(cs, rip, cpl);
        if is_outer {
            self.drop_inner_segments();
        }
        Ok(())
    }
    /// The code segment that RET or IRET returns to, at the level of the selector's RPL.
    pub(super) fn return_target(&mut self, selector: u16) -> Result<Segment, Stop> {
        let d = self.far_descriptor(selector)?;
        let level = rpl(selector);
        let fits = if d.is_conforming() { d.dpl() <= level } else { d.dpl() == level };
        if !d.is_code() || level < self.state.cpl || !fits || self.is_contradictory(d) {
            return self.fault(Fault::gp(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        Ok(d.segment(selector))
    }
}
