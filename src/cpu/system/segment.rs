//! Descriptors and the loading of segment registers: fetch, checks, accessed bit (SDM vol. 3, chapters 3 and 5).
//!
//! Everything that fills a segment register comes through here. The functions return the new [`Segment`] and
//! leave it to the caller to put it in place, so that an instruction commits only after its last check.
//! Error codes here never carry EXT: `deliver` adds it where an event was being delivered.

use crate::cpu::Cpu;
use crate::cpu::access::is_canonical;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::state::{Segment, attr, seg};

/// System descriptor types (SDM vol. 3, table 3-2).
pub(super) mod kind {
    pub const TSS16: u8 = 1;
    pub const LDT: u8 = 2;
    pub const TSS16_BUSY: u8 = 3;
    pub const CALL16: u8 = 4;
    pub const TASK_GATE: u8 = 5;
    pub const INTERRUPT16: u8 = 6;
    pub const TRAP16: u8 = 7;
    pub const TSS32: u8 = 9;
    pub const TSS32_BUSY: u8 = 11;
    pub const CALL32: u8 = 12;
    pub const INTERRUPT32: u8 = 14;
    pub const TRAP32: u8 = 15;
    /// The bit that tells a busy TSS from an available one.
    pub const BUSY: u8 = 2;
}

/// The first eight bytes of a descriptor or gate, as they are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor(pub u64);

impl Descriptor {
    /// See [`attr`]: the limit's high nibble is left out.
    pub fn attr(self) -> u16 {
        (self.0 >> 40) as u16 & 0xf0ff
    }
    /// The four type bits.
    pub fn kind(self) -> u8 {
        self.attr() as u8 & 15
    }
    /// A code or data segment, not a system descriptor.
    pub fn is_segment(self) -> bool {
        self.attr() & attr::S != 0
    }
    pub fn is_present(self) -> bool {
        self.attr() & attr::P != 0
    }
    pub fn dpl(self) -> u8 {
        (self.attr() >> 5) as u8 & 3
    }
    /// The low 32 bits of the base.
    pub fn base(self) -> u64 {
        self.0 >> 16 & 0xff_ffff | self.0 >> 32 & 0xff00_0000
    }
    /// In bytes, granularity applied.
    pub fn limit(self) -> u32 {
        let raw = (self.0 & 0xffff | self.0 >> 32 & 0xf_0000) as u32;
        if self.attr() & attr::G != 0 { raw << 12 | 0xfff } else { raw }
    }
    pub fn is_code(self) -> bool {
        self.is_segment() && self.kind() & 8 != 0
    }
    pub fn is_conforming(self) -> bool {
        self.is_code() && self.kind() & 4 != 0
    }
    pub fn is_readable(self) -> bool {
        self.is_segment() && (self.kind() & 8 == 0 || self.kind() & 2 != 0)
    }
    pub fn is_writable(self) -> bool {
        self.is_segment() && self.kind() & 10 == 2
    }
    pub fn is_system(self, kind: u8) -> bool {
        !self.is_segment() && self.kind() == kind
    }
    /// An available TSS of a kind that the mode has.
    pub fn is_available_tss(self, is_long: bool) -> bool {
        self.is_system(kind::TSS32) || !is_long && self.is_system(kind::TSS16)
    }
    /// The register contents for this descriptor.
    pub fn segment(self, selector: u16) -> Segment {
        Segment { selector, attr: self.attr(), limit: self.limit(), base: self.base() }
    }
    /// A gate's target selector.
    pub fn gate_selector(self) -> u16 {
        (self.0 >> 16) as u16
    }
    /// The low 32 bits of a gate's offset; 16-bit gates use the low half.
    pub fn gate_offset(self) -> u64 {
        self.0 & 0xffff | self.0 >> 32 & 0xffff_0000
    }
}

/// The selector part of an error code: RPL removed.
pub(super) fn code(selector: u16) -> u32 {
    u32::from(selector & !3)
}
/// A selector that names no descriptor.
pub(super) fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}
/// Requested privilege level.
pub(super) fn rpl(selector: u16) -> u8 {
    selector as u8 & 3
}

impl Cpu {
    /// True where selectors are paragraph numbers: real mode and virtual-8086 mode.
    pub(super) fn has_paragraphs(&self) -> bool {
        !self.is_protected() || self.is_v86()
    }
    /// Linear address of a descriptor of `bytes` bytes, or `None` beyond its table's limit.
    pub(super) fn descriptor_address(&self, selector: u16, bytes: u64) -> Option<u64> {
        let (base, limit) = if selector & 4 == 0 {
            (self.state.gdtr.base, u64::from(self.state.gdtr.limit))
        } else if self.state.ldtr.attr & attr::P != 0 {
            (self.state.ldtr.base, u64::from(self.state.ldtr.limit))
        } else {
            return None;
        };
        let at = u64::from(selector & !7);
        (at + bytes - 1 <= limit).then(|| base.wrapping_add(at))
    }
    /// The descriptor that a selector names, or `refuse(selector)` beyond the table.
    pub(super) fn descriptor(&mut self, selector: u16, refuse: fn(u32) -> Fault) -> Result<Descriptor, Stop> {
        match self.descriptor_address(selector, 8) {
            Some(at) => Ok(Descriptor(self.read_system(at)?)),
            None => self.fault(refuse(code(selector))),
        }
    }
    /// A system descriptor as a segment: in long mode it has 16 bytes and a 64-bit base.
    pub(super) fn system_segment(
        &mut self,
        selector: u16,
        refuse: fn(u32) -> Fault,
    ) -> Result<(Descriptor, Segment), Stop> {
        let low = self.descriptor(selector, refuse)?;
        let mut segment = low.segment(selector);
        if self.is_long() {
            let high = self.long_half(selector, refuse)?;
            segment.base |= high << 32;
            if !is_canonical(segment.base) {
                return self.fault(refuse(code(selector)));
            }
        }
        Ok((low, segment))
    }
    /// The second half of a 16-byte descriptor, whose type bits must be zero (SDM vol. 3, 5.8.3.1).
    pub(super) fn long_half(&mut self, selector: u16, refuse: fn(u32) -> Fault) -> Result<u64, Stop> {
        let Some(at) = self.descriptor_address(selector, 16) else {
            return self.fault(refuse(code(selector)));
        };
        let high: u64 = self.read_system(at.wrapping_add(8))?;
        if high >> 40 & 0x1f != 0 {
            return self.fault(refuse(code(selector)));
        }
        Ok(high)
    }
    /// Sets the accessed bit of a segment's descriptor, if it is clear.
    pub(super) fn mark_accessed(&mut self, segment: &mut Segment) -> Result<(), Stop> {
        if is_null(segment.selector) || segment.attr & 1 != 0 {
            return Ok(());
        }
        if let Some(at) = self.descriptor_address(segment.selector, 8) {
            segment.attr |= 1;
            self.write_system(at.wrapping_add(5), segment.attr as u8)?;
        }
        Ok(())
    }
    /// What a real-mode or virtual-8086 load puts into a register: real mode keeps the cached limit.
    pub(super) fn paragraph(&self, register: usize, selector: u16) -> Segment {
        if self.is_v86() {
            return v86_segment(selector);
        }
        let old = self.state.seg[register];
        let kept = if old.attr & attr::P != 0 { old } else { Segment::real(0) };
        let kind = if register == seg::CS { kept.attr & 0xf } else { 3 };
        let attr = kept.attr & (attr::DB | attr::G) | attr::P | attr::S | kind;
        Segment { selector, base: u64::from(selector) << 4, limit: kept.limit, attr }
    }
    /// The new contents of a data or stack segment register (MOV, POP, LDS and the like). Sets the accessed bit.
    pub(super) fn load_segment(&mut self, register: usize, selector: u16) -> Result<Segment, Stop> {
        if self.has_paragraphs() {
            return Ok(self.paragraph(register, selector));
        }
        if register == seg::SS {
            let is_64bit = self.is_64bit();
            return self.load_stack_segment(selector, self.state.cpl, is_64bit, Fault::gp);
        }
        self.load_data_segment(selector, self.state.cpl, Fault::gp)
    }
    /// A data segment for code that runs at `cpl`; type and privilege violations become `refuse`.
    pub(super) fn load_data_segment(
        &mut self,
        selector: u16,
        cpl: u8,
        refuse: fn(u32) -> Fault,
    ) -> Result<Segment, Stop> {
        if is_null(selector) {
            return Ok(null_segment(selector));
        }
        let d = self.descriptor(selector, refuse)?;
        let is_private = !d.is_conforming();
        if !d.is_readable() || is_private && (rpl(selector) > d.dpl() || cpl > d.dpl()) {
            return self.fault(refuse(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::np(code(selector)));
        }
        let mut segment = d.segment(selector);
        self.mark_accessed(&mut segment)?;
        Ok(segment)
    }
    /// A stack segment for code that runs at `cpl`. Code that is 64-bit and not at level 3 may use a null one.
    pub(super) fn load_stack_segment(
        &mut self,
        selector: u16,
        cpl: u8,
        is_64bit: bool,
        refuse: fn(u32) -> Fault,
    ) -> Result<Segment, Stop> {
        if is_null(selector) {
            if is_64bit && cpl < 3 && rpl(selector) == cpl {
                return Ok(null_stack(selector));
            }
            return self.fault(refuse(0));
        }
        let d = self.descriptor(selector, refuse)?;
        if rpl(selector) != cpl || !d.is_writable() || d.dpl() != cpl {
            return self.fault(refuse(code(selector)));
        }
        if !d.is_present() {
            return self.fault(Fault::ss(code(selector)));
        }
        let mut segment = d.segment(selector);
        self.mark_accessed(&mut segment)?;
        Ok(segment)
    }
    /// Refuses an instruction pointer that its code segment cannot hold.
    pub(super) fn check_rip(&mut self, cs: &Segment, rip: u64) -> Result<(), Stop> {
        let is_64bit = self.is_long() && cs.attr & attr::L != 0;
        let fits = if is_64bit { is_canonical(rip) } else { rip <= u64::from(cs.limit) };
        if fits { Ok(()) } else { self.fault(Fault::gp(0)) }
    }
    /// Continues at `cs:rip` with privilege `cpl`.
    pub(super) fn enter_code(&mut self, cs: Segment, rip: u64, cpl: u8) {
        self.state.seg[seg::CS] = cs;
        self.state.cpl = cpl;
        self.rip = rip;
        self.update_mode();
    }
    /// Puts a segment in place.
    pub(super) fn set_segment(&mut self, register: usize, segment: Segment) {
        self.state.seg[register] = segment;
        self.update_mode();
    }
    /// After a return to an outer level: data segments that the new level may not use become null.
    pub(super) fn drop_inner_segments(&mut self) {
        for register in [seg::ES, seg::DS, seg::FS, seg::GS] {
            let s = self.state.seg[register];
            let is_conforming = s.attr & 0xc == 0xc;
            if s.attr & attr::P != 0 && !is_conforming && s.dpl() < self.state.cpl {
                self.state.seg[register] = null_segment(0);
            }
        }
    }
}

/// A register that holds a null selector. Intel processors clear the base as well.
pub(super) fn null_segment(selector: u16) -> Segment {
    Segment { selector, ..Segment::default() }
}
/// A null SS in 64-bit mode: usable, since 64-bit mode looks at nothing but its privilege level.
pub(super) fn null_stack(selector: u16) -> Segment {
    Segment { selector, attr: u16::from(rpl(selector)) << 5, ..Segment::default() }
}
/// A segment of virtual-8086 mode (SDM vol. 3, 20.2.1).
pub(super) fn v86_segment(selector: u16) -> Segment {
    Segment { attr: attr::P | attr::S | attr::DPL | 3, ..Segment::real(selector) }
}
/// A flat segment as SYSCALL and its relatives make them, without looking at any table.
pub(super) fn flat_segment(selector: u16, kind: u16, dpl: u16, width: u16) -> Segment {
    let attr = attr::P | attr::S | kind | dpl << 5 | width | attr::G;
    Segment { selector, attr, limit: u32::MAX, base: 0 }
}
