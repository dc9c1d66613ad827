//! Guest memory as a reader sees it: RAM by page, and bytes by virtual address in an address space.
//!
//! Page tables are walked here, not by the CPU: any root will do, no rights are checked, nothing in the guest changes.
//! Source of the entries' shape: SDM vol. 3, 4.5 (4-level paging).

use super::absent::{Known, Why};
use crate::cpu::Cpu;
use crate::machine::Machine;
use std::ops::Range;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// RAM that can be read.
pub trait Physical {
    /// The 4096 bytes of the page that holds `gpa`; `None` where there is no RAM.
    fn page(&self, gpa: u64) -> Option<&[u8]>;
    /// Where RAM is: guest-physical addresses, ascending.
    fn ranges(&self) -> Vec<Range<u64>>;
}

impl Physical for Machine {
    fn page(&self, gpa: u64) -> Option<&[u8]> {
        self.cpu.page(gpa)
    }
    fn ranges(&self) -> Vec<Range<u64>> {
        self.ram().ranges()
    }
}

impl Physical for Cpu {
    #[inline]
    fn page(&self, gpa: u64) -> Option<&[u8]> {
        self.phys.page(gpa).map(|page| self.phys.page_bytes(page.index))
    }
    fn ranges(&self) -> Vec<Range<u64>> {
        self.phys.ranges()
    }
}

/// The guest-physical address of a top-level page table: what CR3 holds, without its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub u64);

/// Address bits of an entry.
const FRAME: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

impl Root {
    /// From a value of CR3.
    pub fn of_cr3(cr3: u64) -> Root {
        Root(cr3 & FRAME)
    }
    /// Entry `index` (0..512) of the table.
    pub(super) fn entry(self, ram: &dyn Physical, index: u64) -> Option<u64> {
        entry(ram, self.0, index)
    }
}

/// A mapping of one page of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// First virtual address.
    pub va: u64,
    /// First guest-physical address.
    pub gpa: u64,
    /// 4 KiB, 2 MiB or 1 GiB.
    pub bytes: u64,
    /// All levels allow writing.
    pub is_writable: bool,
    /// All levels allow execution.
    pub is_executable: bool,
}

/// An address space: RAM seen through a page table.
#[derive(Clone, Copy)]
pub struct Space<'m> {
    /// RAM.
    pub ram: &'m dyn Physical,
    /// Its top-level table.
    pub root: Root,
}

fn entry(ram: &dyn Physical, table: u64, index: u64) -> Option<u64> {
    let at = (index % 512 * 8) as usize;
    le_u64(ram.page(table & FRAME)?.get(at..)?)
}

/// Little-endian, from the start of `bytes`.
pub(super) fn le_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.first_chunk()?))
}
/// Little-endian, from the start of `bytes`.
pub(super) fn le_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}
/// Little-endian, from the start of `bytes`.
pub(super) fn le_u16(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.first_chunk()?))
}

impl<'m> Space<'m> {
    /// The mapping of `va`; `None` where nothing is mapped.
    pub fn leaf(&self, va: u64) -> Option<Leaf> {
        let mut table = self.root.0;
        let mut rights = WRITABLE;
        let mut no_execute = 0;
        for shift in [39, 30, 21, 12] {
            let entry = entry(self.ram, table, va >> shift)?;
            if entry & PRESENT == 0 {
                return None;
            }
            rights &= entry;
            no_execute |= entry & NO_EXECUTE;
            if shift == 12 || (entry & LARGE != 0 && shift != 39) {
                let bytes = 1 << shift;
                return Some(Leaf {
                    va: va & !(bytes - 1),
                    gpa: entry & FRAME & !(bytes - 1),
                    bytes,
                    is_writable: rights & WRITABLE != 0,
                    is_executable: no_execute == 0,
                });
            }
            table = entry & FRAME;
        }
        None
    }

    /// The guest-physical address behind `va`.
    pub fn translate(&self, va: u64) -> Option<u64> {
        self.leaf(va).map(|leaf| leaf.gpa + (va - leaf.va))
    }

    /// All mappings in a range, ascending. Tables that nothing points to are skipped whole.
    pub(super) fn leaves(&self, range: Range<u64>) -> Vec<Leaf> {
        let mut found = Vec::new();
        let mut va = range.start;
        while va < range.end {
            let next = match self.leaf(va) {
                Some(leaf) => {
                    found.push(leaf);
                    leaf.va.checked_add(leaf.bytes)
                }
                None => va.checked_add(self.hole(va)),
            };
            let Some(next) = next else { break };
            va = next;
        }
        found
    }

    /// Bytes from an unmapped `va` to where the next entry of the level that lacks it begins.
    fn hole(&self, va: u64) -> u64 {
        let mut table = self.root.0;
        for shift in [39, 30, 21] {
            match entry(self.ram, table, va >> shift) {
                Some(entry) if entry & PRESENT != 0 => table = entry & FRAME,
                _ => return (1 << shift) - va % (1 << shift),
            }
        }
        PAGE - va % PAGE
    }

    /// Fills `buf` from `va`. Whole or not at all.
    pub fn read(&self, va: u64, buf: &mut [u8]) -> Known<()> {
        let mut at = va;
        let mut rest = buf;
        while !rest.is_empty() {
            let bytes = self.page(at)?;
            let n = rest.len().min(bytes.len());
            let (head, tail) = rest.split_at_mut(n);
            head.copy_from_slice(&bytes[..n]);
            rest = tail;
            at = at.wrapping_add(n as u64);
        }
        Ok(())
    }

    /// From `va` to the end of its page; never empty.
    fn page(&self, va: u64) -> Known<&'m [u8]> {
        let page = self.translate(va).and_then(|gpa| self.ram.page(gpa));
        page.and_then(|page| page.get((va % PAGE) as usize..)).ok_or(Why::NotMapped { at: va }.for_fact("memory"))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&self, va: u64) -> Known<u64> {
        self.array(va).map(u64::from_le_bytes)
    }
    /// Four bytes, little-endian.
    pub fn u32(&self, va: u64) -> Known<u32> {
        self.array(va).map(u32::from_le_bytes)
    }
    /// Two bytes, little-endian.
    pub fn u16(&self, va: u64) -> Known<u16> {
        self.array(va).map(u16::from_le_bytes)
    }

    fn array<const N: usize>(&self, va: u64) -> Known<[u8; N]> {
        if let Some(bytes) = self.page(va)?.first_chunk() {
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        self.read(va, &mut bytes)?;
        Ok(bytes)
    }

    /// `count` bytes from `va`.
    pub fn bytes(&self, va: u64, count: usize) -> Known<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.read(va, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes up to a NUL; absent if there is none within `longest`.
    pub fn string(&self, va: u64, longest: usize) -> Known<Vec<u8>> {
        let mut found = Vec::new();
        while found.len() < longest {
            let page = self.page(va.wrapping_add(found.len() as u64))?;
            let page = &page[..page.len().min(longest - found.len())];
            if let Some(end) = page.iter().position(|&b| b == 0) {
                found.extend_from_slice(&page[..end]);
                return Ok(found);
            }
            found.extend_from_slice(page);
        }
        Err(Why::Broken { at: va, expected: "a string that ends" }.for_fact("memory"))
    }
}
