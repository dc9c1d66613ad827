//! The software TLB: what makes a guest memory access eight host instructions.
//!
//! A tag is the page's linear address when that kind of access needs no help, else [`none`] of its slot, which
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

/// The entries of all classes.
pub struct Tlb {
    entries: Vec<Entry>,
    /// Guest-physical page index of each entry.
    pages: Vec<u32>,
    per_class: usize,
}

// SAFETY: the pointers are into the RAM of the machine that owns this TLB.
unsafe impl Send for Tlb {}

impl Tlb {
    /// `per_class` entries a class: a power of two, at least 2.
    pub fn new(per_class: usize) -> Tlb {
        assert!(per_class.is_power_of_two() && per_class >= 2);
        let entries = (0..per_class * 4).map(|i| Entry::empty(none(i, per_class))).collect();
        Tlb { entries, pages: vec![0; per_class * 4], per_class }
    }
    /// First entry of a class, for the fast path.
    pub fn base(&mut self, class: Class) -> *mut Entry {
        self.entries[class as usize * self.per_class..].as_mut_ptr()
    }
    /// `index = (address >> 12) & mask`.
    pub fn mask(&self) -> u64 {
        self.per_class as u64 - 1
    }
    fn slot(&self, class: Class, la: u64) -> usize {
        class as usize * self.per_class + ((la / PAGE) as usize & (self.per_class - 1))
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
    /// The RAM page index behind the entry of `la`; meaningful only if one of its tags matches.
    pub fn page_index(&self, class: Class, la: u64) -> usize {
        self.pages[self.slot(class, la)] as usize
    }
    /// Forgets everything.
    pub fn flush(&mut self) {
        for (i, e) in self.entries.iter_mut().enumerate() {
            *e = Entry::empty(none(i, self.per_class));
        }
    }
    /// Forgets one page; true if code could be fetched through it.
    pub fn forget(&mut self, la: u64) -> bool {
        let page = la & !(PAGE - 1);
        let mut fetched = false;
        for class in [Class::User, Class::Supervisor, Class::SupervisorAc] {
            let slot = self.slot(class, la);
            let e = &mut self.entries[slot];
            fetched |= e.fetch == page;
            if e.read == page || e.write == page || e.fetch == page {
                *e = Entry::empty(none(slot, self.per_class));
            }
        }
        fetched
    }
    /// Forgets `len` bytes of linear addresses from `from`; true if code could be fetched through one of them.
    pub fn forget_range(&mut self, from: u64, len: u64) -> bool {
        let mut fetched = false;
        for (slot, e) in self.entries.iter_mut().enumerate() {
            let none = none(slot, self.per_class);
            let inside = |tag: u64| tag != none && tag.wrapping_sub(from) < len;
            if inside(e.read) || inside(e.write) || inside(e.fetch) {
                fetched |= e.fetch != none;
                *e = Entry::empty(none);
            }
        }
        fetched
    }
    /// Takes write permission to one page of RAM away, under whatever address it is mapped.
    pub fn withhold_writes(&mut self, page_index: usize) {
        for (slot, (e, &p)) in self.entries.iter_mut().zip(&self.pages).enumerate() {
            if p as usize == page_index {
                e.write = none(slot, self.per_class);
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
