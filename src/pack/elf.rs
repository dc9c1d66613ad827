//! What the loader would read from an ELF file: its loader, the libraries it needs, and where it says to look.
//!
//! Only the header, the program headers and the dynamic section are looked at, never the sections, which a stripped
//! file may lack. Input is untrusted: every offset is checked, and damage is an error, not a panic.

use std::path::{Path, PathBuf};

use goblin::container::Ctx;
use goblin::elf::dynamic::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB};
use goblin::elf::header::{ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, Header, machine_to_str};
use goblin::elf::program_header::{PT_INTERP, PT_LOAD};
use goblin::elf::{Dynamic, Elf, ProgramHeader};

use super::Error;

/// Longer strings than the kernel and the loader accept are damage (PATH_MAX is 4096).
const STRING_LIMIT: usize = 4096;

/// An x86-64 program or shared object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// PT_INTERP: the loader; none for static programs and most libraries.
    pub interpreter: Option<String>,
    /// DT_NEEDED in order.
    pub needed: Vec<String>,
    /// DT_RPATH, to be ignored when there is a DT_RUNPATH.
    pub rpath: Option<String>,
    /// DT_RUNPATH.
    pub runpath: Option<String>,
}

/// How a file looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not ELF at all, or an object file or core dump, which nobody loads.
    Other,
    /// An ELF program or library for another processor or word size, named for the user.
    Foreign(String),
    X86_64(Object),
}

/// Whether these first bytes of a file are those of an ELF file.
pub fn has_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(ELFMAG)
}

/// Reads what the loader would read.
///
/// # Errors
/// [`Error::DamagedElf`] for ELF files that contradict themselves; `path` only names the file.
pub fn look(path: &Path, bytes: &[u8]) -> Result<Look, Error> {
    if !has_magic(bytes) {
        return Ok(Look::Other);
    }
    let reader = Reader { path, bytes };
    let header = Elf::parse_header(bytes).map_err(|error| reader.damaged(error.to_string()))?;
    if let Some(arch) = foreign(&header) {
        return Ok(Look::Foreign(arch));
    }
    if !matches!(header.e_type, ET_DYN | ET_EXEC) {
        return Ok(Look::Other);
    }
    reader.object(&header).map(Look::X86_64)
}

fn foreign(header: &Header) -> Option<String> {
    let is_64 = header.e_ident.get(4) == Some(&2);
    let is_little = header.e_ident.get(5) == Some(&1);
    match (header.e_machine, is_64, is_little) {
        (EM_X86_64, true, true) => None,
        (EM_X86_64, false, true) => Some("x32 (x86-64 with 32-bit pointers)".to_owned()),
        (3, ..) => Some("32-bit x86".to_owned()),
        (machine, ..) => Some(machine_to_str(machine).to_owned()),
    }
}

struct Reader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::DamagedElf { path: PathBuf::from(self.path), what: what.into() }
    }

    fn object(&self, header: &Header) -> Result<Object, Error> {
        let context = Ctx::new(goblin::container::Container::Big, goblin::container::Endian::Little);
        let start = usize::try_from(header.e_phoff).map_err(|_| self.damaged("its program headers lie outside"))?;
        let segments = ProgramHeader::parse(self.bytes, start, usize::from(header.e_phnum), context)
            .map_err(|error| self.damaged(error.to_string()))?;
        let mut object = Object { interpreter: self.interpreter(&segments)?, ..Object::default() };
        let dynamic =
            Dynamic::parse(self.bytes, &segments, context).map_err(|error| self.damaged(error.to_string()))?;
        let Some(dynamic) = dynamic else {
            return Ok(object);
        };
        let entry = |tag| dynamic.dyns.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
        let Some(address) = entry(DT_STRTAB) else {
            return Ok(object);
        };
        let strings = self
            .file_offset(&segments, address)
            .and_then(|offset| self.bytes.get(offset..))
            .ok_or_else(|| self.damaged(format!("its string table at {address:#x} lies outside the file")))?;
        // A size that is too large is cut to the file; the strings are checked one by one.
        let length = entry(DT_STRSZ).and_then(|size| usize::try_from(size).ok()).unwrap_or(strings.len());
        let strings = strings.get(..length).unwrap_or(strings);
        for entry in &dynamic.dyns {
            match entry.d_tag {
                DT_NEEDED => object.needed.push(self.string(strings, entry.d_val)?),
                DT_RPATH => object.rpath = Some(self.string(strings, entry.d_val)?),
                DT_RUNPATH => object.runpath = Some(self.string(strings, entry.d_val)?),
                _ => {}
            }
        }
        Ok(object)
    }

    fn interpreter(&self, segments: &[ProgramHeader]) -> Result<Option<String>, Error> {
        let Some(segment) = segments.iter().find(|segment| segment.p_type == PT_INTERP) else {
            return Ok(None);
        };
        let bytes = usize::try_from(segment.p_offset).ok().and_then(|start| self.bytes.get(start..));
        let length = usize::try_from(segment.p_filesz).unwrap_or(usize::MAX);
        let bytes = bytes.and_then(|bytes| bytes.get(..length));
        let bytes = bytes.ok_or_else(|| self.damaged("the name of its loader lies outside the file"))?;
        self.string(bytes, 0).map(Some)
    }

    fn file_offset(&self, segments: &[ProgramHeader], address: u64) -> Option<usize> {
        let segment = segments
            .iter()
            .filter(|segment| segment.p_type == PT_LOAD)
            .find(|segment| address.checked_sub(segment.p_vaddr).is_some_and(|distance| distance < segment.p_filesz))?;
        usize::try_from(segment.p_offset.checked_add(address - segment.p_vaddr)?).ok()
    }

    fn string(&self, table: &[u8], offset: u64) -> Result<String, Error> {
        let rest = usize::try_from(offset).ok().and_then(|offset| table.get(offset..));
        let rest = rest.ok_or_else(|| self.damaged(format!("a string at {offset:#x} lies outside its table")))?;
        let end = rest.iter().take(STRING_LIMIT).position(|&byte| byte == 0);
        let text = end.and_then(|end| rest.get(..end));
        let text = text.ok_or_else(|| self.damaged(format!("a string at {offset:#x} does not end")))?;
        String::from_utf8(text.to_vec()).map_err(|_| self.damaged(format!("a string at {offset:#x} is not UTF-8")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::elf_fixture::ElfFixture;

    fn look_at(bytes: &[u8]) -> Result<Look, Error> {
        look(Path::new("/x"), bytes)
    }

    #[test]
    fn dynamic_section_gives_loader_libraries_and_paths() {
        let fixture = ElfFixture {
            interpreter: Some("/lib64/ld.so"),
            needed: &["a.so", "b.so"],
            rpath: Some("/r"),
            runpath: Some("$ORIGIN"),
        };
        let expected = Object {
            interpreter: Some("/lib64/ld.so".into()),
            needed: vec!["a.so".into(), "b.so".into()],
            rpath: Some("/r".into()),
            runpath: Some("$ORIGIN".into()),
        };
        assert_eq!(look_at(&fixture.build()).unwrap(), Look::X86_64(expected));
    }

    #[test]
    fn other_processor_is_named() {
        let mut bytes = ElfFixture::default().build();
        bytes[18] = 183;
        assert_eq!(look_at(&bytes).unwrap(), Look::Foreign("AARCH64".into()));
    }

    #[test]
    fn text_is_not_elf() {
        assert_eq!(look_at(b"#!/bin/sh\n").unwrap(), Look::Other);
    }

    #[test]
    fn damaged_files_give_errors_and_never_panic() {
        let whole = ElfFixture { interpreter: Some("/l"), needed: &["a.so"], rpath: Some("/r"), runpath: None }.build();
        for length in 0..whole.len() {
            let _ = look_at(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = look_at(&bytes);
                if let Some(word) = bytes.get_mut(at..at + 8) {
                    word.fill(value);
                    let _ = look_at(&bytes);
                }
            }
        }
    }
}
