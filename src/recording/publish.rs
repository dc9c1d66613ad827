//! How a recording gets its name: written under a temporary name beside it, then renamed in one step.
//!
//! So a start that fails leaves nothing under the final name, and an existing file is replaced only when that was asked
//! for. The temporary file is removed when it is dropped without having been published.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// Attempts at a temporary name that another recorder of this process does not hold.
const NAME_ATTEMPTS: u32 = 64;

/// A file that is on its way to its final name.
#[derive(Debug)]
pub(super) struct Unpublished {
    temporary: PathBuf,
    path: PathBuf,
    overwrite: bool,
    is_published: bool,
}

impl Unpublished {
    /// Creates the temporary file in the directory of `path`.
    pub fn create(path: &Path, overwrite: bool) -> Result<(Unpublished, File)> {
        refuse_taken(path, overwrite)?;
        let name = path.file_name().ok_or_else(|| Error::NoFileName { path: path.to_path_buf() })?;
        let create_error = |source| Error::Create { path: path.to_path_buf(), source };
        for attempt in 0..NAME_ATTEMPTS {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".partial-{}", std::process::id()));
            if attempt > 0 {
                hidden.push(format!(".{attempt}"));
            }
            let temporary = path.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let path = path.to_path_buf();
                    return Ok((Unpublished { temporary, path, overwrite, is_published: false }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(create_error(error)),
            }
        }
        Err(create_error(io::ErrorKind::AlreadyExists.into()))
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file to its final name in one step.
    pub fn publish(mut self) -> Result<PathBuf> {
        refuse_taken(&self.path, self.overwrite)?;
        let moved = if self.overwrite {
            fs::rename(&self.temporary, &self.path)
        } else {
            rename_without_replacing(&self.temporary, &self.path)
        };
        moved.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path: self.path.clone() },
            _ => Error::Create { path: self.path.clone(), source },
        })?;
        self.is_published = true;
        sync_directory(&self.path);
        Ok(self.path.clone())
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if !self.is_published {
            // Nothing can be done about a failure, and the name says that the file is partial.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Early and late check of the final name; the rename itself has the last word.
fn refuse_taken(path: &Path, overwrite: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(_) if !overwrite => Err(Error::Exists { path: path.to_path_buf() }),
        // Renaming over a device node or a link would destroy something that is no recording.
        Ok(found) if !found.is_file() => Err(Error::NotAFile { path: path.to_path_buf() }),
        Ok(_) => Ok(()),
    }
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match rename_noreplace(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // File systems without that call (NFS, some FUSE) mostly know hard links, which never replace either.
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => result,
    }
}

#[cfg(target_os = "linux")]
fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both pointers are NUL-terminated strings that live until the call returns; the call writes no memory.
    let result =
        unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn rename_noreplace(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the new name survive a power failure where the file system can; failure costs only that.
fn sync_directory(path: &Path) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
}
