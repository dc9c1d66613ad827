//! ELF kernels with a PVH entry point: 32-bit protected mode, EBX = hvm_start_info.
//!
//! Facts: xen/docs/misc/pvh.pandoc ("x86/HVM direct boot ABI") and xen/include/public/arch-x86/hvm/start_info.h.

use super::elf::ElfKernel;
use super::layout::{BOOT_INFO, MemoryRange, PAGE, RamLayout, write_cmdline};
use super::{BootError, BootPlan, EntryMode, EntryState};
use crate::cpu::state::gpr;
use crate::machine::acpi;
use crate::machine::ram::Memory;
use linux_loader::loader::start_info::{
    XEN_HVM_START_MAGIC_VALUE, hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info,
};
use vm_memory::{Bytes, GuestAddress};

const MODULE_LIST: u64 = BOOT_INFO + 0x100;
const MEMORY_MAP: u64 = BOOT_INFO + 0x200;

pub(super) fn load(mem: &Memory, ram: &RamLayout, plan: &BootPlan) -> Result<EntryState, BootError> {
    let elf = ElfKernel::parse(&plan.kernel)?;
    let entry = elf.pvh_entry.ok_or_else(|| BootError::Malformed { what: "its PVH note is gone".to_owned() })?;
    let kernel_end = elf.load_segments(mem, ram, &plan.kernel)?;
    let map = ram.map();
    let mut info = hvm_start_info {
        magic: XEN_HVM_START_MAGIC_VALUE,
        version: 1,
        cmdline_paddr: write_cmdline(mem, &plan.cmdline, u64::MAX)?,
        rsdp_paddr: acpi::RSDP,
        memmap_paddr: MEMORY_MAP,
        memmap_entries: map.len() as u32,
        ..hvm_start_info::default()
    };
    for (at, range) in (MEMORY_MAP..).step_by(size_of::<hvm_memmap_table_entry>()).zip(&map) {
        mem.write_obj(map_entry(range), GuestAddress(at))?;
    }
    if let Some(initrd) = plan.initrd.as_deref().filter(|initrd| !initrd.is_empty()) {
        let size = initrd.len() as u64;
        let paddr = ram.place_initrd(size, kernel_end, u64::MAX)?;
        mem.write_slice(initrd, GuestAddress(paddr))?;
        mem.write_obj(hvm_modlist_entry { paddr, size, ..hvm_modlist_entry::default() }, GuestAddress(MODULE_LIST))?;
        info.nr_modules = 1;
        info.modlist_paddr = MODULE_LIST;
    }
    mem.write_obj(info, GuestAddress(BOOT_INFO))?;
    Ok(EntryState::prepare(mem, EntryMode::Protected32, u64::from(entry))?.with(gpr::RBX, BOOT_INFO))
}

/// The memory map has the type numbers of e820.
fn map_entry(range: &MemoryRange) -> hvm_memmap_table_entry {
    hvm_memmap_table_entry { addr: range.start, size: range.size, type_: range.kind as u32, reserved: 0 }
}

const _: () = assert!(MEMORY_MAP + 0x200 < BOOT_INFO + PAGE);
