//! Tells the kinds of guest image apart by their magic numbers, and names what a file is that is none of them.

use super::{BootError, bzimage, elf::ElfKernel, multiboot::MultibootHeader};

/// The kinds of guest image that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestImage {
    /// Linux bzImage, entered in 64-bit mode.
    BzImage,
    /// ELF with a PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY), entered in 32-bit mode.
    ElfPvh,
    /// ELF64 entered at its entry point in 64-bit mode.
    Elf64,
    /// Multiboot 1: an ELF file of either class, or any file whose multiboot header has the address fields.
    Multiboot1,
}

/// The kind of image that `kernel` is.
///
/// An ELF file with several entries is taken by PVH first, then by multiboot, then by its ELF entry. A multiboot ELF64
/// file is entered in 32-bit mode like any other, which is what its author tested with GRUB.
pub fn detect(kernel: &[u8]) -> Result<GuestImage, BootError> {
    if bzimage::has_magic(kernel) {
        return Ok(GuestImage::BzImage);
    }
    let multiboot = MultibootHeader::find(kernel);
    if !kernel.starts_with(goblin::elf::header::ELFMAG) {
        let is_loadable = multiboot.is_some_and(|header| header.addresses.is_some());
        return if is_loadable { Ok(GuestImage::Multiboot1) } else { Err(not_a_kernel(looks_like(kernel))) };
    }
    let elf = ElfKernel::parse(kernel)?;
    match elf {
        _ if elf.pvh_entry.is_some() => Ok(GuestImage::ElfPvh),
        _ if multiboot.is_some() => Ok(GuestImage::Multiboot1),
        _ if elf.has_interpreter => {
            Err(not_a_kernel("a dynamically linked program; to record it, give it after `--` instead"))
        }
        _ if elf.is_64 => Ok(GuestImage::Elf64),
        _ => Err(not_a_kernel("a 32-bit ELF file without a multiboot header")),
    }
}

pub(super) fn not_a_kernel(looks_like: impl Into<String>) -> BootError {
    BootError::NotAKernel { looks_like: looks_like.into() }
}

/// Magic numbers of files that people give by mistake: offset, bytes, what the file is.
const KNOWN_FILES: &[(usize, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "gzip data; decompress it first"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data; decompress it first"),
    (0, b"\xfd7zXZ\0", "xz data; decompress it first"),
    (0, b"BZh", "bzip2 data; decompress it first"),
    (0, b"\x04\x22\x4d\x18", "lz4 data; decompress it first"),
    (0, b"07070", "a cpio archive, which belongs to --initrd"),
    (0, b"!<arch>\n", "an ar archive or a Debian package"),
    (0, b"#!", "a script"),
    (0, b"QFI\xfb", "a qcow2 disk image, not a kernel"),
    (0, b"KDMV", "a VMDK disk image, not a kernel"),
    (0x8001, b"CD001", "an ISO 9660 image; extract the kernel from it"),
    (0x202, b"HdrS", "a Linux setup block without its boot sector signature"),
    (56, b"ARM\x64", "a kernel for 64-bit ARM"),
    (0, b"MZ", "a PE program without a Linux setup header"),
    (510, b"\x55\xaa", "a boot sector or disk image, which needs firmware to start"),
];

fn looks_like(kernel: &[u8]) -> &'static str {
    if kernel.is_empty() {
        return "empty";
    }
    if MultibootHeader::find(kernel).is_some() {
        return "a multiboot image that is neither ELF nor has the address fields (flag bit 16)";
    }
    let known = KNOWN_FILES.iter().find(|(at, magic, _)| kernel.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    match known {
        Some((_, _, name)) => name,
        None if kernel.iter().take(512).all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) => "text",
        None => "of no kind known here",
    }
}
