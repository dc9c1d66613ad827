//! Guest memory accesses: the fast path through the TLB, and everything that the fast path refuses.
//!
//! An access either happens as a whole or not at all: both pages of one that crosses a boundary are translated
//! before the first byte moves.

use super::Cpu;
use super::fault::{Fault, Stop};
use super::op::Op;
use super::phys::PAGE;
use super::state::{attr, seg};
use super::tlb::Class;
use super::word::Word;

/// The bytes of an access that is about to be made.
#[derive(Clone, Copy)]
enum Moved<'a> {
    /// So many are read.
    Read(usize),
    /// These are written.
    Write(&'a [u8]),
}

impl Cpu {
    /// Reads at a linear address with the current privilege. `segment` only decides between #GP and #SS.
    #[inline(always)]
    pub fn read<W: Word>(&mut self, la: u64, segment: u8) -> Result<W, Stop> {
        // SAFETY: the index is masked to the class's entries, which live as long as the TLB.
        let entry = unsafe { &*self.tlb_base.add(((la >> 12) & self.tlb_mask) as usize) };
        let offset = la ^ entry.read;
        if offset <= PAGE - W::BYTES as u64 {
            // SAFETY: a matching tag means that `host` is a whole page of RAM, and the access stays inside it.
            return Ok(unsafe { W::load(entry.host.add(offset as usize)) });
        }
        self.read_slow(la, W::BYTES as u32, segment).map(W::from_u64)
    }
    /// Reads if that needs no help; `Err` says nothing but that it does.
    #[inline(always)]
    pub(crate) fn read_fast<W: Word>(&mut self, la: u64) -> Result<W, Stop> {
        // SAFETY: host_for_read gave that many bytes.
        self.host_for_read(la, W::BYTES as u64).map(|host| unsafe { W::load(host) }).ok_or(Stop)
    }
    /// Writes if that needs no help; `Err` says nothing but that it does.
    #[inline(always)]
    pub(crate) fn write_fast<W: Word>(&mut self, la: u64, value: W) -> Result<(), Stop> {
        // SAFETY: host_for_write gave that many bytes.
        self.host_for_write(la, W::BYTES as u64).map(|host| unsafe { value.store(host) }).ok_or(Stop)
    }
    /// Writes at a linear address with the current privilege.
    #[inline(always)]
    pub fn write<W: Word>(&mut self, la: u64, segment: u8, value: W) -> Result<(), Stop> {
        // SAFETY: as in `read`.
        let entry = unsafe { &*self.tlb_base.add(((la >> 12) & self.tlb_mask) as usize) };
        let offset = la ^ entry.write;
        if offset <= PAGE - W::BYTES as u64 {
            // SAFETY: as in `read`; the write tag says that the page may be written without further notice.
            unsafe { value.store(entry.host.add(offset as usize)) };
            return Ok(());
        }
        self.write_slow(la, W::BYTES as u32, segment, value.to_u64())
    }
    /// The host address for `len` bytes that may be read in place, or `None` if they need the slow path.
    #[inline(always)]
    pub(crate) fn host_for_read(&self, la: u64, len: u64) -> Option<*const u8> {
        // SAFETY: as in `read`.
        let entry = unsafe { &*self.tlb_base.add(((la >> 12) & self.tlb_mask) as usize) };
        let offset = la ^ entry.read;
        // SAFETY: as in `read`.
        (offset <= PAGE - len).then(|| unsafe { entry.host.add(offset as usize).cast_const() })
    }
    /// The host address for `len` bytes that may be written in place, or `None` if they need the slow path.
    #[inline(always)]
    pub(crate) fn host_for_write(&self, la: u64, len: u64) -> Option<*mut u8> {
        // SAFETY: as in `read`.
        let entry = unsafe { &*self.tlb_base.add(((la >> 12) & self.tlb_mask) as usize) };
        let offset = la ^ entry.write;
        // SAFETY: as in `write`.
        (offset <= PAGE - len).then(|| unsafe { entry.host.add(offset as usize) })
    }
    #[cold]
    #[inline(never)]
    fn read_slow(&mut self, la: u64, size: u32, segment: u8) -> Result<u64, Stop> {
        if self.taps.has_memory()
            && let Some(value) = self.read_tapped(la, size)
        {
            return Ok(value);
        }
        let mut bytes = [0; 8];
        self.read_as(self.class, la, segment, &mut bytes[..size as usize])?;
        Ok(u64::from_le_bytes(bytes))
    }
    #[cold]
    #[inline(never)]
    fn write_slow(&mut self, la: u64, size: u32, segment: u8, value: u64) -> Result<(), Stop> {
        if self.taps.has_memory() && self.write_tapped(la, size, value).is_some() {
            return Ok(());
        }
        self.write_as(self.class, la, segment, &value.to_le_bytes()[..size as usize])
    }
    /// Reads `buf.len()` (1..=512) bytes with the current privilege.
    pub fn read_bytes(&mut self, la: u64, segment: u8, buf: &mut [u8]) -> Result<(), Stop> {
        if let Some(host) = self.host_for_read(la, buf.len() as u64) {
            // SAFETY: host_for_read gave that many bytes.
            unsafe { std::ptr::copy_nonoverlapping(host, buf.as_mut_ptr(), buf.len()) };
            return Ok(());
        }
        self.read_as(self.class, la, segment, buf)
    }
    /// Writes 1..=512 bytes with the current privilege.
    pub fn write_bytes(&mut self, la: u64, segment: u8, bytes: &[u8]) -> Result<(), Stop> {
        if let Some(host) = self.host_for_write(la, bytes.len() as u64) {
            // SAFETY: host_for_write gave that many bytes.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host, bytes.len()) };
            return Ok(());
        }
        self.write_as(self.class, la, segment, bytes)
    }
    /// Reads as an implicit supervisor access: descriptor tables, TSS (SDM vol. 3, 4.6).
    pub fn read_system<W: Word>(&mut self, la: u64) -> Result<W, Stop> {
        let mut bytes = [0; 8];
        self.read_as(Class::Supervisor, la, seg::DS as u8, &mut bytes[..W::BYTES])?;
        Ok(W::from_u64(u64::from_le_bytes(bytes)))
    }
    /// Writes as an implicit supervisor access.
    pub fn write_system<W: Word>(&mut self, la: u64, value: W) -> Result<(), Stop> {
        self.write_as(Class::Supervisor, la, seg::DS as u8, &value.to_u64().to_le_bytes()[..W::BYTES])
    }
    /// Reads with the rights of `class`, crossing pages and reaching devices as needed.
    pub(crate) fn read_as(&mut self, class: Class, la: u64, segment: u8, buf: &mut [u8]) -> Result<(), Stop> {
        self.check_address(class, la, segment, buf.len())?;
        let head = buf.len().min((PAGE - la % PAGE) as usize);
        let first = self.translate(class, la, false)?;
        let second =
            if head < buf.len() { Some(self.translate(class, self.wrap(la + head as u64), false)?) } else { None };
        self.watch(la, buf.len(), false)?;
        if self.has_watches() {
            self.probe(la, &[Some(first), second], head, Moved::Read(buf.len()))?;
        }
        self.read_physical(first, &mut buf[..head])?;
        if let Some(gpa) = second {
            self.read_physical(gpa, &mut buf[head..])?;
        }
        if self.taps.has_memory() {
            self.tap_read_parts(la, first, second, buf, head);
        }
        Ok(())
    }
    #[inline(never)]
    fn tap_read_parts(&mut self, la: u64, first: u64, second: Option<u64>, buf: &[u8], head: usize) {
        for (gpa, from, to) in [(Some(first), 0, head), (second, head, buf.len())] {
            if let Some(gpa) = gpa.filter(|&gpa| self.phys.page(gpa).is_some()) {
                self.tap_read(self.wrap(la.wrapping_add(from as u64)), gpa, &buf[from..to]);
            }
        }
    }
    /// Writes with the rights of `class`.
    pub(crate) fn write_as(&mut self, class: Class, la: u64, segment: u8, bytes: &[u8]) -> Result<(), Stop> {
        self.check_address(class, la, segment, bytes.len())?;
        let head = bytes.len().min((PAGE - la % PAGE) as usize);
        let first = self.translate(class, la, true)?;
        let second =
            if head < bytes.len() { Some(self.translate(class, self.wrap(la + head as u64), true)?) } else { None };
        self.watch(la, bytes.len(), true)?;
        if self.is_special(first, head) || second.is_some_and(|gpa| self.is_special(gpa, bytes.len() - head)) {
            self.must_be_alone()?;
        }
        if self.has_watches() {
            self.probe(la, &[Some(first), second], head, Moved::Write(bytes))?;
        }
        if self.taps.has_memory() {
            self.tap_write(la, first, &bytes[..head]);
            if let Some(gpa) = second {
                self.tap_write(self.wrap(la.wrapping_add(head as u64)), gpa, &bytes[head..]);
            }
        }
        self.write_physical(first, &bytes[..head]);
        if let Some(gpa) = second {
            self.write_physical(gpa, &bytes[head..]);
        }
        Ok(())
    }
    fn watch(&mut self, la: u64, len: usize, is_write: bool) -> Result<(), Stop> {
        let hits = self.data_breakpoints(la, len as u64, is_write);
        if hits != 0 {
            self.must_be_alone()?;
            self.state.debug_pending |= hits;
        }
        Ok(())
    }
    /// Notes what an observer watches of an access, before its bytes move. `parts` are the physical addresses of its one
    /// or two pages, `head` the bytes in the first.
    #[cold]
    fn probe(&mut self, la: u64, parts: &[Option<u64>; 2], head: usize, moved: Moved) -> Result<(), Stop> {
        let (len, is_write) = match moved {
            Moved::Read(len) => (len, false),
            Moved::Write(bytes) => (bytes.len(), true),
        };
        let spans = [(0, head), (head, len)];
        let at = |from: usize| self.wrap(la.wrapping_add(from as u64));
        let places: Vec<(u64, u64, usize, usize)> =
            spans.iter().zip(parts).filter_map(|(&(from, to), gpa)| gpa.map(|gpa| (at(from), gpa, from, to))).collect();
        if !places.iter().any(|&(la, gpa, from, to)| self.is_access_probed(la, gpa, (to - from) as u64, is_write)) {
            return Ok(());
        }
        self.must_be_alone()?;
        for (la, gpa, from, to) in places {
            let new = match moved {
                Moved::Write(bytes) => Some(&bytes[from..to]),
                Moved::Read(_) => None,
            };
            self.note_access(la, gpa, (to - from) as u64, new);
        }
        Ok(())
    }
    /// Writes guest-physical RAM from outside the CPU: loaders and devices that move data. False if there is no RAM.
    pub fn poke(&mut self, gpa: u64, bytes: &[u8]) -> bool {
        let mut at = gpa;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(page) = self.phys.page(at) else { return false };
            let offset = (at % PAGE) as usize;
            let (head, tail) = rest.split_at(rest.len().min(PAGE as usize - offset));
            self.write_ram(page, offset, head);
            at += head.len() as u64;
            rest = tail;
        }
        true
    }
    /// Checks that the byte at `la` could be read now, without reading.
    pub fn probe_read(&mut self, la: u64, segment: u8) -> Result<(), Stop> {
        self.check_address(self.class, la, segment, 1)?;
        self.translate(self.class, la, false).map(|_| ())
    }
    /// Checks that `len` bytes at `la` could be written now, without writing: for instructions that read first.
    pub fn probe_write(&mut self, la: u64, segment: u8, len: usize) -> Result<(), Stop> {
        self.check_address(self.class, la, segment, len)?;
        self.translate(self.class, la, true)?;
        let head = PAGE - la % PAGE;
        if (len as u64) > head {
            self.translate(self.class, self.wrap(la + head), true)?;
        }
        Ok(())
    }
    fn read_physical(&mut self, gpa: u64, buf: &mut [u8]) -> Result<(), Stop> {
        if self.phys.read(gpa, buf).is_some() {
            return Ok(());
        }
        self.must_be_alone()?;
        let now = self.now();
        for (at, chunk) in pieces(gpa, buf.len()) {
            let off = (at - gpa) as usize;
            let value = self.bus().mmio_read(at, chunk, now);
            self.tap_mmio(at, chunk, false, value);
            let value = value.to_le_bytes();
            buf[off..off + chunk as usize].copy_from_slice(&value[..chunk as usize]);
        }
        Ok(())
    }
    fn write_physical(&mut self, gpa: u64, bytes: &[u8]) {
        if let Some(page) = self.phys.page(gpa) {
            self.write_ram(page, (gpa % PAGE) as usize, bytes);
            return;
        }
        let now = self.now();
        for (at, chunk) in pieces(gpa, bytes.len()) {
            let off = (at - gpa) as usize;
            let mut value = [0; 8];
            value[..chunk as usize].copy_from_slice(&bytes[off..off + chunk as usize]);
            self.bus().mmio_write(at, chunk, u64::from_le_bytes(value), now);
            self.tap_mmio(at, chunk, true, u64::from_le_bytes(value));
        }
    }
    fn check_address(&mut self, class: Class, la: u64, segment: u8, len: usize) -> Result<(), Stop> {
        if class == Class::Checked && len.is_power_of_two() && len <= 8 && !la.is_multiple_of(len as u64) {
            return self.fault(Fault::ac());
        }
        if self.is_64bit() && !(is_canonical(la) && is_canonical(la.wrapping_add(len as u64 - 1))) {
            return self.fault(if usize::from(segment) == seg::SS { Fault::ss(0) } else { Fault::gp(0) });
        }
        Ok(())
    }
    fn wrap(&self, la: u64) -> u64 {
        if self.is_long() { la } else { la & 0xffff_ffff }
    }
    /// The offset part of an op's memory operand, truncated to the address size.
    #[inline(always)]
    pub fn offset(&self, op: &Op) -> u64 {
        let at = self.slot(op.base).wrapping_add(self.slot(op.index) << op.scale).wrapping_add(op.disp as i64 as u64);
        match op.address_bytes {
            8 => at,
            4 => at & 0xffff_ffff,
            _ => at & 0xffff,
        }
    }
    #[inline(always)]
    pub(crate) fn slot(&self, byte_offset: u8) -> u64 {
        debug_assert!(usize::from(byte_offset) / 8 < self.regs.len() && byte_offset.is_multiple_of(8));
        // SAFETY: decode only makes slots inside the register array.
        unsafe { *self.regs.as_ptr().byte_add(byte_offset as usize) }
    }
    /// The linear address of `len` bytes at `offset` in `segment`, after the segment's checks (SDM vol. 3, 5.3).
    #[inline]
    pub fn linear(&mut self, segment: u8, offset: u64, len: u64, is_write: bool) -> Result<u64, Stop> {
        if self.is_64bit() {
            let base = if segment >= seg::FS as u8 { self.state.seg[segment as usize].base } else { 0 };
            return Ok(base.wrapping_add(offset));
        }
        self.linear_checked(segment, offset, len, is_write)
    }
    fn linear_checked(&mut self, segment: u8, offset: u64, len: u64, is_write: bool) -> Result<u64, Stop> {
        let s = self.state.seg[segment as usize];
        let refuse = if usize::from(segment) == seg::SS { Fault::ss(0) } else { Fault::gp(0) };
        if s.attr & attr::P == 0 {
            return self.fault(refuse);
        }
        let is_code = s.attr & 8 != 0;
        let is_writable = !is_code && s.attr & 2 != 0;
        let is_readable = !is_code || s.attr & 2 != 0;
        let in_real = !self.is_protected() || self.is_v86();
        if !in_real && (is_write && !is_writable || !is_write && !is_readable) {
            return self.fault(refuse);
        }
        let last = offset + (len - 1);
        let expands_down = !is_code && s.attr & 4 != 0;
        let fits = if expands_down {
            let top = if s.attr & attr::DB != 0 { 0xffff_ffff } else { 0xffff };
            offset > u64::from(s.limit) && last <= top
        } else {
            last <= u64::from(s.limit)
        };
        if !fits {
            return self.fault(refuse);
        }
        Ok(s.base.wrapping_add(offset) & 0xffff_ffff)
    }
    /// The linear address of an op's memory operand of `len` bytes.
    #[inline]
    pub fn operand_address(&mut self, op: &Op, len: u64, is_write: bool) -> Result<u64, Stop> {
        let offset = self.offset(op);
        self.linear(op.seg, offset, len, is_write)
    }
    /// Reads an op's memory operand.
    #[inline]
    pub fn load<W: Word>(&mut self, op: &Op) -> Result<W, Stop> {
        let la = self.operand_address(op, W::BYTES as u64, false)?;
        self.read(la, op.seg)
    }
    /// Writes an op's memory operand.
    #[inline]
    pub fn store<W: Word>(&mut self, op: &Op, value: W) -> Result<(), Stop> {
        let la = self.operand_address(op, W::BYTES as u64, true)?;
        self.write(la, op.seg, value)
    }
    /// The stack pointer, truncated to the stack's width.
    pub fn stack_pointer(&self) -> u64 {
        self.regs[super::state::gpr::RSP] & stack_mask(self.stack_bytes())
    }
    /// Replaces the stack pointer, leaving the bits above the stack's width (a 32-bit one clears them).
    pub fn set_stack_pointer(&mut self, value: u64) {
        let width = self.stack_bytes();
        let rsp = &mut self.regs[super::state::gpr::RSP];
        *rsp = match width {
            8 => value,
            4 => value & 0xffff_ffff,
            _ => (*rsp & !0xffff) | (value & 0xffff),
        };
    }
    /// Writes a value below the stack pointer `sp` and returns the new stack pointer; registers do not change.
    pub fn push_at<W: Word>(&mut self, sp: u64, value: W) -> Result<u64, Stop> {
        let sp = sp.wrapping_sub(W::BYTES as u64) & stack_mask(self.stack_bytes());
        let la = self.linear(seg::SS as u8, sp, W::BYTES as u64, true)?;
        self.write(la, seg::SS as u8, value)?;
        Ok(sp)
    }
    /// Reads at the stack pointer `sp` and returns the value and the stack pointer after it.
    pub fn pop_at<W: Word>(&mut self, sp: u64) -> Result<(W, u64), Stop> {
        let la = self.linear(seg::SS as u8, sp, W::BYTES as u64, false)?;
        let value = self.read(la, seg::SS as u8)?;
        Ok((value, sp.wrapping_add(W::BYTES as u64) & stack_mask(self.stack_bytes())))
    }
}

/// All ones up to a stack width in bytes.
pub(crate) fn stack_mask(bytes: u8) -> u64 {
    match bytes {
        8 => u64::MAX,
        4 => 0xffff_ffff,
        _ => 0xffff,
    }
}

/// Bits 63..47 are all equal (SDM vol. 1, 3.3.7.1).
pub fn is_canonical(la: u64) -> bool {
    (la as i64) << 16 >> 16 == la as i64
}

/// Splits a device access into naturally aligned pieces of 1, 2, 4 or 8 bytes.
fn pieces(gpa: u64, len: usize) -> impl Iterator<Item = (u64, u8)> {
    let end = gpa + len as u64;
    let mut at = gpa;
    std::iter::from_fn(move || {
        if at == end {
            return None;
        }
        let mut size = 8;
        while !at.is_multiple_of(size) || at + size > end {
            size /= 2;
        }
        let piece = (at, size as u8);
        at += size;
        Some(piece)
    })
}
