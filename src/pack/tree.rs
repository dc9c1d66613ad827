//! The guest's file tree while it is put together: paths to nodes, with contents read only when the archive is written.
//!
//! Host paths are walked component by component, so that symbolic links on the way (`/lib -> usr/lib`,
//! `libz.so.1 -> libz.so.1.2.13`) are kept and the loader in the guest finds what it found on the host. Invariant: the
//! parent of every node is a folder of the tree. It refuses paths below the guest's own mounts, where nothing is seen.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Error;
use super::etc::folder_mode;

/// As many links as Linux follows in one path (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// Largest sum of packed bytes: the guest holds them twice while it boots.
const TOTAL_LIMIT: u64 = 2 << 30;
const MOUNTS: [&str; 3] = ["/proc", "/sys", "/dev"];

mod archive;

/// What stands at a path of the guest. Modes are permission bits, times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Folder { mode: u32 },
    Link { target: OsString },
    Device { mode: u32, major: u32, minor: u32 },
    Bytes { mode: u32, bytes: Vec<u8> },
    Host { path: PathBuf, mode: u32, mtime: u32, size: u64 },
}

impl Node {
    fn kind(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "a directory",
            Self::Link { .. } => "a symbolic link",
            Self::Device { .. } => "a device",
            Self::Bytes { .. } | Self::Host { .. } => "a file",
        }
    }

    /// A regular file of the host. Its time goes along, because Python and others compare it with their caches.
    fn of_host_file(path: &Path, meta: &Metadata) -> Result<Self, Error> {
        let size = meta.len();
        if size > u64::from(u32::MAX) {
            return Err(Error::FileTooLarge { path: path.to_owned(), size });
        }
        let mtime = u32::try_from(meta.mtime()).unwrap_or(0);
        Ok(Self::Host { path: path.to_owned(), mode: meta.mode() & 0o777, mtime, size })
    }
}

/// The tree. Keys are absolute paths without `.`, `..` or doubled slashes; the root itself has no entry.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    total: u64,
}

impl Tree {
    /// Takes over the host's links in the root that merge `/bin`, `/lib` and so on into `/usr`.
    ///
    /// # Errors
    /// A link that cannot be read.
    pub fn add_top_level_links(&mut self) -> Result<(), Error> {
        for name in ["/bin", "/lib", "/lib32", "/lib64", "/sbin"] {
            let path = Path::new(name);
            if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
                self.add_host_folder(path)?;
            }
        }
        Ok(())
    }

    /// Adds a regular file of the host under the same path, with the links that lead to it; gives its path free of links.
    ///
    /// # Errors
    /// What is not there, not a regular file, behind too many links, or hidden by a mount of the guest.
    pub fn add_host_file(&mut self, path: &Path) -> Result<PathBuf, Error> {
        let (real, meta) = self.walk(path)?;
        if !meta.is_file() {
            return Err(Error::SpecialFile { path: real });
        }
        let node = Node::of_host_file(&real, &meta)?;
        self.put_exactly(&real, node)?;
        Ok(real)
    }

    /// Adds a folder of the host, empty, with the links that lead to it; gives its path free of links.
    ///
    /// # Errors
    /// As [`Tree::add_host_file`].
    pub fn add_host_folder(&mut self, path: &Path) -> Result<PathBuf, Error> {
        let (real, meta) = self.walk(path)?;
        if !meta.is_dir() {
            return Err(Error::Conflict { path: real, is: "a file", wanted: "a directory" });
        }
        Ok(real)
    }

    /// Follows a host path, adding folders and links as it goes. What stands at the end is added only if it is a folder.
    fn walk(&mut self, path: &Path) -> Result<(PathBuf, Metadata), Error> {
        let read_error = |at: &Path| {
            let path = at.to_owned();
            move |source| Error::Read { path, source }
        };
        let mut ahead: VecDeque<OsString> = components(path);
        let mut current = PathBuf::from("/");
        let mut meta = fs::symlink_metadata(&current).map_err(read_error(&current))?;
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                current.pop();
                continue;
            }
            let next = current.join(&name);
            refuse_covered(&next)?;
            meta = fs::symlink_metadata(&next).map_err(read_error(&next))?;
            if meta.is_symlink() {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(Error::LinkLoop { path: path.to_owned(), limit: LINK_LIMIT });
                }
                let target = fs::read_link(&next).map_err(read_error(&next))?;
                self.put_exactly(&next, Node::Link { target: target.clone().into_os_string() })?;
                if target.is_absolute() {
                    current = PathBuf::from("/");
                }
                for part in components(&target).into_iter().rev() {
                    ahead.push_front(part);
                }
                continue;
            }
            if meta.is_dir() {
                self.put_exactly(&next, Node::Folder { mode: folder_mode(&next) })?;
            } else if !ahead.is_empty() {
                return Err(Error::Conflict { path: next, is: "a file", wanted: "a directory" });
            }
            current = next;
        }
        // A path that ends in "..", or in a link to it, leaves the description of something else behind.
        let meta = if meta.is_file() { meta } else { fs::symlink_metadata(&current).map_err(read_error(&current))? };
        Ok((current, meta))
    }

    /// Puts a node at a path whose parents are in the tree already and are no links.
    fn put_exactly(&mut self, path: &Path, node: Node) -> Result<(), Error> {
        match self.nodes.get(path) {
            None => {}
            Some(Node::Folder { .. }) if matches!(node, Node::Folder { .. }) => return Ok(()),
            Some(there) if *there == node => return Ok(()),
            Some(there @ (Node::Folder { .. } | Node::Link { .. })) => {
                return Err(Error::Conflict { path: path.to_owned(), is: there.kind(), wanted: node.kind() });
            }
            Some(there) if matches!(node, Node::Folder { .. } | Node::Link { .. }) => {
                return Err(Error::Conflict { path: path.to_owned(), is: there.kind(), wanted: node.kind() });
            }
            // A file takes the place of a file: the user's own /etc/passwd, say.
            Some(there) => self.total -= size(there),
        }
        self.total += size(&node);
        if self.total > TOTAL_LIMIT {
            return Err(Error::TooMuch { path: path.to_owned(), limit_mib: TOTAL_LIMIT >> 20 });
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Puts a node at any absolute guest path, through the links that the tree has; missing folders are made.
    ///
    /// # Errors
    /// A path that is needed as something else, or that the guest's mounts hide.
    pub fn put(&mut self, guest: &Path, node: Node) -> Result<PathBuf, Error> {
        if !guest.is_absolute() {
            return Err(Error::GuestPathRelative { path: guest.to_owned() });
        }
        let mut ahead = components(guest);
        let mut current = PathBuf::from("/");
        let mut links = 0;
        let mut node = Some(node);
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                current.pop();
                continue;
            }
            let next = current.join(&name);
            if !matches!(node, Some(Node::Device { .. })) {
                refuse_covered(&next)?;
            }
            let is_last = ahead.is_empty();
            if let Some(Node::Link { target }) = self.nodes.get(&next)
                && !matches!((&node, is_last), (Some(Node::Link { .. }), true))
            {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(Error::LinkLoop { path: guest.to_owned(), limit: LINK_LIMIT });
                }
                let target = PathBuf::from(target);
                if target.is_absolute() {
                    current = PathBuf::from("/");
                }
                for part in components(&target).into_iter().rev() {
                    ahead.push_front(part);
                }
                continue;
            }
            let put = if is_last { node.take() } else { None };
            self.put_exactly(&next, put.unwrap_or(Node::Folder { mode: folder_mode(&next) }))?;
            current = next;
        }
        Ok(current)
    }

    /// Puts a file with the given content.
    ///
    /// # Errors
    /// As [`Tree::put`].
    pub fn put_bytes(&mut self, guest: &str, mode: u32, bytes: Vec<u8>) -> Result<(), Error> {
        self.put(Path::new(guest), Node::Bytes { mode, bytes }).map(drop)
    }

    /// Puts a regular file of the host at another path.
    ///
    /// # Errors
    /// A file that cannot be looked at, and as [`Tree::put`].
    pub fn put_host_file(&mut self, host: &Path, guest: &Path) -> Result<PathBuf, Error> {
        let meta = fs::metadata(host).map_err(|source| Error::Read { path: host.to_owned(), source })?;
        self.put(guest, Node::of_host_file(host, &meta)?)
    }

    /// Whether the tree has something at this path; links are not followed.
    pub fn has(&self, guest: &Path) -> bool {
        self.nodes.contains_key(guest)
    }

    /// Paths of the tree, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.nodes.keys().map(PathBuf::as_path)
    }

    /// Paths of the tree and what is there, sorted.
    #[cfg(test)]
    pub fn nodes(&self) -> &BTreeMap<PathBuf, Node> {
        &self.nodes
    }
}

fn size(node: &Node) -> u64 {
    match node {
        Node::Host { size, .. } => *size,
        Node::Bytes { bytes, .. } => bytes.len() as u64,
        _ => 0,
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    let part = |component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(part).map(OsStr::to_owned).collect()
}

fn refuse_covered(path: &Path) -> Result<(), Error> {
    match MOUNTS.into_iter().find(|mount| path.starts_with(mount) && path != Path::new(mount)) {
        Some(mount) => Err(Error::Covered { path: path.to_owned(), mount }),
        None => Ok(()),
    }
}
