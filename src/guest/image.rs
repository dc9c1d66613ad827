//! The kernel's image as it lies in memory: found through the page table, copied into runs of contiguous addresses.
//!
//! Linux maps its text, read-only data and data somewhere in the last GiB but one of the address space; where, KASLR
//! decides, and the physical place is drawn independently. Sections that were freed leave holes.

use super::absent::{Known, Why};
use super::memory::{PAGE, Physical, Root, Space};
use std::ops::Range;

/// Where the kernel is mapped: `__START_KERNEL_map` to the modules (Documentation/arch/x86/x86_64/mm.rst).
pub const WINDOW: Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_c000_0000;
/// More than any kernel has; a page table that maps more is not one.
const LARGEST: u64 = 256 << 20;

/// Mapped bytes without a hole.
pub struct Run {
    /// Virtual address of the first byte, a multiple of the page size.
    pub va: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The whole of it.
pub struct Image {
    /// Ascending.
    pub runs: Vec<Run>,
}

impl Image {
    /// Copies the image out of an address space.
    pub fn of(space: &Space) -> Known<Image> {
        let leaves = space.leaves(WINDOW);
        let mapped: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
        if mapped == 0 || mapped > LARGEST {
            let clue = format!("{mapped} bytes are mapped between {:#x} and {:#x}", WINDOW.start, WINDOW.end);
            return Err(Why::NotLinux { clue }.for_fact("kernel image"));
        }
        let mut runs: Vec<Run> = Vec::new();
        let largest = mapped as usize;
        for leaf in leaves {
            for offset in (0..leaf.bytes).step_by(PAGE as usize) {
                if let Some(page) = space.ram.page(leaf.gpa + offset) {
                    append(&mut runs, leaf.va + offset, page, largest);
                }
            }
        }
        Ok(Image { runs })
    }

    /// The first mapped address: `_text`.
    pub fn base(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.va)
    }
    /// One past the last mapped address.
    pub fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.va + run.bytes.len() as u64)
    }
    /// `count` bytes at a virtual address, if they are in one run.
    pub fn bytes(&self, va: u64, count: usize) -> Option<&[u8]> {
        let run = self.runs.iter().rev().find(|run| run.va <= va)?;
        let from = usize::try_from(va - run.va).ok()?;
        run.bytes.get(from..from.checked_add(count)?)
    }
}

/// Adds a page to the run that it goes on, or begins one; most of all `largest` bytes come to be in the first.
fn append(runs: &mut Vec<Run>, va: u64, page: &[u8], largest: usize) {
    match runs.last_mut() {
        Some(run) if run.va + run.bytes.len() as u64 == va => run.bytes.extend_from_slice(page),
        _ => {
            let mut bytes = Vec::with_capacity(if runs.is_empty() { largest } else { page.len() });
            bytes.extend_from_slice(page);
            runs.push(Run { va, bytes });
        }
    }
}

/// The root of the kernel's own address space, given CR3 at any time. With page-table isolation a process has two
/// tables in neighbouring pages, and the user's one maps only the entry code: the one that maps more is the kernel's.
pub fn kernel_root(ram: &dyn Physical, cr3: u64) -> Root {
    let Root(cr3) = Root::of_cr3(cr3);
    let candidates = [cr3, cr3 & !PAGE, cr3 | PAGE];
    let mapped = |root: &u64| {
        let leaves = Space { ram, root: Root(*root) }.leaves(WINDOW);
        leaves.iter().map(|leaf| leaf.bytes).sum::<u64>()
    };
    let sizes = candidates.map(|root| (mapped(&root), root));
    // The first of the largest: CR3 as it is, where it does as well as the others.
    let largest = sizes.iter().map(|s| s.0).max().unwrap_or(0);
    Root(sizes.iter().find(|s| s.0 == largest).map_or(cr3, |s| s.1))
}
