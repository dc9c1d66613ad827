//! IRET in every mode: same level, outer level, to virtual-8086 mode, to the linked task, 64-bit
//! (SDM vol. 2, IRET/IRETD/IRETQ).

use super::segment::{rpl, v86_segment};
use super::stack::Stack;
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::op::Op;
use crate::cpu::state::seg;
use iced_x86::{Code, Instruction};

/// IRET, IRETD, IRETQ.
pub(super) fn iret(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let size = match insn.code() {
        Code::Iretw => 2,
        Code::Iretd => 4,
        _ => 8,
    };
    let from = cpu.state.cpl;
    if cpu.has_paragraphs() {
        cpu.iret_paragraphs(size)?;
    } else if cpu.has_rflag(bit::NT) {
        if cpu.is_long() {
            return cpu.fault(Fault::gp(0));
        }
        cpu.return_to_linked_task()?;
    } else {
        cpu.iret_protected(size)?;
    }
    cpu.state.nmi_blocked = false;
    cpu.tap_return(from);
    Ok(())
}

impl Cpu {
    /// RFLAGS after an IRET at level `cpl` that popped `value`.
    fn flags_from_iret(&self, value: u64, size: u8, cpl: u8) -> u64 {
        let mut mask = bit::STATUS | bit::TF | bit::DF | bit::NT;
        if size >= 4 {
            mask |= bit::RF | bit::AC | bit::ID;
        }
        if cpl <= self.iopl() {
            mask |= bit::IF;
        }
        if cpl == 0 {
            mask |= bit::IOPL;
            if size >= 4 && self.is_protected() {
                mask |= bit::VIF | bit::VIP;
            }
        }
        self.rflags() & !mask | value & mask
    }
    fn iret_paragraphs(&mut self, size: u8) -> Result<(), Stop> {
        if self.is_v86() && self.iopl() < 3 {
            return self.fault(Fault::gp(0));
        }
        let mut stack = Stack::current(self);
        let rip = stack.pop(self, size)?;
        let selector = stack.pop(self, size)? as u16;
        let flags = stack.pop(self, size)?;
        let cs = self.paragraph(seg::CS, selector);
        self.check_rip(&cs, rip)?;
        stack.commit(self);
        self.set_rflags(self.flags_from_iret(flags, size, self.state.cpl));
        self.enter_code(cs, rip, self.state.cpl);
        Ok(())
    }
    fn iret_protected(&mut self, size: u8) -> Result<(), Stop> {
        let mut stack = Stack::current(self);
        let rip = stack.pop(self, size)?;
        let selector = stack.pop(self, size)? as u16;
        let flags = stack.pop(self, size)?;
        let old_cpl = self.state.cpl;
        if size == 4 && flags & bit::VM != 0 && old_cpl == 0 && !self.is_long() {
            return self.iret_to_v86(stack, rip, selector, flags);
        }
        let mut cs = self.return_target(selector)?;
        let cpl = rpl(selector);
        if cpl > old_cpl || self.is_64bit() {
            let sp = stack.pop(self, size)?;
            let ss = stack.pop(self, size)? as u16;
            stack = self.outer_stack(ss, sp, &cs)?;
        }
        self.check_rip(&cs, rip)?;
        self.mark_accessed(&mut cs)?;
        stack.commit(self);
        self.set_rflags(self.flags_from_iret(flags, size, old_cpl));
        self.enter_code(cs, rip, cpl);
        if cpl > old_cpl {
            self.drop_inner_segments();
        }
        Ok(())
    }
    fn iret_to_v86(&mut self, mut stack: Stack, rip: u64, cs: u16, flags: u64) -> Result<(), Stop> {
        let sp = stack.pop(self, 4)?;
        let ss = stack.pop(self, 4)? as u16;
        let mut data = [0; 4];
        for d in &mut data {
            *d = stack.pop(self, 4)? as u16;
        }
        let cs = v86_segment(cs);
        self.check_rip(&cs, rip)?;
        for (register, selector) in [seg::ES, seg::DS, seg::FS, seg::GS].into_iter().zip(data) {
            self.state.seg[register] = v86_segment(selector);
        }
        self.state.seg[seg::SS] = v86_segment(ss);
        self.regs[crate::cpu::state::gpr::RSP] = sp;
        self.set_rflags(flags);
        self.enter_code(cs, rip, 3);
        Ok(())
    }
}
