//! `--file HOST[:GUEST]`: files and whole directories that the program needs besides its libraries.
//!
//! A file that keeps its path is packed with the symbolic links that lead to it. Directories are packed with everything
//! below them, links inside them stay links. ELF files bring their libraries. What cannot be read inside a directory,
//! and sockets, pipes and devices, are left out with a note; a path that the user named himself is an error instead.

use std::fs;
use std::path::{Path, PathBuf};

use super::library::Resolver;
use super::program;
use super::tree::{Node, Tree};
use super::{Error, ProgramSpec};

/// Splits an argument of `--file` into the host path and the guest path, both absolute. The guest path starts behind the
/// last `:/`; without one it is the host path, taken from `cwd`.
///
/// # Errors
/// An empty argument or part.
pub fn parse_file_argument(argument: &str, cwd: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let (host, guest) = match argument.rfind(":/") {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    };
    if host.is_empty() {
        return Err(Error::EmptyFileArgument { argument: argument.to_owned() });
    }
    let host = cwd.join(host);
    let guest = guest.map_or_else(|| host.clone(), PathBuf::from);
    Ok((host, guest))
}

/// Adds the extra files of the spec; those that move come last, so that they go through the links that the others made.
///
/// # Errors
/// A named path that cannot be read, and guest paths that contradict each other.
pub fn add_all(tree: &mut Tree, resolver: &Resolver, spec: &ProgramSpec, notes: &mut Vec<String>) -> Result<(), Error> {
    let mut adding = Adding { tree, resolver, notes };
    let (in_place, elsewhere): (Vec<_>, Vec<_>) = spec.extra_files.iter().partition(|(host, guest)| host == guest);
    for (host, _) in in_place {
        adding.add_in_place(&spec.cwd.join(host))?;
    }
    for (host, guest) in elsewhere {
        adding.add_elsewhere(&spec.cwd.join(host), guest)?;
    }
    Ok(())
}

struct Adding<'a> {
    tree: &'a mut Tree,
    resolver: &'a Resolver,
    notes: &'a mut Vec<String>,
}

impl Adding<'_> {
    fn add_in_place(&mut self, path: &Path) -> Result<(), Error> {
        let meta = fs::metadata(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        if meta.is_file() {
            self.tree.add_host_file(path)?;
            return self.add_needs(path);
        }
        refuse_special(path, &meta)?;
        let top = self.tree.add_host_folder(path)?;
        let mut folders = vec![top];
        while let Some(folder) = folders.pop() {
            for path in entries(&folder)? {
                let Some(kind) = self.kind(&path) else {
                    continue;
                };
                match kind {
                    Kind::File => {
                        self.tree.add_host_file(&path)?;
                        self.add_needs(&path)?;
                    }
                    Kind::Folder => folders.push(self.tree.add_host_folder(&path)?),
                    // What it leads to is not packed for its sake: a link to / would bring the whole host.
                    Kind::Link(_) if path.is_dir() => drop(self.tree.add_host_folder(&path)?),
                    Kind::Link(_) if self.is_readable(&path) => {
                        self.tree.add_host_file(&path)?;
                        self.add_needs(&path)?;
                    }
                    Kind::Link(target) => drop(self.tree.put(&path, Node::Link { target: target.into_os_string() })?),
                }
            }
        }
        Ok(())
    }

    fn add_elsewhere(&mut self, host: &Path, guest: &Path) -> Result<(), Error> {
        let meta = fs::metadata(host).map_err(|source| Error::Read { path: host.to_owned(), source })?;
        if meta.is_file() {
            self.tree.put_host_file(host, guest)?;
            return self.add_needs(host);
        }
        refuse_special(host, &meta)?;
        let mut folders = vec![(host.to_owned(), guest.to_owned())];
        while let Some((host, guest)) = folders.pop() {
            self.tree.put(&guest, Node::Folder { mode: 0o755 })?;
            for path in entries(&host)? {
                let Some(kind) = self.kind(&path) else {
                    continue;
                };
                let place = guest.join(path.file_name().unwrap_or_default());
                match kind {
                    Kind::File => {
                        self.tree.put_host_file(&path, &place)?;
                        self.add_needs(&path)?;
                    }
                    Kind::Folder => folders.push((path, place)),
                    Kind::Link(target) => drop(self.tree.put(&place, Node::Link { target: target.into_os_string() })?),
                }
            }
        }
        Ok(())
    }

    fn add_needs(&mut self, path: &Path) -> Result<(), Error> {
        program::add_needs_of_extra(self.tree, self.resolver, path, self.notes)
    }

    /// What to do with an entry of a directory; `None` after a note.
    fn kind(&mut self, path: &Path) -> Option<Kind> {
        let meta = fs::symlink_metadata(path).ok()?;
        if meta.is_symlink() {
            return fs::read_link(path).ok().map(Kind::Link);
        }
        if meta.is_dir() && fs::read_dir(path).is_ok() {
            return Some(Kind::Folder);
        }
        if meta.is_file() && self.is_readable(path) {
            return Some(Kind::File);
        }
        let reason =
            if meta.is_file() || meta.is_dir() { "it cannot be read" } else { "it is a device, pipe or socket" };
        self.notes.push(format!("{} is left out: {reason}", path.display()));
        None
    }

    fn is_readable(&self, path: &Path) -> bool {
        path.is_file() && fs::File::open(path).is_ok()
    }
}

enum Kind {
    File,
    Folder,
    Link(PathBuf),
}

fn refuse_special(path: &Path, meta: &fs::Metadata) -> Result<(), Error> {
    if meta.is_dir() {
        return Ok(());
    }
    Err(Error::SpecialFile { path: path.to_owned() })
}

/// The entries of a directory, sorted, because the order of `read_dir` is the host's.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}
