//! Where things are in guest-physical memory: the RAM ranges, the holes, and the low area that boot data goes to.
//!
//! The invariant: nothing of a guest image is ever placed over boot data, the legacy hole (0xA0000..1 MiB) or the
//! device window below 4 GiB. The map that guests are told is made from the same numbers.
//!
//! ```text
//! 0x00000500  GDT                        0x000a0000  VGA hole: no RAM for the guest
//! 0x00001000  start_info / multiboot     0x000c0000  firmware area; ACPI tables from 0xe0000
//! 0x00005000  stack of a plain ELF64     0x00100000  RAM up to min(ram, 3 GiB)
//! 0x00007000  boot_params                0xc0000000  devices: IOAPIC 0xfec00000, LAPIC 0xfee00000
//! 0x00009000  page tables (6 pages)      0x100000000 the rest of RAM
//! 0x00020000  command line (64 KiB)
//! 0x00030000  free for images
//! ```

use super::BootError;
use crate::machine::ram::Memory;
use vm_memory::{Bytes, GuestAddress};

/// The page size everything is rounded to.
pub const PAGE: u64 = 4096;
/// One mebibyte.
pub const MIB: u64 = 1 << 20;
/// RAM below 4 GiB ends here at the latest; the addresses up to 4 GiB belong to devices.
pub const LOW_RAM_LIMIT: u64 = 3 << 30;
/// RAM that does not fit below [`LOW_RAM_LIMIT`] starts here.
pub const HIGH_RAM_START: u64 = 4 << 30;
/// The legacy hole: VGA window and firmware area.
pub const LEGACY_HOLE: std::ops::Range<u64> = 0xa_0000..0x10_0000;

/// The GDT that the entry state points to.
pub const GDT: u64 = 0x500;
/// PVH start_info or multiboot information, with the structures that they point to.
pub const BOOT_INFO: u64 = 0x1000;
/// The first byte after the initial stack of a plain ELF64 guest (8 KiB).
pub const STACK_TOP: u64 = 0x7000;
/// Linux boot_params, the "zero page".
pub const BOOT_PARAMS: u64 = 0x7000;
/// Identity page tables.
pub const PAGE_TABLES: u64 = 0x9000;
/// The command line, NUL-terminated.
pub const CMDLINE: u64 = 0x2_0000;
/// Room for the command line, NUL included.
pub const CMDLINE_ROOM: u64 = 0x1_0000;
/// Images may be placed from here.
pub const IMAGE_START: u64 = CMDLINE + CMDLINE_ROOM;

/// The smallest RAM that a guest can have: the legacy first MiB and one more.
pub const RAM_MIN: u64 = 2 * MIB;
/// The largest RAM that a guest can have.
pub const RAM_MAX: u64 = 1 << 40;

/// The type of a memory map entry, with the numbers of e820 (ACPI 6.5, table 15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryKind {
    /// RAM free for the guest.
    Ram = 1,
    /// Not to be used by the guest.
    Reserved = 2,
}

/// One range of the memory map that guests are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First guest-physical address.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// What it is.
    pub kind: MemoryKind,
}

/// The RAM of a machine of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamLayout {
    ram_bytes: u64,
}

impl RamLayout {
    /// The layout of `ram_bytes` of RAM; whole pages from [`RAM_MIN`] to [`RAM_MAX`].
    pub fn new(ram_bytes: u64) -> Result<RamLayout, BootError> {
        if !(RAM_MIN..=RAM_MAX).contains(&ram_bytes) || !ram_bytes.is_multiple_of(PAGE) {
            return Err(BootError::MemorySize { ram_bytes });
        }
        Ok(RamLayout { ram_bytes })
    }

    /// The size in bytes.
    pub fn ram_bytes(&self) -> u64 {
        self.ram_bytes
    }

    /// The first address after the RAM below 4 GiB.
    pub fn low_end(&self) -> u64 {
        self.ram_bytes.min(LOW_RAM_LIMIT)
    }

    /// The first address after the RAM above 4 GiB; equal to [`HIGH_RAM_START`] when there is none.
    pub fn high_end(&self) -> u64 {
        HIGH_RAM_START + (self.ram_bytes - self.low_end())
    }

    /// The ranges to back with host memory, for `Memory::from_ranges`. The legacy hole is inside the first.
    pub fn backing(&self) -> Vec<(GuestAddress, usize)> {
        let mut ranges = vec![(GuestAddress(0), self.low_end() as usize)];
        if self.high_end() > HIGH_RAM_START {
            ranges.push((GuestAddress(HIGH_RAM_START), (self.high_end() - HIGH_RAM_START) as usize));
        }
        ranges
    }

    /// The memory map that guests are told, ascending and without overlap.
    pub fn map(&self) -> Vec<MemoryRange> {
        let range = |start, end, kind| MemoryRange { start, size: end - start, kind };
        let mut map = vec![
            range(0, LEGACY_HOLE.start, MemoryKind::Ram),
            range(LEGACY_HOLE.start, LEGACY_HOLE.end, MemoryKind::Reserved),
            range(LEGACY_HOLE.end, self.low_end(), MemoryKind::Ram),
        ];
        if self.high_end() > HIGH_RAM_START {
            map.push(range(HIGH_RAM_START, self.high_end(), MemoryKind::Ram));
        }
        map
    }

    /// Checks that an image may occupy `size` bytes from `start`, and returns the end.
    pub fn place(&self, start: u64, size: u64) -> Result<u64, BootError> {
        let Some(end) = start.checked_add(size) else {
            return Err(BootError::KernelPlacement { start, size, why: "which is past the end of the address space" });
        };
        let within = |from: u64, to: u64| start >= from && end <= to;
        if within(IMAGE_START, LEGACY_HOLE.start)
            || within(LEGACY_HOLE.end, self.low_end())
            || within(HIGH_RAM_START, self.high_end())
        {
            return Ok(end);
        }
        if start >= LEGACY_HOLE.end && end <= LOW_RAM_LIMIT {
            return Err(BootError::KernelTooLarge { end, ram_mib: self.ram_bytes / MIB, need_mib: end.div_ceil(MIB) });
        }
        let why = match start {
            _ if start < IMAGE_START => "but the first 192 KiB hold boot data",
            _ if start < LEGACY_HOLE.end => "but 0xa0000..0x100000 holds the VGA window and the firmware",
            _ if start < HIGH_RAM_START => "but 3 GiB..4 GiB belongs to devices",
            _ => "which is past the end of RAM",
        };
        Err(BootError::KernelPlacement { start, size, why })
    }

    /// The highest page-aligned start for an initrd of `size` bytes that ends at or below `limit`, lies in low RAM and
    /// does not reach below `kernel_end`.
    pub fn place_initrd(&self, size: u64, kernel_end: u64, limit: u64) -> Result<u64, BootError> {
        let floor = kernel_end.max(LEGACY_HOLE.end).next_multiple_of(PAGE);
        let top = self.low_end().min(limit);
        let fits = |top: u64| top.checked_sub(size).map(|start| start & !(PAGE - 1)).filter(|&start| start >= floor);
        fits(top).ok_or_else(|| BootError::InitrdTooLarge {
            size,
            free: top.saturating_sub(floor),
            ram_mib: self.ram_bytes / MIB,
            need_mib: fits(limit.min(LOW_RAM_LIMIT)).map(|_| (floor + size.next_multiple_of(PAGE)).div_ceil(MIB)),
        })
    }
}

/// Writes the command line with its NUL and returns its address. `limit` is the most bytes that the guest reads.
pub(super) fn write_cmdline(mem: &Memory, cmdline: &str, limit: u64) -> Result<u64, BootError> {
    let limit = limit.min(CMDLINE_ROOM - 1);
    if cmdline.len() as u64 > limit {
        return Err(BootError::CmdlineTooLong { len: cmdline.len(), limit });
    }
    if let Some(at) = cmdline.bytes().position(|byte| byte == 0) {
        return Err(BootError::CmdlineNul { at });
    }
    mem.write_slice(cmdline.as_bytes(), GuestAddress(CMDLINE))?;
    mem.write_obj(0u8, GuestAddress(CMDLINE + cmdline.len() as u64))?;
    Ok(CMDLINE)
}
