//! Writes the tree as an archive, and tells what was read from the host for it.
//!
//! One file of the host is in memory at a time besides the archive. What is hashed is what was packed, even where a file
//! changed since it was added to the tree. It refuses to go beyond the tree's limit by more than the headers need.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Node, TOTAL_LIMIT, Tree};
use crate::pack::cpio::{self, Archive, Meta};
use crate::pack::{Error, PackedFile};

/// Room for headers, names and links above the limit for contents.
const HEADER_LIMIT: u64 = 64 << 20;

impl Tree {
    /// Writes the archive, reading the host's files one after the other.
    ///
    /// # Errors
    /// A file that cannot be read, or that grew beyond the limits since it was added.
    pub fn into_archive(self) -> Result<(Vec<u8>, Vec<PackedFile>), Error> {
        let room = self.total + 512 * self.nodes.len() as u64;
        let mut archive = Archive::with_room(usize::try_from(room).unwrap_or(0));
        let mut files = Vec::new();
        for (guest, node) in self.nodes {
            let name = guest.as_os_str().as_bytes();
            let name = name.strip_prefix(b"/").unwrap_or(name);
            match node {
                Node::Folder { mode } => archive.add(name, meta(cpio::TYPE_FOLDER | mode), &[]),
                Node::Link { target } => archive.add(name, meta(cpio::TYPE_LINK | 0o777), target.as_bytes()),
                Node::Bytes { mode, bytes } => archive.add(name, meta(cpio::TYPE_FILE | mode), &bytes),
                Node::Device { mode, major, minor } => {
                    let mode = cpio::TYPE_CHARACTER_DEVICE | mode;
                    archive.add(name, Meta { device: (major, minor), ..meta(mode) }, &[]);
                }
                Node::Host { path, mode, mtime, .. } => {
                    let meta = Meta { mtime, ..meta(cpio::TYPE_FILE | mode) };
                    let (size, digest) = add_host_file(&mut archive, name, meta, &path)?;
                    files.push(PackedFile { host: path, size, digest, guest });
                }
            }
        }
        Ok((archive.finish(), files))
    }
}

/// Reads a file into the archive; gives its length and hash.
fn add_host_file(archive: &mut Archive, name: &[u8], meta: Meta, path: &Path) -> Result<(u64, blake3::Hash), Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if (archive.len() + bytes.len()) as u64 > TOTAL_LIMIT + HEADER_LIMIT {
        return Err(Error::TooMuch { path: path.to_owned(), limit_mib: TOTAL_LIMIT >> 20 });
    }
    archive.add(name, meta, &bytes);
    Ok((bytes.len() as u64, blake3::hash(&bytes)))
}

fn meta(mode: u32) -> Meta {
    Meta { mode, ..Meta::default() }
}
