//! Multiboot 1 kernels: 32-bit protected mode, EAX = 0x2BADB002, EBX = the information structure.
//!
//! Takes the header's address fields when it has them, else the segments of an ELF file of either class. Gives memory sizes, memory map,
//! command line, the initrd as one module, and the loader's name; no boot device and no video information (a kernel
//! that asks for a video mode gets none). Facts: Multiboot Specification 0.6.96, sections 3.1 to 3.3.

use super::elf::ElfKernel;
use super::layout::{BOOT_INFO, LEGACY_HOLE, PAGE, RamLayout, write_cmdline};
use super::{BootError, BootPlan, EntryMode, EntryState};
use crate::cpu::state::gpr;
use crate::machine::ram::Memory;
use vm_memory::{Bytes, GuestAddress};

const HEADER_MAGIC: u32 = 0x1bad_b002;
/// What EAX holds at entry.
const LOADER_MAGIC: u64 = 0x2bad_b002;
/// The header lies wholly within this many bytes and is aligned to 4.
const SEARCH_BYTES: usize = 8192;
/// Flag bits that a loader must know: page-aligned modules, memory information, video mode.
const KNOWN_REQUIREMENTS: u32 = 0b111;
const REQUIREMENTS: u32 = 0xffff;
const HAS_ADDRESSES: u32 = 1 << 16;

const MODULE_LIST: u64 = BOOT_INFO + 0x80;
const LOADER_NAME: u64 = BOOT_INFO + 0xa0;
const MODULE_NAME: u64 = BOOT_INFO + 0xc0;
const MEMORY_MAP: u64 = BOOT_INFO + 0x100;

/// A multiboot header found in a file.
pub(super) struct MultibootHeader {
    at: u64,
    flags: u32,
    /// The address fields, when flag bit 16 says that they are there.
    pub addresses: Option<Addresses>,
}

/// Where a file that is no ELF goes: physical addresses (the "a.out kludge").
pub(super) struct Addresses {
    header: u32,
    load: u32,
    load_end: u32,
    bss_end: u32,
    entry: u32,
}

impl MultibootHeader {
    /// The first header with a right checksum.
    pub fn find(kernel: &[u8]) -> Option<MultibootHeader> {
        let window = &kernel[..kernel.len().min(SEARCH_BYTES)];
        (0..window.len()).step_by(4).find_map(|at| {
            let word = |index: usize| {
                let bytes = window.get(at + index * 4..)?.first_chunk()?;
                Some(u32::from_le_bytes(*bytes))
            };
            let (magic, flags, checksum) = (word(0)?, word(1)?, word(2)?);
            if magic != HEADER_MAGIC || magic.wrapping_add(flags).wrapping_add(checksum) != 0 {
                return None;
            }
            let addresses = || {
                Some(Addresses {
                    header: word(3)?,
                    load: word(4)?,
                    load_end: word(5)?,
                    bss_end: word(6)?,
                    entry: word(7)?,
                })
            };
            let addresses = if flags & HAS_ADDRESSES != 0 { Some(addresses()?) } else { None };
            Some(MultibootHeader { at: at as u64, flags, addresses })
        })
    }
}

/// A kernel in memory.
struct Loaded {
    entry: u64,
    end: u64,
}

pub(super) fn load(mem: &Memory, ram: &RamLayout, plan: &BootPlan) -> Result<EntryState, BootError> {
    let gone = || BootError::Malformed { what: "its multiboot header is gone".to_owned() };
    let header = MultibootHeader::find(&plan.kernel).ok_or_else(gone)?;
    let unknown = header.flags & REQUIREMENTS & !KNOWN_REQUIREMENTS;
    if unknown != 0 {
        return Err(BootError::MultibootFeatures { flags: unknown });
    }
    let kernel = match &header.addresses {
        Some(addresses) => load_by_addresses(mem, ram, &plan.kernel, header.at, addresses)?,
        None => {
            let elf = ElfKernel::parse(&plan.kernel)?;
            Loaded { end: elf.load_segments(mem, ram, &plan.kernel)?, entry: elf.physical_entry() }
        }
    };
    if kernel.entry > u64::from(u32::MAX) {
        let what = format!("its entry point {:#x} cannot be reached in 32-bit mode", kernel.entry);
        return Err(BootError::Malformed { what });
    }
    write_information(mem, ram, plan, kernel.end)?;
    let entry = EntryState::prepare(mem, EntryMode::Protected32, kernel.entry)?;
    Ok(entry.with(gpr::RAX, LOADER_MAGIC).with(gpr::RBX, BOOT_INFO))
}

/// Loads a flat file. The header's own address ties file offsets to addresses; an end of 0 means the file's end, and
/// a bss end of 0 means no bss.
fn load_by_addresses(
    mem: &Memory,
    ram: &RamLayout,
    kernel: &[u8],
    header_at: u64,
    addresses: &Addresses,
) -> Result<Loaded, BootError> {
    let [header, load, load_end, bss_end] =
        [addresses.header, addresses.load, addresses.load_end, addresses.bss_end].map(u64::from);
    let malformed = |what: &str| BootError::Malformed { what: what.to_owned() };
    let start = header
        .checked_sub(load)
        .and_then(|before_header| header_at.checked_sub(before_header))
        .ok_or_else(|| malformed("its multiboot addresses place the start of loading outside the file"))?;
    let have = kernel.len() as u64;
    let end = match load_end.checked_sub(load) {
        _ if load_end == 0 => have,
        Some(size) => start + size,
        None => return Err(malformed("its multiboot load_end_addr is below load_addr")),
    };
    let truncated = BootError::Truncated { what: "the part that the multiboot header describes", have, need: end };
    let bytes = kernel.get(start as usize..end as usize).ok_or(truncated)?;
    let occupied = (bytes.len() as u64).max(bss_end.saturating_sub(load));
    let end = ram.place(load, occupied)?;
    mem.write_slice(bytes, GuestAddress(load))?;
    Ok(Loaded { entry: u64::from(addresses.entry), end })
}

/// Writes the information structure (section 3.3) with what it points to.
fn write_information(mem: &Memory, ram: &RamLayout, plan: &BootPlan, end: u64) -> Result<(), BootError> {
    const MEMORY_SIZES: u32 = 1 << 0;
    const COMMAND_LINE: u32 = 1 << 2;
    const MODULES: u32 = 1 << 3;
    const MEMORY_MAP_GIVEN: u32 = 1 << 6;
    const LOADER_NAME_GIVEN: u32 = 1 << 9;
    let kib = |bytes: u64| (bytes / 1024) as u32;
    let modules = write_module(mem, ram, plan, end)?;
    let map_bytes = write_memory_map(mem, ram)?;
    mem.write_slice(b"reenact\0", GuestAddress(LOADER_NAME))?;

    let mut info = [0u32; 29];
    info[0] = MEMORY_SIZES | COMMAND_LINE | MODULES | MEMORY_MAP_GIVEN | LOADER_NAME_GIVEN;
    info[1] = kib(LEGACY_HOLE.start);
    info[2] = kib(ram.low_end() - LEGACY_HOLE.end);
    info[4] = write_cmdline(mem, &plan.cmdline, u64::MAX)? as u32;
    info[5] = modules;
    info[6] = MODULE_LIST as u32;
    info[11] = map_bytes;
    info[12] = MEMORY_MAP as u32;
    info[16] = LOADER_NAME as u32;
    for (at, word) in (BOOT_INFO..).step_by(4).zip(info) {
        mem.write_obj(word, GuestAddress(at))?;
    }
    Ok(())
}

/// Loads the initrd as the only module, on the first page after the kernel: kernels that map little memory at first
/// can reach it there. Returns the number of modules.
fn write_module(mem: &Memory, ram: &RamLayout, plan: &BootPlan, end: u64) -> Result<u32, BootError> {
    let Some(module) = plan.initrd.as_deref() else {
        return Ok(0);
    };
    let floor = end.max(LEGACY_HOLE.end).next_multiple_of(PAGE);
    let size = module.len() as u64;
    // The highest place exists exactly when the lowest does; its error carries the advice.
    ram.place_initrd(size, floor, u64::MAX)?;
    mem.write_slice(module, GuestAddress(floor))?;
    mem.write_slice(b"initrd\0", GuestAddress(MODULE_NAME))?;
    for (at, word) in (MODULE_LIST..).step_by(4).zip([floor, floor + size, MODULE_NAME, 0]) {
        mem.write_obj(word as u32, GuestAddress(at))?;
    }
    Ok(1)
}

/// Writes the memory map and returns its length: entries of u32 size (20, not counting itself), u64 start, u64 length,
/// u32 type with the numbers of e820.
fn write_memory_map(mem: &Memory, ram: &RamLayout) -> Result<u32, BootError> {
    let mut bytes = Vec::new();
    for range in ram.map() {
        bytes.extend(20u32.to_le_bytes());
        bytes.extend(range.start.to_le_bytes());
        bytes.extend(range.size.to_le_bytes());
        bytes.extend((range.kind as u32).to_le_bytes());
    }
    mem.write_slice(&bytes, GuestAddress(MEMORY_MAP))?;
    Ok(bytes.len() as u32)
}
