//! Guest RAM: the vm-memory mapping that owns the bytes, and the CPU's raw view of it.

use crate::cpu::phys::{HIGH_BASE, HOLE, LOW_LIMIT, PAGE, PhysMemory};
use std::ops::Range;
use vm_memory::bitmap::{AtomicBitmap, Bitmap};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// Guest memory as loaders write it; it notes the pages that they wrote.
pub type Memory = GuestMemoryMmap<AtomicBitmap>;

/// The mapping. It must outlive every [`PhysMemory`] made from it, so a machine keeps both.
pub struct Ram {
    memory: Memory,
    bytes: u64,
}

/// Why RAM could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RamError {
    /// Not a size that a machine can have.
    #[error(
        "guest memory of {bytes} bytes: it must be a multiple of 4 KiB, at least 1 MiB and at most 64 GiB; try --memory 256M"
    )]
    Size {
        /// What was asked for.
        bytes: u64,
    },
    /// The host refused.
    #[error("cannot reserve {bytes} bytes of guest memory: {cause}; try a smaller --memory")]
    Host {
        /// What was asked for.
        bytes: u64,
        /// What the host said.
        cause: String,
    },
}

/// Asks the host for pages of 2 MiB: most of them come to be used, and a fault for each 4 KiB is dearer. A host that has none goes on
/// with small ones.
#[allow(unsafe_code)]
fn prefer_large_pages(memory: &Memory) {
    #[cfg(target_os = "linux")]
    for region in memory.iter() {
        // SAFETY: the region's own mapping, whole. The advice changes nothing that can be seen in memory.
        unsafe { libc::madvise(region.as_ptr().cast(), region.size(), libc::MADV_HUGEPAGE) };
    }
}

impl Ram {
    /// RAM of zeros: the first 3 GiB at address 0, what is above at 4 GiB.
    pub fn new(bytes: u64) -> Result<Ram, RamError> {
        if !bytes.is_multiple_of(PAGE) || !(1 << 20..=64 << 30).contains(&bytes) {
            return Err(RamError::Size { bytes });
        }
        let low = bytes.min(LOW_LIMIT);
        let mut ranges = vec![(GuestAddress(0), low as usize)];
        if bytes > low {
            ranges.push((GuestAddress(HIGH_BASE), (bytes - low) as usize));
        }
        let memory = Memory::from_ranges(&ranges).map_err(|e| RamError::Host { bytes, cause: e.to_string() })?;
        prefer_large_pages(&memory);
        Ok(Ram { memory, bytes })
    }
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Where RAM answers: guest-physical addresses, ascending, without the legacy VGA window.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let low = self.bytes.min(LOW_LIMIT);
        let ranges = [0..HOLE.start.min(low), HOLE.end..low, HIGH_BASE..HIGH_BASE + (self.bytes - low)];
        ranges.into_iter().filter(|range| !range.is_empty()).collect()
    }
    /// For loaders.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
    /// True if a loader may have written the page at `gpa`. One that no loader wrote is zero, and untouched on the host.
    pub(super) fn is_loaded(&self, gpa: u64) -> bool {
        let found = self.memory.to_region_addr(GuestAddress(gpa));
        found.is_some_and(|(region, at)| region.bitmap().dirty_at(at.0 as usize))
    }
    /// The CPU's view.
    #[allow(unsafe_code)]
    pub(super) fn view(&self) -> PhysMemory {
        let at = |gpa: u64| self.memory.get_host_address(GuestAddress(gpa)).expect("the range was just mapped");
        let low = self.bytes.min(LOW_LIMIT);
        let high = self.bytes - low;
        let high_at = if high > 0 { at(HIGH_BASE) } else { std::ptr::null_mut() };
        // SAFETY: the mapping lives in `self`, which the machine keeps beside the CPU; sizes are whole pages; only
        // the CPU writes it once it runs.
        unsafe { PhysMemory::new(at(0), low, high_at, high) }
    }
}
