//! Guest-physical RAM as the CPU reaches it: raw host pointers, one attribute byte a page, the dirty list.
//!
//! The owner of the mapping (`machine::ram`) outlives this view. Addresses outside RAM belong to devices.

/// Page size in bytes.
pub const PAGE: u64 = 4096;
/// Where RAM stops below 4 GiB; what does not fit goes on at [`HIGH_BASE`].
pub const LOW_LIMIT: u64 = 3 << 30;
/// Where RAM above [`LOW_LIMIT`] goes on.
pub const HIGH_BASE: u64 = 4 << 30;
/// The legacy VGA window: no RAM there.
pub const HOLE: std::ops::Range<u64> = 0xa_0000..0xc_0000;

/// Attribute bits of a RAM page.
pub mod page {
    /// Written since the last `PhysMemory::take_dirty`.
    pub const DIRTY: u8 = 1;
    /// Holds bytes of translated code.
    pub const CODE: u8 = 2;
    /// Holds paging-structure entries that a cached translation was made from.
    pub const TABLE: u8 = 4;
    /// Some TLB entry may let writes to it through.
    pub const GRANTED: u8 = 8;
}

/// A RAM page: its number in [`PhysMemory`] and where its bytes are.
#[derive(Clone, Copy, Debug)]
pub struct RamPage {
    /// Index of the page: low RAM first, then high RAM.
    pub index: usize,
    /// First byte in the host.
    pub host: *mut u8,
}

/// The CPU's view of RAM.
pub struct PhysMemory {
    low: *mut u8,
    low_len: u64,
    high: *mut u8,
    high_len: u64,
    /// One byte a page, see [`page`].
    pub attrs: Vec<u8>,
    dirty: Vec<u32>,
}

// SAFETY: the pointers are to a mapping that belongs to the machine that owns this view; they move together.
unsafe impl Send for PhysMemory {}

impl PhysMemory {
    /// A view of `low_len` bytes at `low` (guest address 0) and `high_len` bytes at `high` (guest address 4 GiB).
    ///
    /// # Safety
    /// Both ranges stay mapped, readable and writable as long as this view lives, and nothing else writes them
    /// while the CPU runs. Lengths are multiples of the page size.
    pub unsafe fn new(low: *mut u8, low_len: u64, high: *mut u8, high_len: u64) -> PhysMemory {
        let pages = ((low_len + high_len) / PAGE) as usize;
        PhysMemory { low, low_len, high, high_len, attrs: vec![0; pages], dirty: Vec::new() }
    }
    /// Where RAM answers: guest-physical addresses, ascending, without the legacy VGA window.
    pub fn ranges(&self) -> Vec<std::ops::Range<u64>> {
        let low = self.low_len;
        let ranges = [0..HOLE.start.min(low), HOLE.end..low, HIGH_BASE..HIGH_BASE + self.high_len];
        ranges.into_iter().filter(|range| !range.is_empty()).collect()
    }
    /// Pages of RAM, the hole included.
    pub fn page_count(&self) -> usize {
        self.attrs.len()
    }
    /// The page that holds `gpa`, or `None` where there is no RAM.
    #[inline]
    pub fn page(&self, gpa: u64) -> Option<RamPage> {
        let base = gpa & !(PAGE - 1);
        if base < self.low_len {
            if HOLE.contains(&base) {
                return None;
            }
            // SAFETY: base is inside the low mapping.
            return Some(RamPage { index: (base / PAGE) as usize, host: unsafe { self.low.add(base as usize) } });
        }
        let above = base.wrapping_sub(HIGH_BASE);
        if above < self.high_len {
            let index = ((self.low_len + above) / PAGE) as usize;
            // SAFETY: above is inside the high mapping.
            return Some(RamPage { index, host: unsafe { self.high.add(above as usize) } });
        }
        None
    }
    /// The bytes of page `index`.
    pub fn page_bytes(&self, index: usize) -> &[u8] {
        let at = index as u64 * PAGE;
        assert!(index < self.attrs.len(), "page {index} of {}", self.attrs.len());
        let host = if at < self.low_len {
            // SAFETY: inside the low mapping.
            unsafe { self.low.add(at as usize) }
        } else {
            // SAFETY: inside the high mapping.
            unsafe { self.high.add((at - self.low_len) as usize) }
        };
        // SAFETY: a whole page of the mapping, and the CPU does not run while it is borrowed.
        unsafe { std::slice::from_raw_parts(host, PAGE as usize) }
    }
    /// The guest-physical address of page `index`.
    pub fn page_address(&self, index: usize) -> u64 {
        let at = index as u64 * PAGE;
        if at < self.low_len { at } else { at - self.low_len + HIGH_BASE }
    }
    /// Marks a page written.
    #[inline]
    pub fn mark_dirty(&mut self, index: usize) {
        if self.attrs[index] & page::DIRTY == 0 {
            self.attrs[index] |= page::DIRTY;
            self.dirty.push(index as u32);
        }
    }
    /// The pages written since the last call, in ascending order. Cached write permissions must be dropped
    /// by the caller (see `Cpu::take_dirty`).
    pub(super) fn take_dirty(&mut self) -> Vec<u32> {
        let mut list = std::mem::take(&mut self.dirty);
        for &i in &list {
            self.attrs[i as usize] &= !(page::DIRTY | page::GRANTED);
        }
        list.sort_unstable();
        list
    }
    /// Reads RAM; bytes outside RAM read as `None` for the whole range.
    pub fn read(&self, gpa: u64, buf: &mut [u8]) -> Option<()> {
        let mut at = gpa;
        let mut rest = buf;
        while !rest.is_empty() {
            let page = self.page(at)?;
            let off = (at % PAGE) as usize;
            let n = rest.len().min(PAGE as usize - off);
            let (head, tail) = rest.split_at_mut(n);
            // SAFETY: n bytes from off are inside the page.
            unsafe { std::ptr::copy_nonoverlapping(page.host.add(off), head.as_mut_ptr(), n) };
            at += n as u64;
            rest = tail;
        }
        Some(())
    }
}
