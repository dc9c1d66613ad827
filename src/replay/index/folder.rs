//! The folder `NAME.reen.index`: who may write in it, and how a new file takes the name `index` in one step.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::IndexError;

const INDEX: &str = "index";
const LOCK: &str = "lock";
const UNFINISHED: &str = ".unfinished";

/// Whether this process may write.
pub enum Access {
    /// It holds the lock until the file is dropped.
    Owner(#[expect(dead_code, reason = "held for its lock")] File),
    /// Another process holds the lock.
    Busy,
    /// The folder cannot be written.
    ReadOnly(io::Error),
}

/// The folder.
pub struct Folder {
    path: PathBuf,
    /// Whether this process may write.
    pub access: Access,
}

impl Folder {
    /// Opens the folder, which is made if it is not there.
    pub fn open(path: &Path) -> Result<Folder, IndexError> {
        fs::create_dir_all(path).map_err(|source| IndexError::Open { path: path.to_path_buf(), source })?;
        let folder = Folder { path: path.to_path_buf(), access: take_lock(&path.join(LOCK)) };
        folder.remove_unfinished();
        Ok(folder)
    }
    /// True if this process may write.
    pub fn is_owned(&self) -> bool {
        matches!(self.access, Access::Owner(_))
    }
    /// The index file's name.
    pub fn index(&self) -> PathBuf {
        self.path.join(INDEX)
    }
    /// The index file, if there is one, and whether it can be written.
    pub fn open_index(&self) -> Result<Option<(File, bool)>, IndexError> {
        let path = self.index();
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Opening a pipe would wait for somebody to write into it.
            Ok(found) if !found.is_file() => return Err(IndexError::NotAFile { path }),
            _ => {}
        }
        let writable = self.is_owned().then(|| OpenOptions::new().read(true).write(true).open(&path).ok()).flatten();
        if let Some(file) = writable {
            return Ok(Some((file, true)));
        }
        let file = File::open(&path).map_err(|source| IndexError::Open { path, source })?;
        Ok(Some((file, false)))
    }
    /// A file with `header` under a name of its own.
    pub fn create(&self, header: &[u8]) -> io::Result<(File, PathBuf)> {
        let path = self.path.join(format!("{INDEX}.{}{UNFINISHED}", std::process::id()));
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let written = file.write_all(header);
        written.inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok((file, path))
    }
    /// Gives such a file the name `index`, in place of the file that had it.
    pub fn publish(&self, unfinished: &Path) -> io::Result<()> {
        fs::rename(unfinished, self.index()).inspect_err(|_| drop(fs::remove_file(unfinished)))
    }
    /// Removes such a file.
    pub fn discard(&self, unfinished: &Path) {
        // One that stays is removed by the next who opens the folder.
        let _ = fs::remove_file(unfinished);
    }
    /// Files that a killed process left. The owner of the lock knows that nobody writes them.
    fn remove_unfinished(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        let is_left_over = |name: &str| name.starts_with(INDEX) && name.ends_with(UNFINISHED);
        for entry in entries.flatten() {
            if self.is_owned() && entry.file_name().to_str().is_some_and(is_left_over) {
                // One that stays is in nobody's way.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn take_lock(path: &Path) -> Access {
    let file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
        Ok(file) => file,
        Err(error) => return Access::ReadOnly(error),
    };
    match file.try_lock() {
        Ok(()) => Access::Owner(file),
        Err(TryLockError::WouldBlock) => Access::Busy,
        Err(TryLockError::Error(error)) => Access::ReadOnly(error),
    }
}
