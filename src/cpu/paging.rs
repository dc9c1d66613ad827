//! Address translation (SDM vol. 3, chapter 4), and what keeps cached translations equal to the tables in memory.
//!
//! The invariant: a cached translation is always what a fresh walk would give, accessed and dirty bits included,
//! so neither the size nor the age of any cache can be seen by the guest. To that end every page that a walk
//! read an entry from is marked `page::TABLE`; stores to such a page take the slow path, and a store that
//! changes a present entry forgets what was derived from it. Accessed and dirty bits are set when, and only
//! when, the whole walk succeeds and the access is allowed.

use super::Cpu;
use super::block::Half;
use super::fault::{Fault, Stop};
use super::phys::{PAGE, RamPage, page};
use super::state::cr;
use super::tlb::{Allow, BANKS, Class, NO_ROOT};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Physical addresses have 40 bits (CPUID 8000_0008h).
pub const PHYSICAL_BITS: u32 = 40;
pub(crate) const FRAME: u64 = ((1 << PHYSICAL_BITS) - 1) & !(PAGE - 1);

/// A linear address that nothing is at: that of accesses made by physical address.
const NOWHERE: u64 = 1 << 63;

/// Page-fault error code bits (SDM vol. 3, 4.7).
mod code {
    pub const PRESENT: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const USER: u32 = 4;
    pub const RESERVED: u32 = 8;
    pub const FETCH: u32 = 16;
}

/// What an access wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// The shapes of page tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paging {
    Off,
    Bits32,
    Pae,
    FourLevel,
}

/// Where a RAM page was used as a paging structure.
#[derive(Clone, Copy, Default)]
struct TableUse {
    /// Linear address of its first entry's range, with the level in the low bits.
    at: u64,
    /// `Tables::generation` of its last use.
    generation: u32,
    /// Stores to it since its last use.
    stores: u16,
    /// Used at more than one place: any change forgets everything.
    is_shared: bool,
}

/// After this many stores without a walk, a page is taken to be a page table no longer.
const STORES_UNTIL_DATA: u16 = 64;

/// Bookkeeping of the pages that translations were made from.
pub struct Tables {
    uses: Vec<TableUse>,
    /// Raised whenever the whole TLB is flushed: older uses have nothing cached.
    generation: u32,
}

impl Tables {
    /// For a machine with this many RAM pages.
    pub fn new(pages: usize) -> Tables {
        Tables { uses: vec![TableUse::default(); pages], generation: 1 }
    }
}

/// A successful walk.
struct Walk {
    gpa: u64,
    allows: u64,
    /// Entry addresses from the top, and the level of the last.
    entries: [(u64, u64); 4],
    depth: usize,
    is_dirty: bool,
}

impl Cpu {
    fn paging(&self) -> Paging {
        let s = &self.state;
        if s.cr0 & cr::CR0_PG == 0 {
            Paging::Off
        } else if s.efer & cr::EFER_LMA != 0 {
            Paging::FourLevel
        } else if s.cr4 & cr::CR4_PAE != 0 {
            Paging::Pae
        } else {
            Paging::Bits32
        }
    }

    /// Translates one data access and caches the translation. Returns the guest-physical address.
    pub(crate) fn translate(&mut self, class: Class, la: u64, is_write: bool) -> Result<u64, Stop> {
        let class = if class == Class::Checked { Class::User } else { class };
        let la = if self.is_long() { la } else { la & 0xffff_ffff };
        let tag = la & !(PAGE - 1);
        let entry = *self.tlb.entry(class, la);
        let is_known = (if is_write { entry.write } else { entry.read }) == tag;
        if is_known || self.taps.has_memory() && self.tlb.is_hidden(class, la, is_write) {
            let index = self.tlb.page_index(class, la);
            return Ok(self.phys.page_address(index) | (la % PAGE));
        }
        self.translate_slow(class, la, if is_write { Access::Write } else { Access::Read })
    }

    /// Translates an instruction fetch. Returns the guest-physical address.
    pub(crate) fn translate_fetch(&mut self, la: u64) -> Result<u64, Stop> {
        let class = if self.class == Class::Checked { Class::User } else { self.class };
        let la = if self.is_long() { la } else { la & 0xffff_ffff };
        let entry = *self.tlb.entry(class, la);
        if entry.fetch == la & !(PAGE - 1) {
            let index = self.tlb.page_index(class, la);
            return Ok(self.phys.page_address(index) | (la % PAGE));
        }
        self.translate_slow(class, la, Access::Fetch)
    }

    /// Translates for a debugger: no rights are checked and nothing in the guest changes.
    pub fn translate_quietly(&self, la: u64) -> Option<u64> {
        if self.paging() == Paging::Off {
            return Some(la & 0xffff_ffff);
        }
        self.walk(la).ok().map(|w| w.gpa)
    }

    /// As [`Cpu::translate_quietly`], by the four-level page tables at the physical address `root`. `None` outside long
    /// mode, where only the tables that are loaded can be walked.
    pub fn translate_in(&self, root: u64, la: u64) -> Option<u64> {
        (self.paging() == Paging::FourLevel)
            .then(|| self.walk_64(la, root & FRAME, 4, WRITABLE | USER).ok())?
            .map(|w| w.gpa)
    }

    fn translate_slow(&mut self, class: Class, la: u64, access: Access) -> Result<u64, Stop> {
        if self.paging() == Paging::Off {
            if let Some(ram) = self.phys.page(la) {
                self.fill(class, la, ram, Allow { read: true, write: true, fetch: true }, access);
            }
            return Ok(la);
        }
        let walk = match self.walk(la) {
            Ok(walk) => walk,
            Err(cause) => return self.page_fault(la, cause, class, access),
        };
        let allow = self.rights(class, walk.allows);
        let allowed = match access {
            Access::Read => allow.read,
            Access::Write => allow.write,
            Access::Fetch => allow.fetch,
        };
        if !allowed {
            return self.page_fault(la, code::PRESENT, class, access);
        }
        if self.has_watches() {
            self.note_marks(&walk, access == Access::Write)?;
        }
        self.mark_used(la, &walk, access == Access::Write);
        if let Some(ram) = self.phys.page(walk.gpa) {
            let write = allow.write && (walk.is_dirty || access == Access::Write);
            self.fill(class, la, ram, Allow { write, ..allow }, access);
        }
        Ok(walk.gpa)
    }

    /// Caches a translation. A write tag is granted only to pages that need no notice of writes.
    fn fill(&mut self, class: Class, la: u64, ram: RamPage, allow: Allow, access: Access) {
        let mut write = allow.write;
        if write && access == Access::Write && self.phys.attrs[ram.index] & (page::CODE | page::TABLE) == 0 {
            self.phys.mark_dirty(ram.index);
        }
        let attrs = self.phys.attrs[ram.index];
        write &= attrs & page::DIRTY != 0 && attrs & (page::CODE | page::TABLE) == 0;
        let (mut read_watched, mut write_watched) = (false, false);
        if self.has_watches() {
            (read_watched, write_watched) = self.is_page_probed(la, self.phys.page_address(ram.index));
        }
        if self.is_page_watched(la) {
            (read_watched, write_watched) = (true, true);
        }
        self.note_filled(la, ram.index, allow.read, write || access == Access::Write);
        if write {
            self.phys.attrs[ram.index] |= page::GRANTED;
        }
        let free = Allow { read: allow.read && !read_watched, write: write && !write_watched, fetch: allow.fetch };
        if !self.taps.has_memory() {
            return self.tlb.fill(class, la, ram.index, ram.host, free);
        }
        let (read_tapped, write_tapped) = self.is_page_tapped(la, self.phys.page_address(ram.index));
        // What is read to be written is read by leave of the write tag.
        let write = free.write && !read_tapped && !write_tapped;
        self.tlb.fill(class, la, ram.index, ram.host, Allow { read: free.read && !read_tapped, write, ..free });
        self.tlb.hide(class, la, allow.read, allow.write);
    }

    /// What a class may do with a page whose combined entry bits are `allows` (SDM vol. 3, 4.6.1).
    fn rights(&self, class: Class, allows: u64) -> Allow {
        let s = &self.state;
        let executable = allows & NO_EXECUTE == 0;
        let (user, writable) = (allows & USER != 0, allows & WRITABLE != 0);
        if class == Class::User {
            return Allow { read: user, write: user && writable, fetch: user && executable };
        }
        let data = !(user && s.cr4 & cr::CR4_SMAP != 0 && class == Class::Supervisor);
        let write = writable || s.cr0 & cr::CR0_WP == 0;
        Allow { read: data, write: data && write, fetch: executable && !(user && s.cr4 & cr::CR4_SMEP != 0) }
    }

    fn page_fault(&mut self, la: u64, cause: u32, class: Class, access: Access) -> Result<u64, Stop> {
        let mut error = cause;
        if access == Access::Write {
            error |= code::WRITE;
        }
        if class == Class::User {
            error |= code::USER;
        }
        let has_nx = self.state.efer & cr::EFER_NXE != 0 && self.paging() != Paging::Bits32;
        if access == Access::Fetch && (has_nx || self.state.cr4 & cr::CR4_SMEP != 0) {
            error |= code::FETCH;
        }
        self.fault(Fault::pf(la, error))
    }

    /// Reads the entries for `la` without changing them. The error is the code's P and RSVD bits.
    fn walk(&self, la: u64) -> Result<Walk, u32> {
        match self.paging() {
            Paging::Off => unreachable!("the caller handles paging that is off"),
            Paging::Bits32 => self.walk_32(la),
            Paging::Pae => {
                let pdpte = self.state.pdpte[(la >> 30) as usize & 3];
                if pdpte & PRESENT == 0 {
                    return Err(0);
                }
                // PDPTEs are registers (SDM vol. 3, 4.4.1) and carry no rights.
                self.walk_64(la, pdpte & FRAME, 2, WRITABLE | USER)
            }
            Paging::FourLevel => self.walk_64(la, self.state.cr3 & FRAME, 4, WRITABLE | USER),
        }
    }

    fn walk_64(&self, la: u64, root: u64, levels: usize, allows: u64) -> Result<Walk, u32> {
        let mut allows = allows;
        let mut table = root;
        let mut entries = [(0, 0); 4];
        let nx = self.state.efer & cr::EFER_NXE != 0;
        for (depth, level) in (1..=levels).rev().enumerate() {
            let shift = 12 + 9 * (level as u32 - 1);
            let at = table + ((la >> shift) & 511) * 8;
            let entry = self.table_entry(at, 8);
            if entry & PRESENT == 0 {
                return Err(0);
            }
            entries[depth] = (at, entry);
            allows = (allows & (entry | NO_EXECUTE)) | (entry & NO_EXECUTE);
            let is_leaf = level == 1 || level <= 3 && entry & LARGE != 0;
            let mut reserved = ((1 << 52) - 1) & !((1u64 << PHYSICAL_BITS) - 1);
            if !nx {
                reserved |= NO_EXECUTE;
            }
            if levels == 2 {
                reserved |= 0x7ff0_0000_0000_0000;
            }
            if level == 4 {
                reserved |= LARGE;
            }
            if is_leaf && level > 1 {
                reserved |= ((1u64 << shift) - 1) & !0x1fff;
            }
            if entry & reserved != 0 {
                return Err(code::PRESENT | code::RESERVED);
            }
            if is_leaf {
                let offset = (1u64 << shift) - 1;
                let gpa = (entry & FRAME & !offset) | (la & offset);
                return Ok(Walk { gpa, allows, entries, depth: depth + 1, is_dirty: entry & DIRTY != 0 });
            }
            table = entry & FRAME;
        }
        unreachable!("level 1 is a leaf")
    }

    fn walk_32(&self, la: u64) -> Result<Walk, u32> {
        let mut entries = [(0, 0); 4];
        let pde_at = (self.state.cr3 & 0xffff_f000) + ((la >> 22) & 1023) * 4;
        let pde = self.table_entry(pde_at, 4);
        if pde & PRESENT == 0 {
            return Err(0);
        }
        entries[0] = (pde_at, pde);
        let allows = pde & (WRITABLE | USER);
        if pde & LARGE != 0 && self.state.cr4 & cr::CR4_PSE != 0 {
            // PSE-36: bits 20..13 are physical bits 39..32, bit 21 is reserved (SDM vol. 3, table 4-4).
            if pde & (1 << 21) != 0 {
                return Err(code::PRESENT | code::RESERVED);
            }
            let gpa = (pde & 0xffc0_0000) | ((pde >> 13 & 0xff) << 32) | (la & 0x3f_ffff);
            return Ok(Walk { gpa, allows, entries, depth: 1, is_dirty: pde & DIRTY != 0 });
        }
        let pte_at = (pde & 0xffff_f000) + ((la >> 12) & 1023) * 4;
        let pte = self.table_entry(pte_at, 4);
        if pte & PRESENT == 0 {
            return Err(0);
        }
        entries[1] = (pte_at, pte);
        let gpa = (pte & 0xffff_f000) | (la & 0xfff);
        Ok(Walk { gpa, allows: allows & pte, entries, depth: 2, is_dirty: pte & DIRTY != 0 })
    }

    /// A paging-structure entry; tables outside RAM read as not present.
    fn table_entry(&self, gpa: u64, bytes: usize) -> u64 {
        let Some(ram) = self.phys.page(gpa) else { return 0 };
        // SAFETY: entries are naturally aligned, so this one is inside the page.
        let at = unsafe { ram.host.add((gpa % PAGE) as usize) };
        if bytes == 8 {
            // SAFETY: as above.
            u64::from_le(unsafe { at.cast::<u64>().read() })
        } else {
            // SAFETY: as above.
            u64::from(u32::from_le(unsafe { at.cast::<u32>().read() }))
        }
    }

    /// Accessed and dirty bits that are about to be set are writes to physical memory.
    fn note_marks(&mut self, walk: &Walk, is_write: bool) -> Result<(), Stop> {
        for (depth, &(at, entry)) in walk.entries[..walk.depth].iter().enumerate() {
            let is_leaf = depth + 1 == walk.depth;
            let want = entry | ACCESSED | if is_leaf && is_write { DIRTY } else { 0 };
            if want != entry && self.is_access_probed(NOWHERE, at, 1, true) {
                self.must_be_alone()?;
                self.note_access(NOWHERE, at, 1, Some(&[want as u8]));
            }
        }
        Ok(())
    }

    /// Sets accessed and dirty bits of a walk, and remembers which pages its entries are in.
    fn mark_used(&mut self, la: u64, walk: &Walk, is_write: bool) {
        let wide = self.paging() != Paging::Bits32;
        let levels: usize = match self.paging() {
            Paging::FourLevel => 4,
            _ => 2,
        };
        for (depth, &(at, entry)) in walk.entries[..walk.depth].iter().enumerate() {
            let is_leaf = depth + 1 == walk.depth;
            let want = entry | ACCESSED | if is_leaf && is_write { DIRTY } else { 0 };
            let ram = self.phys.page(at).expect("the walk read this entry from RAM");
            if want != entry {
                self.phys.mark_dirty(ram.index);
                if self.taps.has_memory() {
                    self.tap_mark(at, entry as u8, want as u8);
                }
                // SAFETY: accessed and dirty are in the low byte of the entry that the walk read here.
                unsafe { *ram.host.add((at % PAGE) as usize) = want as u8 };
            }
            let level = levels - depth;
            let per_level = if wide { 9 } else { 10 };
            let span = 12 + per_level * level as u32;
            let first = if span >= 64 { 0 } else { la & !((1u64 << span) - 1) };
            self.note_table(ram.index, first | level as u64);
        }
    }

    /// Takes write permission to a page away from every TLB entry.
    pub(crate) fn withhold_writes(&mut self, index: usize) {
        // Most pages were never written since the last Digest, so that no entry has to be looked for.
        if self.phys.attrs[index] & page::GRANTED != 0 {
            self.phys.attrs[index] &= !page::GRANTED;
            self.tlb.withhold_writes(index);
        }
    }

    fn note_table(&mut self, index: usize, at: u64) {
        let generation = self.tables.generation;
        let u = &mut self.tables.uses[index];
        if self.phys.attrs[index] & page::TABLE == 0 {
            self.phys.attrs[index] |= page::TABLE;
            *u = TableUse { at, generation, stores: 0, is_shared: false };
            self.withhold_writes(index);
            return;
        }
        if u.generation != generation {
            *u = TableUse { at, generation, stores: 0, is_shared: false };
        }
        u.is_shared |= u.at != at;
        u.stores = 0;
    }

    /// True if a store to these bytes needs the instruction to stand alone: it may change translations or code,
    /// or reach a device.
    pub(crate) fn is_special(&mut self, gpa: u64, len: usize) -> bool {
        let Some(ram) = self.phys.page(gpa) else { return true };
        let attrs = self.phys.attrs[ram.index];
        if attrs & page::TABLE != 0 && self.is_live_table(ram.index) {
            return true;
        }
        attrs & page::CODE != 0 && self.blocks.covers(ram.index, (gpa % PAGE) as usize, len)
    }

    /// A page is a live table while something cached may come from it; if not, it becomes ordinary again.
    fn is_live_table(&mut self, index: usize) -> bool {
        let u = &mut self.tables.uses[index];
        u.stores = u.stores.saturating_add(1);
        if u.generation == self.tables.generation && u.stores <= STORES_UNTIL_DATA {
            return true;
        }
        if u.generation == self.tables.generation {
            self.flush_translations();
        }
        self.phys.attrs[index] &= !page::TABLE;
        false
    }

    /// Stores to RAM with all notice that the page asks for. The caller has made sure of standing alone where
    /// [`Cpu::is_special`] says so.
    pub(crate) fn write_ram(&mut self, ram: RamPage, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE as usize);
        self.phys.mark_dirty(ram.index);
        let attrs = self.phys.attrs[ram.index];
        let before = (attrs & page::TABLE != 0).then(|| self.entries_around(ram, offset, bytes.len()));
        // SAFETY: the range is inside the page.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), ram.host.add(offset), bytes.len()) };
        if let Some(before) = before {
            self.tables_changed(ram, offset, bytes.len(), &before);
        }
        if attrs & page::CODE != 0 && self.blocks.covers(ram.index, offset, bytes.len()) {
            self.forget_code(ram.index);
        }
    }

    /// The 8-byte words that a store of `len` bytes at `offset` touches, as they are now.
    fn entries_around(&self, ram: RamPage, offset: usize, len: usize) -> Vec<u64> {
        let (first, last) = (offset / 8, (offset + len - 1) / 8);
        // SAFETY: aligned words of the page.
        (first..=last).map(|i| u64::from_le(unsafe { ram.host.cast::<u64>().add(i).read() })).collect()
    }

    fn tables_changed(&mut self, ram: RamPage, offset: usize, len: usize, before: &[u64]) {
        let u = self.tables.uses[ram.index];
        let after = self.entries_around(ram, offset, len);
        let per_word = if self.paging() == Paging::Bits32 { 2 } else { 1 };
        for (i, (old, new)) in before.iter().zip(&after).enumerate() {
            for part in 0..per_word {
                let bits = 64 / per_word as u32;
                let take = |v: u64| v >> (part as u32 * bits) & (u64::MAX >> (64 - bits));
                let (old, new) = (take(*old), take(*new));
                let number = ((offset / 8 + i) * per_word + part) as u64;
                if old != new && u.at & 7 == 4 && number >= 256 {
                    // The upper halves of address spaces may no longer be equal.
                    self.blocks.half_changed(Half::Upper);
                    self.update_mode();
                }
                if old == new || old & PRESENT == 0 {
                    continue;
                }
                self.forget_entry(u, number, per_word == 2);
            }
        }
    }

    /// Forgets what was derived from entry `number` of a table.
    fn forget_entry(&mut self, u: TableUse, number: u64, is_32bit: bool) {
        if u.is_shared {
            return self.flush_translations();
        }
        let level = (u.at & 7) as u32;
        let per_level = if is_32bit { 10 } else { 9 };
        let shift = 12 + per_level * (level - 1);
        let mut from = (u.at & !(PAGE - 1)).wrapping_add(number << shift);
        if self.is_long() {
            from = ((from as i64) << 16 >> 16) as u64;
        }
        let fetched = if level == 1 { self.tlb.forget(from) } else { self.tlb.forget_range(from, 1 << shift) };
        if fetched {
            self.blocks.half_changed(if (from as i64) < 0 { Half::Upper } else { Half::Lower });
            self.update_mode();
        }
    }

    /// CR3 has changed. With four-level paging the translations of other address spaces are kept: they are taken back
    /// when their tables change, as those of this one are.
    pub(crate) fn switch_tables(&mut self) {
        if self.paging() != Paging::FourLevel {
            return self.flush_translations();
        }
        if self.tlb.switch(self.state.cr3 & FRAME) {
            let bank = self.tlb.bank();
            let alike = (0..BANKS).find(|&b| b != bank && self.tlb.root(b) != NO_ROOT && self.has_upper_half_of(b));
            self.blocks.bank_taken(bank, alike);
        }
        self.update_mode();
    }

    /// The upper half of the current top-level table maps what that of another bank's does: its entries are equal but
    /// for the accessed bit.
    fn has_upper_half_of(&self, bank: usize) -> bool {
        let table = |root: u64| self.phys.page(root).map(|p| &self.phys.page_bytes(p.index)[PAGE as usize / 2..]);
        let (Some(a), Some(b)) = (table(self.state.cr3 & FRAME), table(self.tlb.root(bank))) else { return false };
        let entry = |c: &[u8]| u64::from_le_bytes(c.try_into().expect("eight bytes")) & !ACCESSED;
        a.chunks_exact(8).zip(b.chunks_exact(8)).all(|(x, y)| entry(x) == entry(y))
    }

    /// Forgets every cached translation.
    pub(crate) fn flush_translations(&mut self) {
        self.tlb.flush(self.state.cr3 & FRAME);
        self.tables.generation = self.tables.generation.checked_add(1).unwrap_or_else(|| {
            self.tables.uses.fill(TableUse::default());
            1
        });
        self.blocks.mappings_changed();
        self.update_mode();
    }

    /// Replaces a whole page of RAM from outside. Translations are not looked at: the caller flushes them.
    pub fn load_page(&mut self, index: usize, bytes: &[u8; PAGE as usize]) {
        let ram = self.phys.page(self.phys.page_address(index)).expect("a page that the caller got from this machine");
        let is_code = self.phys.attrs[index] & page::CODE != 0;
        // Others are not looked at first: reading a page that the host has not given yet makes it dearer to write.
        if is_code && self.phys.page_bytes(index) == bytes {
            return;
        }
        self.phys.mark_dirty(index);
        // SAFETY: a whole page of RAM.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), ram.host, bytes.len()) };
        if is_code {
            self.forget_code(index);
        }
    }

    /// INVLPG: cached translations are never stale, so there is nothing to do.
    pub(crate) fn invalidate_page(&mut self, _la: u64) {}

    /// Hands out the list of pages written since the last call, and watches for writes anew.
    pub fn take_dirty(&mut self) -> Vec<u32> {
        self.tlb.withhold_all_writes();
        self.phys.take_dirty()
    }
}
