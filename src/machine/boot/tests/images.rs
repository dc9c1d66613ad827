//! Guest images made by hand, as small as their formats allow.

/// What the bzImage has for protected-mode code.
pub const PAYLOAD: [u8; 1024] = [0x90; 1024];
/// What the ELF files have for code.
pub const CODE: [u8; 64] = [0xf4; 64];
/// Bytes of a flat multiboot file before the part that is loaded.
pub const FLAT_SKIP: usize = 16;

fn put<const N: usize>(image: &mut [u8], at: usize, value: [u8; N]) {
    image[at..at + N].copy_from_slice(&value);
}

/// A relocatable bzImage of protocol 2.14 with a 64-bit entry, preferring 16 MiB.
pub fn bzimage() -> Vec<u8> {
    let mut image = vec![0xcc; 1024];
    image[0x1f1..0x268].fill(0);
    put(&mut image, 0x1f1, [1u8]);
    put(&mut image, 0x1f4, (PAYLOAD.len() as u32 / 16).to_le_bytes());
    put(&mut image, 0x1fe, [0x55, 0xaa, 0xeb, 0x66]);
    put(&mut image, 0x202, *b"HdrS");
    put(&mut image, 0x206, 0x020e_u16.to_le_bytes());
    put(&mut image, 0x20e, 0x0100_u16.to_le_bytes());
    put(&mut image, 0x211, [1u8]);
    put(&mut image, 0x214, 0x10_0000_u32.to_le_bytes());
    put(&mut image, 0x22c, 0x7fff_ffff_u32.to_le_bytes());
    put(&mut image, 0x230, 0x20_0000_u32.to_le_bytes());
    put(&mut image, 0x234, [1u8]);
    put(&mut image, 0x236, 1u16.to_le_bytes());
    put(&mut image, 0x238, 2047_u32.to_le_bytes());
    put(&mut image, 0x258, 0x100_0000_u64.to_le_bytes());
    put(&mut image, 0x260, 0x10_0000_u32.to_le_bytes());
    put(&mut image, 0x300, *b"6.1.0-test (builder) #1\0");
    image.extend(PAYLOAD);
    image
}

/// A PT_NOTE segment's bytes with a PVH entry point behind another note.
pub fn pvh_note(entry: u32) -> Vec<u8> {
    let other = [&[4, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0][..], b"GNU\0", &[1, 2, 3, 4]].concat();
    let header = [&[4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0][..], b"Xen\0"].concat();
    [other, header, entry.to_le_bytes().to_vec()].concat()
}

/// An ELF64 file with one segment at 1 MiB (virtual address as given) and `notes`, when there are any.
pub fn elf64(vaddr: u64, entry: u64, notes: &[u8]) -> Vec<u8> {
    let headers = 1 + u16::from(!notes.is_empty());
    let code_at = 64 + 56 * u64::from(headers);
    let mut image = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    image.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    image.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
    image.extend([0u16, 0, 64, 56, headers, 64, 0, 0].map(u16::to_le_bytes).concat());
    image.extend([1u32, 5].map(u32::to_le_bytes).concat());
    let size = CODE.len() as u64;
    image.extend([code_at, vaddr, 0x10_0000, size, 2 * size, 4096].map(u64::to_le_bytes).concat());
    if !notes.is_empty() {
        image.extend([4u32, 4].map(u32::to_le_bytes).concat());
        let size = notes.len() as u64;
        image.extend([code_at + CODE.len() as u64, 0, 0, size, size, 4].map(u64::to_le_bytes).concat());
    }
    image.extend(CODE);
    image.extend(notes);
    image
}

/// A multiboot header with the given flags and the address fields that follow.
fn multiboot_header(flags: u32, addresses: &[u32]) -> Vec<u8> {
    let magic = 0x1bad_b002_u32;
    let words = [magic, flags, 0u32.wrapping_sub(magic).wrapping_sub(flags)];
    words.iter().chain(addresses).flat_map(|word| word.to_le_bytes()).collect()
}

/// An ELF32 file with one segment at 1 MiB that begins with a multiboot header.
pub fn elf32_multiboot(flags: u32) -> Vec<u8> {
    let mut image = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    image.extend([2, 0, 3, 0, 1, 0, 0, 0]);
    image.extend([0x10_0010_u32, 52, 0, 0].map(u32::to_le_bytes).concat());
    image.extend([52u16, 32, 1, 40, 0, 0].map(u16::to_le_bytes).concat());
    let size = (12 + CODE.len()) as u32;
    image.extend([1u32, 84, 0x10_0000, 0x10_0000, size, 2 * size, 5, 4096].map(u32::to_le_bytes).concat());
    image.extend(multiboot_header(flags, &[]));
    image.extend(CODE);
    image
}

/// A file that is no ELF: some bytes, then a part that the address fields put at `load`.
pub fn flat_multiboot(load: u32) -> Vec<u8> {
    let mut image = vec![0xee; FLAT_SKIP];
    image.extend([0u8; 8]);
    let header = load + 8;
    image.extend(multiboot_header(1 << 16, &[header, load, 0, load + 0x1000, load + 0x20]));
    image.extend(CODE);
    image
}
