//! Memory for generated code, mapped twice: once to write it, once to run it, never both in one mapping.
//!
//! The two mappings are of one anonymous file, so what is written through the first appears in the second. An x86
//! processor sees such stores when it next fetches the bytes, except that it wants a serializing instruction between
//! them and the first run of the changed bytes (SDM vol. 3, 9.1.3): see `thunks`.

use std::io;

/// One piece of code memory.
pub struct CodeMemory {
    writable: *mut u8,
    runnable: *mut u8,
    len: usize,
    used: usize,
}

// SAFETY: the mappings belong to this value alone.
unsafe impl Send for CodeMemory {}

impl CodeMemory {
    /// Reserves `len` bytes (whole pages); the host gives pages as they are written.
    pub fn new(len: usize) -> io::Result<CodeMemory> {
        // SAFETY: plain system calls; the name is a C string, and each result is checked.
        unsafe {
            let file = libc::memfd_create(c"reenact-code".as_ptr(), libc::MFD_CLOEXEC);
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            let map = |access| libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, file, 0);
            let sized = libc::ftruncate(file, len as libc::off_t) == 0;
            let writable = if sized { map(libc::PROT_READ | libc::PROT_WRITE) } else { libc::MAP_FAILED };
            let runnable = if sized { map(libc::PROT_READ | libc::PROT_EXEC) } else { libc::MAP_FAILED };
            let error = io::Error::last_os_error();
            libc::close(file);
            for (ours, other) in [(writable, runnable), (runnable, writable)] {
                if ours == libc::MAP_FAILED {
                    if other != libc::MAP_FAILED {
                        libc::munmap(other, len);
                    }
                    return Err(error);
                }
            }
            Ok(CodeMemory { writable: writable.cast(), runnable: runnable.cast(), len, used: 0 })
        }
    }
    /// Where the next code will run.
    pub fn next(&self) -> usize {
        self.runnable as usize + self.used
    }
    /// Bytes left.
    pub fn left(&self) -> usize {
        self.len - self.used
    }
    /// Appends code that was made to run at [`CodeMemory::next`].
    pub fn append(&mut self, code: &[u8]) {
        assert!(code.len() <= self.left(), "the caller makes sure that {} bytes fit", code.len());
        // SAFETY: the range is inside the writable mapping.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.writable.add(self.used), code.len()) };
        // Entries of blocks on cache lines of their own: fetching is by lines.
        self.used = (self.used + code.len()).next_multiple_of(16).min(self.len);
    }
    /// Replaces the 32-bit displacement at an address inside code that was appended.
    pub fn patch(&mut self, at: usize, displacement: i32) {
        let offset = at - self.runnable as usize;
        assert!(offset + 4 <= self.used, "code at {offset:#x} of {:#x}", self.used);
        // SAFETY: the range is inside the writable mapping.
        unsafe { self.writable.add(offset).cast::<i32>().write_unaligned(displacement) };
    }
    /// Forgets everything that was appended after the first `kept` bytes.
    pub fn truncate(&mut self, kept: usize) {
        self.used = kept;
    }
    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: both were mapped with this length, and no code runs while its owner is being dropped.
        unsafe {
            libc::munmap(self.writable.cast(), self.len);
            libc::munmap(self.runnable.cast(), self.len);
        }
    }
}
