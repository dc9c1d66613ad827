//! The memory of a Moment as a file that other tools read.
//!
//! ```text
//! elf    file header | program headers: one note, one for each range of RAM | notes: registers, VMCOREINFO | RAM
//! raw    guest-physical address is file offset; where there is no RAM is a hole
//! lime   for each range: "EMiL" 1 u32, first and last address u64, 0 u64 | RAM
//! ```
//! Sources: elf(5) and core files of the kernel's kexec tools; the header of LiME version 1.

use super::elf::{CORE, Fields, HEADER, PROGRAM_HEADER, Segment, Tables, header, note, program_header};
use super::memory::{PAGE, Physical};
use super::profile::Vcpu;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;

/// How the file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An ELF core of physical memory: drgn, crash and Volatility open it.
    Elf,
    /// Bytes at their addresses.
    Raw,
    /// Of the memory grabber of that name: Volatility opens it.
    Lime,
}

/// Writes all RAM. `vmcoreinfo` goes into the ELF file's notes; without it drgn does not take the file for a kernel's.
pub fn write(
    out: &mut (impl Write + Seek),
    ram: &dyn Physical,
    vcpu: &Vcpu,
    vmcoreinfo: Option<&[u8]>,
    format: Format,
) -> std::io::Result<()> {
    let ranges = ram.ranges();
    match format {
        Format::Elf => out.write_all(&elf_head(&ranges, vcpu, vmcoreinfo))?,
        Format::Raw | Format::Lime => {}
    }
    for range in &ranges {
        match format {
            Format::Raw => _ = out.seek(SeekFrom::Start(range.start))?,
            Format::Lime => out.write_all(&lime_header(range))?,
            Format::Elf => {}
        }
        write_range(out, ram, range)?;
    }
    out.flush()
}

fn write_range(out: &mut impl Write, ram: &dyn Physical, range: &Range<u64>) -> std::io::Result<()> {
    for gpa in range.clone().step_by(PAGE as usize) {
        let page = ram.page(gpa).expect("a range of RAM is RAM");
        out.write_all(page)?;
    }
    Ok(())
}

fn lime_header(range: &Range<u64>) -> Vec<u8> {
    const MAGIC: u32 = 0x4c69_4d45;
    Fields::default().u32(MAGIC).u32(1).u64(range.start).u64(range.end - 1).u64(0).0
}

/// Everything before the first byte of RAM, which starts on a page.
fn elf_head(ranges: &[Range<u64>], vcpu: &Vcpu, vmcoreinfo: Option<&[u8]>) -> Vec<u8> {
    const LOAD: u32 = 1;
    const NOTE: u32 = 4;
    let mut notes = note(b"CORE\0", 1, &registers(vcpu));
    notes.extend(vmcoreinfo.map(|text| note(b"VMCOREINFO\0", 0, text)).unwrap_or_default());
    let count = ranges.len() as u16 + 1;
    let notes_at = HEADER + u64::from(count) * PROGRAM_HEADER;
    let mut at = (notes_at + notes.len() as u64).next_multiple_of(PAGE);
    let mut head = header(CORE, &Tables { programs: (HEADER, count), ..Tables::default() });
    let bytes = notes.len() as u64;
    head.extend(program_header(&Segment { kind: NOTE, offset: notes_at, physical: 0, bytes }));
    let first = at;
    for range in ranges {
        let bytes = range.end - range.start;
        head.extend(program_header(&Segment { kind: LOAD, offset: at, physical: range.start, bytes }));
        at += bytes;
    }
    head.extend(notes);
    head.resize(first as usize, 0);
    head
}

/// `struct elf_prstatus` of x86-64: 112 bytes that are zero here, 27 registers, 8 bytes.
fn registers(vcpu: &Vcpu) -> Vec<u8> {
    const BEFORE: usize = 112;
    let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = vcpu.regs;
    let [es, cs, ss, ds, fs, gs] = vcpu.segments;
    let selector = |(selector, _): (u16, u64)| u64::from(selector);
    let in_order = [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        rax,
        vcpu.rip,
        selector(cs),
        vcpu.rflags,
        rsp,
        selector(ss),
        fs.1,
        gs.1,
        selector(ds),
        selector(es),
        selector(fs),
        selector(gs),
    ];
    let fields = in_order.into_iter().fold(Fields(vec![0; BEFORE]), Fields::u64);
    fields.u64(0).0
}
