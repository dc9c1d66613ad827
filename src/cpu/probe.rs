//! What an observer asks of the CPU: breakpoints, watchpoints, rare events, and which pages were touched.
//!
//! The guest cannot tell that it is observed. Breakpoints shape blocks (a breakpointed instruction is the first of its
//! block, which neither the jump cache nor a link leads to); watched pages have their TLB tags withheld, and an access that
//! hits runs alone. What nobody observes costs nothing.
//!
//! A hit is noted when it happened: the instruction retired, the bytes moved, the event was delivered. It says where it
//! started, so that the observer can go there.

use super::Cpu;
use super::phys::PAGE;
use super::state::seg;

/// Instructions retired, and of the deliveries that come before the next one retires, how many are done.
pub type At = (u64, u32);

/// Where an observed thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A linear address; with a root only in the address space of that CR3 (its user and kernel table are a pair that
    /// differs in bit 12, where the guest isolates its page tables).
    Linear(u64, Option<u64>),
    /// A guest-physical address.
    Physical(u64),
}

/// Bytes to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// First byte.
    pub place: Place,
    /// Bytes, at least 1.
    pub len: u64,
    /// Reads are hits.
    pub reads: bool,
    /// Writes are hits.
    pub writes: bool,
    /// A write that changes no byte is no hit.
    pub changes_only: bool,
}

/// What was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The instruction at breakpoint number `.0` retired.
    Executed(usize),
    /// An access to bytes of watch `watch` was made, at linear address `address`, by the instruction at `rip`; for a delivery
    /// that is what was interrupted.
    Access { watch: usize, address: u64, len: u32, is_write: bool, rip: u64 },
    /// An exception or interrupt was delivered; `is_external` for INTR and NMI. `rip` and `rsp` are what was interrupted.
    Delivered { is_external: bool, from_user: bool, rip: u64, rsp: u64 },
    /// The CPU entered CPL 3 (or left it).
    Ring { is_user: bool },
}

/// Something observed, and the place in the history in front of it (for `Ring`, behind it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where the instruction or delivery started.
    pub at: At,
    /// What it was.
    pub what: What,
}

/// What is to be observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Instructions to stop after.
    pub breakpoints: Vec<Place>,
    /// Bytes to watch.
    pub watches: Vec<Watch>,
    /// Stop after each delivery.
    pub deliveries: bool,
    /// Stop when CPL 3 is entered or left.
    pub rings: bool,
}

/// Pages touched, as supersets, since [`Cpu::begin_touched`]: (root, linear page number), root 0 for the upper half.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Instructions started in these.
    pub executed: Vec<(u64, u64)>,
    /// Data of these could be read.
    pub read: Vec<(u64, u64)>,
    /// Data of these could be written.
    pub written: Vec<(u64, u64)>,
    /// RAM pages that instructions started in.
    pub executed_physical: Vec<u32>,
    /// RAM pages whose data could be read.
    pub read_physical: Vec<u32>,
}

/// The observer's state in the CPU.
#[derive(Default)]
pub struct Probes {
    wanted: Wanted,
    /// The offsets in a page at which blocks are cut: those of all breakpoints that there are and were.
    offsets: Offsets,
    /// Hits since the run was started.
    hits: Vec<Hit>,
    /// The run is to end before the next instruction.
    pub(super) stop: bool,
    touched: Option<Box<Touched>>,
    deliveries: u32,
    deliveries_at: u64,
    was_user: bool,
}

/// A set of offsets in a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Offsets([u64; PAGE as usize / 64]);

impl Default for Offsets {
    fn default() -> Offsets {
        Offsets([0; PAGE as usize / 64])
    }
}

impl Offsets {
    /// True if the offset of `address` in its page is in the set.
    #[inline]
    pub fn has(&self, address: u64) -> bool {
        let offset = (address % PAGE) as usize;
        self.0[offset / 64] >> (offset % 64) & 1 != 0
    }
    pub(super) fn add(&mut self, address: u64) {
        let offset = (address % PAGE) as usize;
        self.0[offset / 64] |= 1 << (offset % 64);
    }
    fn is_in(&self, other: &Offsets) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }
    fn add_all(&mut self, other: &Offsets) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
    /// True if one of `len` bytes behind the first, from `address` on in the same page, is in the set.
    fn cuts(&self, address: u64, len: u64) -> bool {
        (1..len).any(|i| address % PAGE + i < PAGE && self.has(address + i))
    }
}

impl Probes {
    /// True if changes of privilege are to be noted.
    #[inline(always)]
    pub(super) fn has_rings(&self) -> bool {
        self.wanted.rings
    }
    /// True if blocks may follow each other unseen, but for instructions at [`Probes::offsets`].
    pub(super) fn is_unseen(&self) -> bool {
        !self.wanted.rings && self.touched.is_none()
    }
    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }
}

fn is_same_space(root: Option<u64>, cr3: u64) -> bool {
    root.is_none_or(|r| (r ^ cr3) & super::paging::FRAME & !PAGE == 0)
}

impl Cpu {
    /// Observes `wanted` from now on, instead of what was observed before.
    pub fn observe(&mut self, wanted: Wanted) {
        self.probes.hits.clear();
        self.probes.stop = false;
        self.probes.was_user = self.state.cpl == 3;
        if self.probes.wanted == wanted {
            return;
        }
        let mut offsets = Offsets::default();
        for place in &wanted.breakpoints {
            let (Place::Linear(at, _) | Place::Physical(at)) = place;
            offsets.add(*at);
        }
        let had_watches = !self.probes.wanted.watches.is_empty();
        let breaks_changed = self.probes.wanted.breakpoints != wanted.breakpoints;
        self.probes.wanted = wanted;
        self.cut_blocks(&offsets);
        if had_watches || !self.probes.wanted.watches.is_empty() {
            self.flush_translations();
        } else if breaks_changed {
            // Jump cache and links may lead to what is breakpointed now.
            self.blocks.mappings_changed();
            self.update_mode();
        }
    }
    /// Sees to it that blocks begin at these offsets, and that no link leads there. What was cut stays cut: observers come and
    /// go, and blocks are dear.
    pub(super) fn cut_blocks(&mut self, offsets: &Offsets) {
        if offsets.is_in(&self.probes.offsets) {
            return;
        }
        let mut offsets = offsets.clone();
        offsets.add_all(&self.probes.offsets);
        self.blocks.drop_cut(&|at, len| offsets.cuts(at, len));
        self.probes.offsets = offsets;
        self.forget_native();
    }
    /// What was observed since the run was started or this was last called, in the order in which it happened.
    pub fn take_hits(&mut self) -> Vec<Hit> {
        std::mem::take(&mut self.probes.hits)
    }
    /// Where the CPU stands, between two instructions.
    pub fn at(&self) -> At {
        let icount = self.icount() - u64::from(self.in_flight);
        (icount, if self.probes.deliveries_at == icount { self.probes.deliveries } else { 0 })
    }
    /// A repeated string instruction is between two of its iterations.
    pub fn is_repeating(&self) -> bool {
        self.repeating_at == self.icount()
    }
    /// Declares that the CPU stands at `icount` with no deliveries done. For restoring a state.
    pub fn stands_at_rest(&mut self, is_repeating: bool) {
        self.probes.deliveries_at = u64::MAX;
        self.repeating_at = if is_repeating { self.icount() } else { u64::MAX };
    }

    pub(super) fn note(&mut self, at: At, what: What) {
        self.probes.hits.push(Hit { at, what });
        self.probes.stop = true;
    }
    /// To be called after each delivery that stands between two instructions; `before` is what it interrupted.
    pub(super) fn note_delivery(&mut self, before: (u64, u64, bool), is_external: bool) {
        let at = self.at();
        self.probes.deliveries = at.1 + 1;
        self.probes.deliveries_at = at.0;
        self.repeating_at = u64::MAX;
        if self.probes.wanted.deliveries {
            let (rip, rsp, from_user) = before;
            self.note(at, What::Delivered { is_external, from_user, rip, rsp });
        }
    }
    /// What [`Cpu::note_delivery`] wants to know of the time before.
    pub(super) fn interrupted(&self) -> (u64, u64, bool) {
        (self.rip, self.regs[super::state::gpr::RSP], self.state.cpl == 3)
    }
    /// Notes a change between CPL 3 and the rest. Between instructions.
    pub(super) fn note_ring(&mut self) {
        let is_user = self.state.cpl == 3;
        if self.probes.wanted.rings && is_user != self.probes.was_user {
            self.probes.was_user = is_user;
            self.note(self.at(), What::Ring { is_user });
        }
    }
    pub(super) fn code_address(&self) -> u64 {
        if self.is_64bit() { self.rip } else { self.state.seg[seg::CS].base.wrapping_add(self.rip) & 0xffff_ffff }
    }
    /// True if some breakpoint, of whatever address space, or a tap is on the instruction that the CPU stands at.
    pub(super) fn is_breakpointed(&self) -> bool {
        let la = self.code_address();
        self.probes.offsets.has(la) && (self.taps.stops_at(la) || self.breakpoints_at(la, true).next().is_some())
    }
    fn breakpoints_at(&self, la: u64, any_space: bool) -> impl Iterator<Item = usize> + '_ {
        let gpa = move || self.translate_quietly(la);
        let cr3 = self.state.cr3;
        self.probes.wanted.breakpoints.iter().enumerate().filter_map(move |(i, place)| {
            let hits = match *place {
                Place::Linear(at, root) => at == la && (any_space || is_same_space(root, cr3)),
                Place::Physical(at) => (at ^ la).is_multiple_of(PAGE) && gpa() == Some(at),
            };
            hits.then_some(i)
        })
    }
    /// The breakpoints on the instruction that the CPU stands at, in this address space.
    pub(super) fn breakpoints_here(&self) -> Vec<usize> {
        self.breakpoints_at(self.code_address(), false).collect()
    }

    /// Whether watches in the page at `la`, which is at `gpa`, need (reads, writes) of it to be looked at.
    pub(super) fn is_page_probed(&self, la: u64, gpa: u64) -> (bool, bool) {
        let is_in = |w: &&Watch| {
            let (from, page) = match w.place {
                Place::Linear(at, _) => (at, la),
                Place::Physical(at) => (at, gpa),
            };
            let page = page & !(PAGE - 1);
            from < page.saturating_add(PAGE) && page < from.saturating_add(w.len)
        };
        let watches = self.probes.wanted.watches.iter().filter(is_in);
        watches.fold((false, false), |(reads, writes), w| (reads || w.reads, writes || w.writes))
    }
    /// True if watches are set at all.
    #[inline(always)]
    pub(super) fn has_watches(&self) -> bool {
        !self.probes.wanted.watches.is_empty()
    }
    /// The watches that an access of `len` bytes inside one page hits.
    fn watches_hit(&self, la: u64, gpa: u64, len: u64, is_write: bool) -> impl Iterator<Item = (usize, Watch)> + '_ {
        let cr3 = self.state.cr3;
        self.probes.wanted.watches.iter().copied().enumerate().filter(move |(_, w)| {
            let (from, at) = match w.place {
                Place::Linear(from, root) if is_same_space(root, cr3) => (from, la),
                Place::Linear(..) => return false,
                Place::Physical(from) => (from, gpa),
            };
            (if is_write { w.writes } else { w.reads })
                && from < at.saturating_add(len)
                && at < from.saturating_add(w.len)
        })
    }
    /// True if an access hits something, so that its instruction has to stand alone.
    pub(super) fn is_access_probed(&self, la: u64, gpa: u64, len: u64, is_write: bool) -> bool {
        self.watches_hit(la, gpa, len, is_write).next().is_some()
    }
    /// Notes the hits of an access inside one page. `new` are the bytes that a write is about to store.
    pub(super) fn note_access(&mut self, la: u64, gpa: u64, len: u64, new: Option<&[u8]>) {
        let at = self.at();
        let hits: Vec<(usize, Watch)> = self.watches_hit(la, gpa, len, new.is_some()).collect();
        for (watch, w) in hits {
            if new.is_some_and(|new| w.changes_only && !self.changes(&w, la, gpa, new)) {
                continue;
            }
            let rip = self.rip;
            self.note(at, What::Access { watch, address: la, len: len as u32, is_write: new.is_some(), rip });
        }
    }
    /// True if a write changes a byte that is watched.
    fn changes(&self, w: &Watch, la: u64, gpa: u64, new: &[u8]) -> bool {
        let mut old = vec![0; new.len()];
        if self.phys.read(gpa, &mut old).is_none() {
            return true;
        }
        let (from, at) = match w.place {
            Place::Linear(from, _) => (from, la),
            Place::Physical(from) => (from, gpa),
        };
        old.iter().zip(new).enumerate().any(|(i, (a, b))| a != b && (at + i as u64).wrapping_sub(from) < w.len)
    }

    /// Starts to note touched pages.
    pub fn begin_touched(&mut self) {
        self.flush_translations();
        self.probes.touched = Some(Box::default());
    }
    /// Ends it: what was touched since, each page once, in order.
    pub fn end_touched(&mut self) -> Touched {
        let mut t = *self.probes.touched.take().unwrap_or_default();
        for list in [&mut t.executed, &mut t.read, &mut t.written] {
            list.sort_unstable();
            list.dedup();
        }
        for list in [&mut t.executed_physical, &mut t.read_physical] {
            list.sort_unstable();
            list.dedup();
        }
        t
    }
    fn page_key(&self, la: u64) -> (u64, u64) {
        let root = if (la as i64) < 0 { 0 } else { (self.state.cr3 & super::paging::FRAME) / PAGE };
        (root, la / PAGE)
    }
    pub(super) fn note_executed(&mut self, la: u64, gpa: u64) {
        if self.probes.touched.is_none() {
            return;
        }
        let key = self.page_key(la);
        let index = self.phys.page(gpa).map(|p| p.index as u32);
        if let Some(t) = &mut self.probes.touched {
            add(&mut t.executed, key);
            if let Some(index) = index {
                add(&mut t.executed_physical, index);
            }
        }
    }
    pub(super) fn note_filled(&mut self, la: u64, index: usize, can_read: bool, can_write: bool) {
        if self.probes.touched.is_none() {
            return;
        }
        let key = self.page_key(la);
        if let Some(t) = &mut self.probes.touched {
            if can_read {
                add(&mut t.read, key);
                add(&mut t.read_physical, index as u32);
            }
            if can_write {
                add(&mut t.written, key);
            }
        }
    }
}

/// Lists grow with every TLB miss, so what repeats is dropped when they get long.
const LONG: usize = 1 << 20;

fn add<T: Copy + Ord>(list: &mut Vec<T>, item: T) {
    if list.last() == Some(&item) {
        return;
    }
    if list.len() >= LONG && list.len().is_power_of_two() {
        list.sort_unstable();
        list.dedup();
    }
    list.push(item);
}
