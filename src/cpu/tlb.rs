//! The software TLB: what makes a guest memory access eight host instructions.
//!
//! A tag is the page's linear address when that kind of access needs no help, else `none` of its slot, which
//! no address that looks there matches. Everything that makes an access special (no write permission, page not yet dirty, translated code,
//! page tables, device memory) is a withheld tag, so ordinary pages pay nothing for it. The TLB is coherent
//! with the page tables in memory (see `paging`): its size and its contents never show in the guest.

use super::phys::PAGE;

/// The tag of slot `slot` that matches no address: it is a page that belongs to the neighbouring slot.
fn none(slot: usize, per_class: usize) -> u64 {
    ((slot ^ 1) & (per_class - 1)) as u64 * PAGE
}

/// Who makes an access; each has its own set of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// CPL 3.
    User = 0,
    /// CPL 0..=2, or an implicit supervisor access; user pages are refused when SMAP is on.
    Supervisor = 1,
    /// CPL 0..=2 with RFLAGS.AC set: user pages are allowed.
    SupervisorAc = 2,
    /// CPL 3 with alignment checking on: never filled, so that each access is looked at.
    Checked = 3,
}

/// One entry: three tags and where the page's bytes are.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Entry {
    /// Page address if reads need no help.
    pub read: u64,
    /// Page address if writes need no help.
    pub write: u64,
    /// Page address if instructions may be fetched.
    pub fetch: u64,
    /// The page's bytes.
    pub host: *mut u8,
}

impl Entry {
    fn empty(none: u64) -> Entry {
        Entry { read: none, write: none, fetch: none, host: std::ptr::null_mut() }
    }
}

/// Address spaces whose entries are kept side by side.
pub const BANKS: usize = 4;
/// Sets of entries in a bank, one for each [`Class`]. The last stays empty.
const CLASSES: usize = 4;
/// The tag of a bank that no address space uses.
pub const NO_ROOT: u64 = u64::MAX;

/// The entries of all classes, for the last few address spaces.
///
/// Entries stay when another address space is switched to: because changes of page tables in memory take back what
/// was derived from them, in every bank, they are still right when it comes back.
pub struct Tlb {
    entries: Vec<Entry>,
    /// Guest-physical page index of each entry.
    pages: Vec<u32>,
    per_class: usize,
    /// The tags for reads and writes that entries would have if no tap wanted to see accesses. Empty without such taps.
    hidden: Vec<(u64, u64)>,
    /// Which page table root each bank is for.
    roots: [u64; BANKS],
    bank: usize,
}

// SAFETY: the pointers are into the RAM of the machine that owns this TLB.
unsafe impl Send for Tlb {}

impl Tlb {
    /// `per_class` entries a class: a power of two, at least 2.
    pub fn new(per_class: usize) -> Tlb {
        assert!(per_class.is_power_of_two() && per_class >= 2);
        let slots = per_class * CLASSES * BANKS;
        let entries = (0..slots).map(|i| Entry::empty(none(i, per_class))).collect();
        Tlb { entries, pages: vec![0; slots], hidden: Vec::new(), per_class, roots: [NO_ROOT; BANKS], bank: 0 }
    }
    /// First entry of a class, for the fast path.
    pub fn base(&mut self, class: Class) -> *mut Entry {
        let first = self.first(class);
        self.entries[first..].as_mut_ptr()
    }
    /// `index = (address >> 12) & mask`.
    pub fn mask(&self) -> u64 {
        self.per_class as u64 - 1
    }
    /// Which bank is in use.
    pub fn bank(&self) -> usize {
        self.bank
    }
    /// The page table root that a bank is for, or [`NO_ROOT`].
    pub fn root(&self, bank: usize) -> u64 {
        self.roots[bank]
    }
    /// Uses the bank of the page tables at `root`; true if it was not there before.
    pub fn switch(&mut self, root: u64) -> bool {
        if let Some(bank) = self.roots.iter().position(|&r| r == root) {
            self.bank = bank;
            return false;
        }
        self.bank = (self.bank + 1) % BANKS;
        if std::mem::replace(&mut self.roots[self.bank], root) != NO_ROOT {
            let first = self.first(Class::User);
            self.clear(first, self.per_class * CLASSES);
        }
        true
    }
    fn first(&self, class: Class) -> usize {
        (self.bank * CLASSES + class as usize) * self.per_class
    }
    fn slot(&self, class: Class, la: u64) -> usize {
        self.first(class) + ((la / PAGE) as usize & (self.per_class - 1))
    }
    /// The entry that `la` maps to.
    #[inline]
    pub fn entry(&self, class: Class, la: u64) -> &Entry {
        &self.entries[self.slot(class, la)]
    }
    /// Fills the entry of the page at `la`; permissions not given are withheld.
    pub fn fill(&mut self, class: Class, la: u64, page_index: usize, host: *mut u8, allow: Allow) {
        let slot = self.slot(class, la);
        let none = none(slot, self.per_class);
        let tag = |ok: bool| if ok { la & !(PAGE - 1) } else { none };
        self.entries[slot] = Entry { read: tag(allow.read), write: tag(allow.write), fetch: tag(allow.fetch), host };
        self.pages[slot] = page_index as u32;
    }
    /// Keeps tags that are hidden from the fast path, or no longer; to be followed by a flush.
    pub fn keep_hidden(&mut self, keeps: bool) {
        self.hidden = if keeps { vec![(0, 0); self.entries.len()] } else { Vec::new() };
    }
    /// Keeps the tags of the page at `la`, which was just filled, apart from what the fast path may know.
    pub fn hide(&mut self, class: Class, la: u64, read: bool, write: bool) {
        let slot = self.slot(class, la);
        let none = none(slot, self.per_class);
        let tag = |ok: bool| if ok { la & !(PAGE - 1) } else { none };
        if let Some(hidden) = self.hidden.get_mut(slot) {
            *hidden = (tag(read), tag(write));
        }
    }
    /// True if an access is known to be allowed though the fast path does not know.
    pub fn is_hidden(&self, class: Class, la: u64, is_write: bool) -> bool {
        self.hidden_page(class, la, is_write).is_some()
    }
    /// The page of RAM behind `la`, if an access to it is known to be allowed though the fast path does not know: index and bytes.
    #[inline]
    pub fn hidden_page(&self, class: Class, la: u64, is_write: bool) -> Option<(usize, *mut u8)> {
        let slot = self.slot(class, la);
        let &(read, write) = self.hidden.get(slot)?;
        let is_allowed = (if is_write { write } else { read }) == la & !(PAGE - 1);
        is_allowed.then(|| (self.pages[slot] as usize, self.entries[slot].host))
    }
    fn unhide(&mut self, slot: usize) {
        let none = none(slot, self.per_class);
        if let Some(hidden) = self.hidden.get_mut(slot) {
            *hidden = (none, none);
        }
    }
    /// The RAM page index behind the entry of `la`; meaningful only if one of its tags matches.
    pub fn page_index(&self, class: Class, la: u64) -> usize {
        self.pages[self.slot(class, la)] as usize
    }
    /// Forgets everything; the bank in use is that of `root` from now on.
    pub fn flush(&mut self, root: u64) {
        for bank in (0..BANKS).filter(|&b| self.roots[b] != NO_ROOT || b == self.bank) {
            self.entries[bank * CLASSES * self.per_class..]
                .iter_mut()
                .take(self.per_class * CLASSES)
                .enumerate()
                .for_each(|(i, e)| *e = Entry::empty(none(i, self.per_class)));
        }
        self.roots = [NO_ROOT; BANKS];
        self.roots[self.bank] = root;
        (0..self.hidden.len()).for_each(|slot| self.unhide(slot));
    }
    fn clear(&mut self, first: usize, len: usize) {
        for (slot, e) in self.entries.iter_mut().enumerate().skip(first).take(len) {
            *e = Entry::empty(none(slot, self.per_class));
        }
        if !self.hidden.is_empty() {
            (first..first + len).for_each(|slot| self.unhide(slot));
        }
    }
    /// Forgets one page in every bank; true if code could be fetched through it.
    pub fn forget(&mut self, la: u64) -> bool {
        let page = la & !(PAGE - 1);
        let index = (la / PAGE) as usize & (self.per_class - 1);
        let mut fetched = false;
        for set in 0..CLASSES * BANKS {
            let slot = set * self.per_class + index;
            let e = &mut self.entries[slot];
            fetched |= e.fetch == page;
            if e.read == page || e.write == page || e.fetch == page {
                *e = Entry::empty(none(slot, self.per_class));
            }
            if self.hidden.get(slot).is_some_and(|&(read, write)| read == page || write == page) {
                self.unhide(slot);
            }
        }
        fetched
    }
    /// Forgets `len` bytes of linear addresses from `from` in every bank; true if code could be fetched through one.
    pub fn forget_range(&mut self, from: u64, len: u64) -> bool {
        let mut fetched = false;
        for (slot, e) in self.entries.iter_mut().enumerate() {
            let none = none(slot, self.per_class);
            let inside = |tag: u64| tag != none && tag.wrapping_sub(from) < len;
            if inside(e.read) || inside(e.write) || inside(e.fetch) {
                fetched |= e.fetch != none;
                *e = Entry::empty(none);
            }
            if let Some(hidden) = self.hidden.get_mut(slot)
                && (inside(hidden.0) || inside(hidden.1))
            {
                *hidden = (none, none);
            }
        }
        fetched
    }
    /// Takes write permission to one page of RAM away, under whatever address it is mapped.
    pub fn withhold_writes(&mut self, page_index: usize) {
        for (slot, &p) in self.pages.iter().enumerate() {
            if p as usize == page_index {
                self.entries[slot].write = none(slot, self.per_class);
            }
        }
    }
    /// Takes all write permissions away.
    pub fn withhold_all_writes(&mut self) {
        for (slot, e) in self.entries.iter_mut().enumerate() {
            e.write = none(slot, self.per_class);
        }
    }
}

/// What an entry lets through without help.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allow {
    /// Data reads.
    pub read: bool,
    /// Data writes.
    pub write: bool,
    /// Instruction fetches.
    pub fetch: bool,
}
