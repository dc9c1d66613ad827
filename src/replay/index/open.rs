//! Opening: whose folder it is, who may write, what of it can be used, and what the user is told about it.

use std::io;
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::folder::{Access, Folder};
use super::format::{self, Foreign};
use super::load::{self, Walked};
use super::storage::Storage;
use super::stored::Stored;
use super::writer::{Shared, State};
use super::{IndexError, Limits, Origin, thin};

/// The name that messages give to what is kept in memory only.
const IN_MEMORY: &str = "(in memory)";

/// See `Index::in_memory`. The memory is shared equally by the records and by what is unpacked of them.
pub fn in_memory(of: &Origin, limits: Limits) -> Shared {
    let half = limits.memory_bytes / 2;
    let stored = nowhere(Path::new(IN_MEMORY), of);
    let limits = Limits { memory_bytes: half, disk_bytes: half };
    Shared::new(of.clone(), None, limits, State::new(stored, 1, Vec::new()))
}

/// See `Index::open`.
pub fn open(path: &Path, of: &Origin, limits: Limits) -> Result<Shared, IndexError> {
    let folder = Folder::open(path)?;
    let (stored, stride, mut notes) = match found(&folder, of)? {
        Found::Usable(stored, stride, note) => (*stored, stride, Vec::from_iter(note)),
        Found::Nothing(note) => {
            let (stored, trouble) = anew(&folder, of);
            (stored, 1, note.into_iter().chain(trouble).collect())
        }
    };
    if !stored.catalogue().is_complete {
        notes.extend(access_note(&folder));
    }
    let shared = Shared::new(of.clone(), Some(folder), limits, State::new(stored, stride, notes));
    // A smaller budget than it was built with.
    thin::keep_budget(&shared);
    Ok(shared)
}

fn access_note(folder: &Folder) -> Option<String> {
    let path = folder.index().display().to_string();
    match &folder.access {
        Access::Owner(_) => None,
        Access::Busy => {
            Some(format!("another reenact is building the index {path}; what it lacks is kept in memory here"))
        }
        Access::ReadOnly(error) => {
            Some(format!("the index {path} cannot be written: {error}; what it lacks is kept in memory"))
        }
    }
}

enum Found {
    Usable(Box<Stored>, u32, Option<String>),
    Nothing(Option<String>),
}

fn found(folder: &Folder, of: &Origin) -> Result<Found, IndexError> {
    let path = folder.index();
    let Some((file, is_writable)) = folder.open_index()? else { return Ok(Found::Nothing(None)) };
    let walked = load::walk(&file, of).map_err(|source| IndexError::Open { path: path.clone(), source })?;
    match walked {
        Err(foreign) => Ok(Found::Nothing(Some(foreign_note(&path, foreign)))),
        Ok(walked) => {
            // While another process builds it, its end is always torn.
            let note = damage_note(&path, &walked).filter(|_| !matches!(folder.access, Access::Busy));
            let storage = Storage::on_file(&path, file, walked.end, is_writable);
            let stored = Box::new(Stored::new(storage, walked.catalogue, of.page_count));
            Ok(Found::Usable(stored, walked.stride, note))
        }
    }
}

fn foreign_note(path: &Path, foreign: Foreign) -> String {
    let why = match foreign {
        Foreign::Damaged => "is damaged at its beginning",
        Foreign::Version => "was made by another version of reenact",
        Foreign::Recording => "belongs to another recording",
    };
    format!("the index {} {why}; it is built anew", path.display())
}

fn damage_note(path: &Path, walked: &Walked) -> Option<String> {
    let (offset, what) = walked.stopped?;
    let slices = walked.catalogue.slices().len();
    let end = walked.catalogue.end();
    Some(format!(
        "the index {} is usable up to moment {end} ({slices} slices): {what} (offset {offset}); the rest is built anew",
        path.display()
    ))
}

/// An empty file in the folder, and the name that it has until `Folder::publish`.
pub fn create(folder: &Folder, of: &Origin, stride: u32) -> io::Result<(Stored, PathBuf)> {
    let header = format::header(of, stride);
    let (file, unfinished) = folder.create(&header)?;
    let storage = Storage::on_file(&folder.index(), file, header.len() as u64, true);
    Ok((Stored::new(storage, Catalogue::new(format::header_sum(&header)), of.page_count), unfinished))
}

/// The likeness of an empty file.
fn nowhere(path: &Path, of: &Origin) -> Stored {
    Stored::new(Storage::in_memory(path), Catalogue::default(), of.page_count)
}

/// An empty index on the disk, or in memory with the reason.
fn anew(folder: &Folder, of: &Origin) -> (Stored, Option<String>) {
    if !folder.is_owned() {
        return (nowhere(&folder.index(), of), None);
    }
    let created = create(folder, of, 1).and_then(|(stored, name)| folder.publish(&name).map(|()| stored));
    match created {
        Ok(stored) => (stored, None),
        Err(e) => (nowhere(&folder.index(), of), Some(unwritable(&folder.index(), &e))),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("cannot write the index {}: {error}; it is kept in memory and is gone with this session", path.display())
}
