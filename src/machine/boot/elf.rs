//! ELF files: what the loaders need of their headers, placing their segments, and the plain ELF64 entry.
//!
//! Refuses other machines' ELF files. Segments go to their physical addresses; an entry point given as a virtual
//! address is translated by the segment that holds it. The bytes a file can make us copy are bounded by the RAM.
//!
//! A plain ELF64 guest starts in 64-bit mode with RDI = its command line (NUL-terminated), RSI = Linux boot_params
//! (so that a vmlinux starts too), RDX = the array of e820 entries inside it (20 bytes each: u64 start, u64 size,
//! u32 type), RCX = their number, RSP = a stack of 8 KiB. All addresses are physical and identity-mapped.

use super::detect::not_a_kernel;
use super::layout::{BOOT_PARAMS, RamLayout, STACK_TOP};
use super::linux::{BOOT_FLAG, HEADER_MAGIC, LinuxLimits, write_boot_data};
use super::{BootError, BootPlan, EntryMode, EntryState};
use crate::cpu::state::gpr;
use crate::machine::ram::Memory;
use goblin::elf::header::{EM_386, EM_X86_64, machine_to_str};
use goblin::elf::program_header::{PT_INTERP, PT_LOAD, PT_NOTE, ProgramHeader};
use linux_loader::loader::bootparam::{boot_params, setup_header};
use std::mem::offset_of;
use vm_memory::{Bytes, GuestAddress};

/// The note type of a PVH entry point (xen/include/public/elfnote.h).
const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;
/// PT_NOTE segments looked at, and the most bytes of each: the note is in a kernel's first few hundred bytes of notes.
const NOTES_MAX: (usize, u64) = (16, 1 << 16);

/// The parts of an ELF kernel that loading needs.
pub(super) struct ElfKernel {
    /// ELFCLASS64.
    pub is_64: bool,
    /// The PVH entry point, when there is one.
    pub pvh_entry: Option<u32>,
    /// A PT_INTERP header exists: a user program.
    pub has_interpreter: bool,
    entry: u64,
    segments: Vec<ProgramHeader>,
}

impl ElfKernel {
    /// Reads the headers of a little-endian x86 ELF file.
    pub fn parse(kernel: &[u8]) -> Result<ElfKernel, BootError> {
        let malformed = |error: goblin::error::Error| BootError::Malformed { what: error.to_string() };
        let header = goblin::elf::Elf::parse_header(kernel).map_err(malformed)?;
        let mut elf = goblin::elf::Elf::lazy_parse(header).map_err(malformed)?;
        if !elf.little_endian || ![EM_X86_64, EM_386].contains(&header.e_machine) {
            let machine = machine_to_str(header.e_machine);
            return Err(not_a_kernel(format!("an ELF file for another processor ({machine})")));
        }
        let context = goblin::container::Ctx::new(
            header.container().map_err(malformed)?,
            header.endianness().map_err(malformed)?,
        );
        let (at, count) = (header.e_phoff as usize, usize::from(header.e_phnum));
        elf.program_headers = match ProgramHeader::parse(kernel, at, count, context) {
            Ok(headers) => headers,
            Err(_) => {
                let need = header.e_phoff.saturating_add(u64::from(header.e_phnum) * u64::from(header.e_phentsize));
                return Err(BootError::Truncated { what: "the table of segments", have: kernel.len() as u64, need });
            }
        };
        let segments = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0);
        Ok(ElfKernel {
            is_64: elf.is_64,
            segments: segments.cloned().collect(),
            has_interpreter: elf.program_headers.iter().any(|header| header.p_type == PT_INTERP),
            entry: elf.entry,
            pvh_entry: pvh_entry(&mut elf, kernel),
        })
    }

    /// Copies the segments to their physical addresses and returns the first address after those below 4 GiB.
    pub fn load_segments(&self, mem: &Memory, ram: &RamLayout, kernel: &[u8]) -> Result<u64, BootError> {
        if self.segments.is_empty() {
            return Err(BootError::Malformed { what: "the ELF file has no segment to load".to_owned() });
        }
        let mut kernel_end = 0;
        let mut total = 0u64;
        for segment in &self.segments {
            if segment.p_filesz > segment.p_memsz {
                let what = format!("the segment at {:#x} has more bytes in the file than in memory", segment.p_paddr);
                return Err(BootError::Malformed { what });
            }
            let end = ram.place(segment.p_paddr, segment.p_memsz)?;
            if end <= ram.low_end() {
                kernel_end = kernel_end.max(end);
            }
            total = total.saturating_add(segment.p_memsz);
            if total > ram.ram_bytes() {
                return Err(BootError::Malformed { what: "its segments overlap".to_owned() });
            }
            let bytes = file_bytes(kernel, segment)?;
            mem.write_slice(bytes, GuestAddress(segment.p_paddr))?;
        }
        Ok(kernel_end)
    }

    /// The physical address of the entry point.
    pub fn physical_entry(&self) -> u64 {
        let in_range = |start: u64, size: u64| self.entry.checked_sub(start).is_some_and(|offset| offset < size);
        if self.segments.iter().any(|segment| in_range(segment.p_paddr, segment.p_memsz)) {
            return self.entry;
        }
        let holder = self.segments.iter().find(|segment| in_range(segment.p_vaddr, segment.p_memsz));
        holder.map_or(self.entry, |segment| segment.p_paddr.wrapping_add(self.entry - segment.p_vaddr))
    }
}

/// The bytes that the file has for a segment.
fn file_bytes<'a>(kernel: &'a [u8], segment: &ProgramHeader) -> Result<&'a [u8], BootError> {
    let need = segment.p_offset.saturating_add(segment.p_filesz);
    usize::try_from(segment.p_offset)
        .ok()
        .zip(usize::try_from(need).ok())
        .and_then(|(start, end)| kernel.get(start..end))
        .ok_or(BootError::Truncated { what: "a segment", have: kernel.len() as u64, need })
}

/// Looks through the notes for "Xen" type 18. Notes that cannot be read are passed over.
fn pvh_entry<'a>(elf: &mut goblin::elf::Elf<'a>, kernel: &'a [u8]) -> Option<u32> {
    let (headers, bytes) = NOTES_MAX;
    elf.program_headers.retain(|header| header.p_type == PT_NOTE && header.p_filesz <= bytes);
    elf.program_headers.truncate(headers);
    let mut notes = elf.iter_note_headers(kernel)?.filter_map(Result::ok);
    let note = notes.find(|note| note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.name == "Xen")?;
    // The descriptor is 4 or 8 bytes long; the entry point is a 32-bit address either way.
    note.desc.first_chunk().map(|low| u32::from_le_bytes(*low))
}

/// Loads a plain ELF64 kernel; see the head of this file for what it finds.
pub(super) fn load(mem: &Memory, ram: &RamLayout, plan: &BootPlan) -> Result<EntryState, BootError> {
    let elf = ElfKernel::parse(&plan.kernel)?;
    let kernel_end = elf.load_segments(mem, ram, &plan.kernel)?;
    let limits = LinuxLimits { kernel_end, initrd_limit: u64::MAX, cmdline_limit: u64::MAX };
    let header = setup_header { boot_flag: BOOT_FLAG, header: HEADER_MAGIC, ..setup_header::default() };
    let cmdline = write_boot_data(mem, ram, plan, header, &limits)?;
    let entry = EntryState::prepare(mem, EntryMode::Long64, elf.physical_entry())?
        .with(gpr::RDI, cmdline)
        .with(gpr::RSI, BOOT_PARAMS)
        .with(gpr::RDX, BOOT_PARAMS + offset_of!(boot_params, e820_table) as u64)
        .with(gpr::RCX, ram.map().len() as u64)
        .with(gpr::RSP, STACK_TOP);
    Ok(entry)
}
