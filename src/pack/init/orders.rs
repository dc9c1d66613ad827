//! The orders in `/.reenact/run`: what to run, where and with what. The writer is `src/pack/orders.rs`.
//!
//! Layout: strings that each end with NUL: working directory, program, number of arguments in decimal, the arguments,
//! number of environment strings, the environment strings. The file is mapped, and the vectors point into the mapping.

use crate::syscall::{call3, call6, failed, number};

const READ_WRITE_PROTECTION: u64 = 3;
const PRIVATE: u64 = 2;
const ANONYMOUS: u64 = 0x20;
/// `struct stat` of x86-64 is 144 bytes; the size stands at byte 48.
const STAT_WORDS: usize = 18;
const STAT_SIZE_WORD: usize = 6;

pub struct Orders {
    folder: &'static [u8],
    program: &'static [u8],
    /// Two vectors of pointers, each closed by a null pointer, in one mapping: arguments, then environment.
    vectors: *const u64,
    arguments: usize,
}

impl Orders {
    /// Reads the orders; `None` if the file is missing or not of the layout.
    pub fn read(path: &core::ffi::CStr) -> Option<Self> {
        let mut rest = map_file(path)?;
        let folder = next_string(&mut rest)?;
        let program = next_string(&mut rest)?;
        // Every string takes at least one byte, so the file's length bounds both vectors.
        let room = rest.len() + 2;
        let vectors = map(room * 8, ANONYMOUS | PRIVATE, u64::MAX)?.cast::<u64>();
        let arguments = fill(&mut rest, vectors, 0)?;
        fill(&mut rest, vectors, arguments + 1)?;
        Some(Self {
            folder,
            program,
            vectors,
            arguments,
        })
    }

    pub fn folder(&self) -> u64 {
        self.folder.as_ptr() as u64
    }

    pub fn folder_text(&self) -> &[u8] {
        self.folder
    }

    pub fn program(&self) -> u64 {
        self.program.as_ptr() as u64
    }

    pub fn program_text(&self) -> &[u8] {
        self.program
    }

    pub fn arguments(&self) -> u64 {
        self.vectors as u64
    }

    pub fn environment(&self) -> u64 {
        self.vectors as u64 + 8 * (self.arguments as u64 + 1)
    }
}

/// Reads a count and as many strings, and puts their addresses at `vectors[at..]`; the mapping is zero, so a null
/// pointer follows by itself.
fn fill(rest: &mut &'static [u8], vectors: *mut u64, at: usize) -> Option<usize> {
    let count = decimal(next_string(rest)?)?;
    if count > rest.len() {
        return None;
    }
    for index in 0..count {
        let text = next_string(rest)?;
        // SAFETY: the mapping has one slot for each byte that remained after the program's name, and two more. Each
        // string and each count used up at least one such byte, so `at + index` lies inside.
        unsafe { vectors.add(at + index).write(text.as_ptr() as u64) };
    }
    Some(count)
}

/// The next string without its NUL, which stays behind it in memory for the kernel.
fn next_string(rest: &mut &'static [u8]) -> Option<&'static [u8]> {
    let end = rest.iter().position(|&byte| byte == 0)?;
    let text = rest.get(..end)?;
    *rest = rest.get(end + 1..)?;
    Some(text)
}

fn decimal(digits: &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for &digit in digits {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value = value.checked_mul(10)?.checked_add(usize::from(digit))?;
    }
    Some(value)
}

fn map_file(path: &core::ffi::CStr) -> Option<&'static [u8]> {
    let file = call3(number::OPEN, path.as_ptr() as u64, 0, 0);
    if failed(file) {
        return None;
    }
    let mut stat = [0_u64; STAT_WORDS];
    if failed(call3(number::FSTAT, file as u64, (&raw mut stat) as u64, 0)) {
        return None;
    }
    let length = *stat.get(STAT_SIZE_WORD)? as usize;
    let start = map(length, PRIVATE, file as u64)?;
    let _ = call3(number::CLOSE, file as u64, 0, 0);
    // SAFETY: a private mapping of `length` bytes that is never unmapped; nobody else runs yet who could shorten the file.
    Some(unsafe { core::slice::from_raw_parts(start, length) })
}

fn map(length: usize, kind: u64, file: u64) -> Option<*mut u8> {
    let start = call6(
        number::MMAP,
        [0, length as u64, READ_WRITE_PROTECTION, kind, file, 0],
    );
    if failed(start) {
        None
    } else {
        Some(start as *mut u8)
    }
}
