//! The few ELF64 structures that a symbol file and a core dump are made of. Source: the System V ABI, and elf(5).

/// e_type of an executable.
pub const EXECUTABLE: u16 = 2;
/// e_type of a core dump.
pub const CORE: u16 = 4;
/// Bytes of the file header.
pub const HEADER: u64 = 64;
/// Bytes of a program header.
pub const PROGRAM_HEADER: u64 = 56;
/// Bytes of a section header.
pub const SECTION_HEADER: u64 = 64;

/// Little-endian bytes, field after field.
#[derive(Default)]
pub struct Fields(pub Vec<u8>);

impl Fields {
    /// Adds one byte.
    pub fn u8(mut self, value: u8) -> Fields {
        self.0.push(value);
        self
    }
    /// Adds two bytes.
    pub fn u16(mut self, value: u16) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }
    /// Adds four bytes.
    pub fn u32(mut self, value: u32) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }
    /// Adds eight bytes.
    pub fn u64(mut self, value: u64) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }
    /// Adds bytes and zeros up to a multiple of `align`.
    pub fn padded(mut self, bytes: &[u8], align: usize) -> Fields {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(align), 0);
        self
    }
}

/// What follows the file header, and how much of it.
#[derive(Default)]
pub struct Tables {
    /// File offset and count of program headers.
    pub programs: (u64, u16),
    /// File offset and count of section headers.
    pub sections: (u64, u16),
    /// The section with the sections' names.
    pub names: u16,
}

/// The file header of an x86-64 file.
pub fn header(kind: u16, tables: &Tables) -> Vec<u8> {
    const X86_64: u16 = 62;
    let ident = Fields::default().padded(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0], 16);
    let head = ident.u16(kind).u16(X86_64).u32(1).u64(0).u64(tables.programs.0).u64(tables.sections.0).u32(0);
    let sizes = head.u16(HEADER as u16).u16(PROGRAM_HEADER as u16).u16(tables.programs.1);
    sizes.u16(SECTION_HEADER as u16).u16(tables.sections.1).u16(tables.names).0
}

/// A part of the file and the memory that it is.
pub struct Segment {
    /// PT_LOAD 1, PT_NOTE 4.
    pub kind: u32,
    /// Place in the file.
    pub offset: u64,
    /// Physical address.
    pub physical: u64,
    /// Bytes, in the file and in memory.
    pub bytes: u64,
}

/// A program header.
pub fn program_header(s: &Segment) -> Vec<u8> {
    const READ_WRITE_EXECUTE: u32 = 7;
    let flags = if s.kind == 1 { READ_WRITE_EXECUTE } else { 0 };
    Fields::default().u32(s.kind).u32(flags).u64(s.offset).u64(0).u64(s.physical).u64(s.bytes).u64(s.bytes).u64(0).0
}

/// A note: name with its NUL, type, content.
pub fn note(name: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
    let header = Fields::default().u32(name.len() as u32).u32(content.len() as u32).u32(kind);
    header.padded(name, 4).padded(content, 4).0
}
