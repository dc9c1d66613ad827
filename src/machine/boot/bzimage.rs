//! Linux bzImage, entered at its 64-bit entry point: 0x200 bytes after the start of the protected-mode code.
//!
//! Refuses kernels without that entry point (boot protocol before 2.12, or 32-bit kernels). The kernel is loaded at its
//! preferred address, where it also runs unless it moves itself (KASLR draws on the guest's own entropy).
//! Facts: Documentation/arch/x86/boot.rst, sections "The Real-Mode Kernel Header" and "64-bit Boot Protocol".

use super::layout::{BOOT_PARAMS, RamLayout};
use super::linux::{BOOT_FLAG, HEADER_MAGIC, LinuxLimits, write_boot_data};
use super::{BootError, BootPlan, EntryMode, EntryState};
use crate::cpu::state::gpr;
use crate::machine::ram::Memory;
use linux_loader::loader::bootparam::{LOADED_HIGH, XLF_KERNEL_64, setup_header};
use linux_loader::loader::{BzImage, KernelLoader};
use std::io::Cursor;
use vm_memory::{ByteValued, GuestAddress};

/// The setup header's place in the file.
const HEADER_AT: usize = 0x1f1;
/// The header's own length byte: the header ends that many bytes after 0x202.
const LENGTH_AT: usize = 0x201;
/// The first protocol with `xloadflags`, which tells of the 64-bit entry.
const PROTOCOL_2_12: u16 = 0x020c;
/// Size of a setup sector; also the distance from the load address to the 64-bit entry.
const SECTOR: u64 = 512;

/// True when the boot sector signature and "HdrS" are in place.
pub(super) fn has_magic(kernel: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| kernel.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    at(0x1fe, &BOOT_FLAG.to_le_bytes()) && at(0x202, &HEADER_MAGIC.to_le_bytes())
}

pub(super) fn load(mem: &Memory, ram: &RamLayout, plan: &BootPlan) -> Result<EntryState, BootError> {
    let header = read_header(&plan.kernel)?;
    let load_at = if header.relocatable_kernel == 0 { u64::from(header.code32_start) } else { header.pref_address };
    let payload = plan.kernel.len() as u64 - setup_bytes(&header);
    let loaded_end = ram.place(load_at, payload)?;
    // init_size counts from where the kernel runs, which is pref_address in both cases.
    let running_end = ram.place(header.pref_address, u64::from(header.init_size))?;
    BzImage::load(mem, Some(GuestAddress(load_at)), &mut Cursor::new(plan.kernel.as_slice()), None)?;
    let limits = LinuxLimits {
        kernel_end: loaded_end.max(running_end),
        initrd_limit: u64::from(header.initrd_addr_max) + 1,
        cmdline_limit: u64::from(header.cmdline_size),
    };
    write_boot_data(mem, ram, plan, setup_header { code32_start: load_at as u32, ..header }, &limits)?;
    Ok(EntryState::prepare(mem, EntryMode::Long64, load_at + SECTOR)?.with(gpr::RSI, BOOT_PARAMS))
}

/// Reads the setup header, with zeros for the fields that came after the kernel's protocol version, and checks that
/// the file is whole and has a 64-bit entry.
fn read_header(kernel: &[u8]) -> Result<setup_header, BootError> {
    let truncated = |what, need: u64| BootError::Truncated { what, have: kernel.len() as u64, need };
    let mut header = setup_header::default();
    let length = kernel.get(LENGTH_AT).copied().map_or(0, usize::from);
    let end = (LENGTH_AT + 1 + length).min(HEADER_AT + size_of::<setup_header>());
    let bytes = kernel.get(HEADER_AT..end).ok_or_else(|| truncated("the setup header", end as u64))?;
    header.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);

    let protocol = header.version;
    if protocol < PROTOCOL_2_12 || header.xloadflags & XLF_KERNEL_64 == 0 || header.loadflags & LOADED_HIGH == 0 {
        return Err(BootError::No64BitEntry { release: release(kernel, &header), protocol });
    }
    // syssize counts 16-byte paragraphs of protected-mode code.
    let need = setup_bytes(&header) + u64::from(header.syssize).max(SECTOR / 16 + 1) * 16;
    if (kernel.len() as u64) < need {
        return Err(truncated("the protected-mode code", need));
    }
    Ok(header)
}

/// The length of the real-mode part: the boot sector and the setup sectors, 4 when the header says 0.
fn setup_bytes(header: &setup_header) -> u64 {
    let sectors = if header.setup_sects == 0 { 4 } else { u64::from(header.setup_sects) };
    (sectors + 1) * SECTOR
}

/// The release string that `kernel_version` points to, or a stand-in.
fn release(kernel: &[u8], header: &setup_header) -> String {
    let text = usize::from(header.kernel_version)
        .checked_add(SECTOR as usize)
        .filter(|_| header.kernel_version != 0)
        .and_then(|at| kernel.get(at..))
        .and_then(|rest| rest.split(|byte| !byte.is_ascii_graphic()).next())
        .map(|word| String::from_utf8_lossy(&word[..word.len().min(64)]).into_owned());
    text.filter(|word| !word.is_empty()).unwrap_or_else(|| "of unknown release".to_owned())
}
