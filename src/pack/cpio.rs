//! Writes an initramfs: a cpio archive in the kernel's "newc" format, uncompressed.
//!
//! Deterministic: inode numbers are the order of the entries, every owner is root, and times are what the caller gives.
//! It refuses nothing by itself; the caller gives parents before children and sizes below 4 GiB.
//!
//! ```text
//! "070701" ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check(0)
//!          each 8 hexadecimal digits; then name, NUL, padding to 4; then content, padding to 4. Last: "TRAILER!!!".
//! ```
//! Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::io::Write;

/// File type bits of `mode` (stat(2)).
pub const TYPE_FILE: u32 = 0o100_000;
pub const TYPE_FOLDER: u32 = 0o040_000;
pub const TYPE_LINK: u32 = 0o120_000;
pub const TYPE_CHARACTER_DEVICE: u32 = 0o020_000;

/// What stands in an entry's header besides name and content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// File type and permissions.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Major and minor number of a device node, else zero.
    pub device: (u32, u32),
}

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Starts with room for `bytes` of archive, so that a large one is not copied while it grows.
    pub fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), entries: 0 }
    }

    /// Length in bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds one entry. `name` is the path without a leading slash; a link's content is its target.
    pub fn add(&mut self, name: &[u8], meta: Meta, content: &[u8]) {
        self.entries += 1;
        self.entry(self.entries, name, meta, content);
    }

    fn entry(&mut self, inode: u32, name: &[u8], meta: Meta, content: &[u8]) {
        let links = if meta.mode & TYPE_FOLDER != 0 { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("the caller bounds the size of a file");
        let name_size = u32::try_from(name.len() + 1).expect("a path is shorter than 4 GiB");
        let (major, minor) = meta.device;
        let fields = [inode, meta.mode, 0, 0, links, meta.mtime, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            write!(self.bytes, "{field:08x}").expect("a Vec takes every write");
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Closes the archive and gives its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(0, b"TRAILER!!!", Meta::default(), &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_entry_has_the_layout_of_newc() {
        let mut archive = Archive::default();
        archive.add(b"a/b", Meta { mode: TYPE_FILE | 0o644, mtime: 5, device: (0, 0) }, b"hello");
        let bytes = archive.finish();
        let head = b"070701\
            00000001000081a4000000000000000000000001000000050000000500000000000000000000000000000000\
            0000000400000000";
        assert_eq!(&bytes[..110], head);
        assert_eq!(&bytes[110..124], b"a/b\0\0\0hello\0\0\0");
        assert_eq!(&bytes[124 + 110..], b"TRAILER!!!\0\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn device_node_carries_its_numbers() {
        let mut archive = Archive::default();
        archive.add(b"dev/console", Meta { mode: TYPE_CHARACTER_DEVICE | 0o600, mtime: 0, device: (5, 1) }, &[]);
        assert_eq!(&archive.finish()[6 + 8 * 9..6 + 8 * 11], b"0000000500000001");
    }
}
