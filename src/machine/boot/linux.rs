//! The part of the Linux/x86 boot protocol that bzImage and plain ELF kernels share: the zero page.
//!
//! Facts: Documentation/arch/x86/boot.rst and zero-page.rst of the Linux source. screen_info stays zero: no VGA.

use super::layout::{BOOT_PARAMS, MemoryRange, RamLayout, write_cmdline};
use super::{BootError, BootPlan};
use crate::machine::acpi;
use crate::machine::ram::Memory;
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{Bytes, GuestAddress};

/// "HdrS", the setup header's magic.
pub(super) const HEADER_MAGIC: u32 = 0x5372_6448;
/// The boot sector's signature.
pub(super) const BOOT_FLAG: u16 = 0xaa55;
/// `type_of_loader` of a loader without an assigned number.
const LOADER_UNDEFINED: u8 = 0xff;

/// What the kernel's image decides about its boot data.
pub(super) struct LinuxLimits {
    /// The first address after the memory that the kernel needs before it reads the memory map.
    pub kernel_end: u64,
    /// The first address that the initrd must not reach.
    pub initrd_limit: u64,
    /// The most bytes of command line, without the NUL.
    pub cmdline_limit: u64,
}

/// Places initrd and command line, and writes boot_params with `header` completed. Returns the command line's address.
pub(super) fn write_boot_data(
    mem: &Memory,
    ram: &RamLayout,
    plan: &BootPlan,
    header: setup_header,
    limits: &LinuxLimits,
) -> Result<u64, BootError> {
    let mut params = boot_params { hdr: header, acpi_rsdp_addr: acpi::RSDP, ..boot_params::default() };
    params.hdr.type_of_loader = LOADER_UNDEFINED;
    if let Some(initrd) = plan.initrd.as_deref().filter(|initrd| !initrd.is_empty()) {
        let start = ram.place_initrd(initrd.len() as u64, limits.kernel_end, limits.initrd_limit)?;
        mem.write_slice(initrd, GuestAddress(start))?;
        // Low RAM ends below 4 GiB, so both fit and the ext_ramdisk fields stay zero.
        params.hdr.ramdisk_image = start as u32;
        params.hdr.ramdisk_size = initrd.len() as u32;
    }
    let cmdline = write_cmdline(mem, &plan.cmdline, limits.cmdline_limit)?;
    params.hdr.cmd_line_ptr = cmdline as u32;
    let map = ram.map();
    params.e820_entries = map.len() as u8;
    for (slot, range) in params.e820_table.iter_mut().zip(&map) {
        *slot = e820(range);
    }
    mem.write_obj(params, GuestAddress(BOOT_PARAMS))?;
    Ok(cmdline)
}

fn e820(range: &MemoryRange) -> boot_e820_entry {
    boot_e820_entry { addr: range.start, size: range.size, r#type: range.kind as u32 }
}
