//! Hardware task switches, 16- and 32-bit (SDM vol. 3, chapter 8). Long mode has none.
//!
//! A switch has two halves. Up to the commit every fault belongs to the old task and nothing has changed; after
//! it the processor is in the new task, and a fault in loading its segments belongs to the new task.

use super::segment::{code, is_null, kind, rpl, v86_segment};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::bit;
use crate::cpu::state::{Segment, cr, gpr, seg};
use crate::cpu::tlb::Class;

/// What caused a switch: decides the busy bits, NT and the link field (SDM vol. 3, table 8-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Jump,
    /// CALL, or an event through a task gate: the new task is nested in the old one.
    Call,
    Return,
}

/// DR6.BT: a switch to a task whose T bit is set.
const DR6_BT: u64 = 1 << 15;
/// The local-enable bits of DR7, which a switch clears.
const DR7_LOCAL: u64 = 0x155;

/// A task's registers as its TSS holds them.
struct Image {
    cr3: Option<u32>,
    eip: u32,
    eflags: u32,
    regs: [u32; 8],
    segs: [u16; 6],
    ldt: u16,
    traps: bool,
}

/// Where the fields of a TSS are.
struct Layout {
    eip: u64,
    word: u64,
    segs: u64,
    seg_count: usize,
    ldt: u64,
    last: u32,
}

const LAYOUT_16: Layout = Layout { eip: 0x0e, word: 2, segs: 0x22, seg_count: 4, ldt: 0x2a, last: 0x2b };
const LAYOUT_32: Layout = Layout { eip: 0x20, word: 4, segs: 0x48, seg_count: 6, ldt: 0x60, last: 0x67 };

fn layout(tss: &Segment) -> &'static Layout {
    if tss.kind() & 8 != 0 { &LAYOUT_32 } else { &LAYOUT_16 }
}

impl Cpu {
    /// Switches to the task of `tss`, whose descriptor the caller has checked for type, privilege and presence.
    /// `saved_flags` goes into the old TSS. `Err`: nothing happened. `Ok(Some(_))`: a fault of the new task.
    pub(super) fn switch_task(&mut self, tss: Segment, how: Switch, saved_flags: u64) -> Result<Option<Fault>, Stop> {
        self.must_be_alone()?;
        if tss.limit < layout(&tss).last {
            return self.fault(Fault::ts(code(tss.selector)));
        }
        let mut image = self.read_image(&tss)?;
        let old = self.state.tr;
        let new_at = self.busy_byte(tss.selector)?;
        let old_at = if how == Switch::Call { None } else { self.busy_byte(old.selector)? };
        let saved_flags = if how == Switch::Return { saved_flags & !bit::NT } else { saved_flags };
        self.save_image(&old, saved_flags)?;
        if how == Switch::Call {
            self.write_system(tss.base, old.selector)?;
            image.eflags |= bit::NT as u32;
        }
        if let Some(at) = old_at {
            self.set_busy(at, false)?;
        }
        if let (Some(at), true) = (new_at, how != Switch::Return) {
            self.set_busy(at, true)?;
        }
        self.commit_task(&tss, &image);
        match self.load_task(&image) {
            Ok(()) => Ok(None),
            Err(Stop) => Ok(Some(self.take_fault())),
        }
    }
    /// Address of the type byte of a TSS descriptor, made sure to be writable.
    fn busy_byte(&mut self, selector: u16) -> Result<Option<u64>, Stop> {
        let Some(at) = self.descriptor_address(selector, 8) else { return Ok(None) };
        let at = at.wrapping_add(5);
        self.translate(Class::Supervisor, at, true)?;
        Ok(Some(at))
    }
    /// Sets or clears the busy bit of a descriptor at its type byte.
    pub(super) fn set_busy(&mut self, at: u64, is_busy: bool) -> Result<(), Stop> {
        let kind = self.read_system::<u8>(at)?;
        self.write_system(at, if is_busy { kind | kind::BUSY } else { kind & !kind::BUSY })
    }
    fn read_word(&mut self, at: u64, word: u64) -> Result<u32, Stop> {
        if word == 4 { self.read_system::<u32>(at) } else { self.read_system::<u16>(at).map(u32::from) }
    }
    fn read_image(&mut self, tss: &Segment) -> Result<Image, Stop> {
        let l = layout(tss);
        let is_32bit = l.word == 4;
        let mut regs = [0; 8];
        for (i, r) in regs.iter_mut().enumerate() {
            *r = self.read_word(tss.base + l.eip + (2 + i as u64) * l.word, l.word)?;
        }
        let mut segs = [0; 6];
        for (i, s) in segs[..l.seg_count].iter_mut().enumerate() {
            *s = self.read_system(tss.base + l.segs + i as u64 * l.word)?;
        }
        let has_paging = self.state.cr0 & cr::CR0_PG != 0;
        Ok(Image {
            cr3: if is_32bit && has_paging { Some(self.read_system(tss.base + 0x1c)?) } else { None },
            eip: self.read_word(tss.base + l.eip, l.word)?,
            eflags: self.read_word(tss.base + l.eip + l.word, l.word)?,
            regs,
            segs,
            ldt: self.read_system(tss.base + l.ldt)?,
            traps: is_32bit && self.read_system::<u8>(tss.base + 0x64)? & 1 != 0,
        })
    }
    /// Stores the running task's registers; CR3, LDT and the stacks of the inner levels are never stored.
    fn save_image(&mut self, tss: &Segment, flags: u64) -> Result<(), Stop> {
        let l = layout(tss);
        self.write_word(tss.base + l.eip, l.word, self.rip)?;
        self.write_word(tss.base + l.eip + l.word, l.word, flags)?;
        for i in 0..8 {
            self.write_word(tss.base + l.eip + (2 + i as u64) * l.word, l.word, self.regs[i])?;
        }
        for i in 0..l.seg_count {
            self.write_system(tss.base + l.segs + i as u64 * l.word, self.state.seg[i].selector)?;
        }
        Ok(())
    }
    fn write_word(&mut self, at: u64, word: u64, value: u64) -> Result<(), Stop> {
        if word == 4 { self.write_system(at, value as u32) } else { self.write_system(at, value as u16) }
    }
    /// The point of no return: everything that cannot fault. Segments hold their selectors but are not usable yet.
    fn commit_task(&mut self, tss: &Segment, image: &Image) {
        self.state.tr = *tss;
        self.state.tr.attr |= u16::from(kind::BUSY);
        self.state.cr0 |= cr::CR0_TS;
        self.state.dr[7] &= !DR7_LOCAL;
        self.debug_changed();
        for (i, &r) in image.regs.iter().enumerate() {
            self.regs[i] = u64::from(r);
        }
        self.rip = u64::from(image.eip);
        for (s, &selector) in self.state.seg.iter_mut().zip(&image.segs) {
            *s = Segment { selector, ..Segment::default() };
        }
        self.state.ldtr = Segment { selector: image.ldt, ..Segment::default() };
        self.state.cpl = rpl(image.segs[seg::CS]);
        self.set_rflags(u64::from(image.eflags));
        if image.traps {
            self.state.debug_pending |= DR6_BT;
        }
        self.update_mode();
    }
    fn load_task(&mut self, image: &Image) -> Result<(), Stop> {
        if let Some(cr3) = image.cr3 {
            self.replace_cr3(u64::from(cr3))?;
        }
        if !is_null(image.ldt) {
            self.state.ldtr = self.task_ldt(image.ldt)?;
        }
        if self.is_v86() {
            self.state.seg = image.segs.map(v86_segment);
            self.state.cpl = 3;
        } else {
            self.load_task_segments(&image.segs)?;
        }
        self.update_mode();
        let cs = self.state.seg[seg::CS];
        self.check_rip(&cs, self.rip)
    }
    fn task_ldt(&mut self, selector: u16) -> Result<Segment, Stop> {
        if selector & 4 != 0 {
            return self.fault(Fault::ts(code(selector)));
        }
        let d = self.descriptor(selector, Fault::ts)?;
        if !d.is_system(kind::LDT) || !d.is_present() {
            return self.fault(Fault::ts(code(selector)));
        }
        Ok(d.segment(selector))
    }
    fn load_task_segments(&mut self, segs: &[u16; 6]) -> Result<(), Stop> {
        let selector = segs[seg::CS];
        let cpl = rpl(selector);
        let cs = self.task_code(selector)?;
        self.state.seg[seg::CS] = cs;
        self.update_mode();
        let ss = self.load_stack_segment(segs[seg::SS], cpl, false, Fault::ts)?;
        self.set_segment(seg::SS, ss);
        for register in [seg::ES, seg::DS, seg::FS, seg::GS] {
            self.state.seg[register] = self.load_data_segment(segs[register], cpl, Fault::ts)?;
        }
        Ok(())
    }
    fn task_code(&mut self, selector: u16) -> Result<Segment, Stop> {
        if is_null(selector) {
            return self.fault(Fault::ts(0));
        }
        let d = self.descriptor(selector, Fault::ts)?;
        let level = rpl(selector);
        let fits = if d.is_conforming() { d.dpl() <= level } else { d.dpl() == level };
        if !d.is_code() || !fits {
            return self.fault(Fault::ts(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        let mut cs = d.segment(selector);
        self.mark_accessed(&mut cs)?;
        Ok(cs)
    }
    /// IRET with NT set: back to the task in the link field.
    pub(super) fn return_to_linked_task(&mut self) -> Result<(), Stop> {
        let link: u16 = self.read_system(self.state.tr.base)?;
        if link & 4 != 0 || is_null(link) {
            return self.fault(Fault::ts(code(link)));
        }
        let (d, tss) = self.system_segment(link, Fault::ts)?;
        if !d.is_system(kind::TSS32_BUSY) && !d.is_system(kind::TSS16_BUSY) {
            return self.fault(Fault::ts(code(link)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(link)));
        }
        let fault = self.switch_task(tss, Switch::Return, self.rflags())?;
        self.land(fault)
    }
}

const _: () = assert!(gpr::RDI == 7, "a TSS holds the registers in encoding order");
