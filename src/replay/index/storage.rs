//! Where records are kept: a file that is only added to, and memory from the first record on that the file did not take.
//!
//! So a full disk, a read-only folder or an index that another process builds costs memory and not the session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::IndexError;

/// Records by their offset.
pub struct Storage {
    path: PathBuf,
    file: Option<File>,
    tail: Mutex<Tail>,
}

struct Tail {
    takes_file: bool,
    end: u64,
    in_memory: BTreeMap<u64, Arc<[u8]>>,
}

impl Storage {
    /// Goes on at `end` of a file, which is cut there if it is longer. With `writes` unset the file is only read.
    pub fn on_file(path: &Path, file: File, end: u64, writes: bool) -> Storage {
        let mut takes_file = writes;
        if writes && file.metadata().is_ok_and(|m| m.len() > end) {
            takes_file = file.set_len(end).is_ok();
        }
        let tail = Tail { takes_file, end, in_memory: BTreeMap::new() };
        Storage { path: path.to_path_buf(), file: Some(file), tail: Mutex::new(tail) }
    }
    /// Without a file.
    pub fn in_memory(path: &Path) -> Storage {
        let tail = Tail { takes_file: false, end: 0, in_memory: BTreeMap::new() };
        Storage { path: path.to_path_buf(), file: None, tail: Mutex::new(tail) }
    }
    /// The file, also where it is only the name of what is kept in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.lock().end
    }
    /// True as long as what is added goes to the file.
    pub fn takes_file(&self) -> bool {
        self.lock().takes_file
    }
    /// Where the part ends that is in a file which takes no more; 0 without one.
    pub fn fixed_end(&self) -> u64 {
        let tail = self.lock();
        match (&self.file, tail.takes_file) {
            (Some(_), false) => tail.in_memory.first_key_value().map_or(tail.end, |(first, _)| *first),
            _ => 0,
        }
    }
    /// That part alone, to go on in memory.
    pub fn fixed_part(&self) -> io::Result<Storage> {
        match &self.file {
            Some(file) => Ok(Storage::on_file(&self.path, file.try_clone()?, self.fixed_end(), false)),
            None => Ok(Storage::in_memory(&self.path)),
        }
    }
    /// Bytes that are in memory instead of the file.
    pub fn bytes_in_memory(&self) -> u64 {
        let tail = self.lock();
        tail.in_memory.first_key_value().map_or(0, |(first, _)| tail.end - first)
    }
    /// Adds records that belong together; the offset of each. An error says why they, and all that follow, went to
    /// memory: they are kept all the same.
    pub fn append(&self, records: &[Vec<u8>]) -> (Vec<u64>, Option<io::Error>) {
        let mut tail = self.lock();
        let mut at = tail.end;
        let mut offsets = Vec::with_capacity(records.len());
        for record in records {
            offsets.push(at);
            at += record.len() as u64;
        }
        let trouble = match &self.file {
            Some(file) if tail.takes_file => file.write_all_at(&records.concat(), tail.end).err(),
            _ => None,
        };
        if let (Some(_), Some(file)) = (&trouble, &self.file) {
            // What was written of them is a torn end; the next open cuts it off if this cannot.
            let _ = file.set_len(tail.end);
            tail.takes_file = false;
        }
        if !tail.takes_file {
            let kept = offsets.iter().zip(records).map(|(&at, record)| (at, Arc::from(record.as_slice())));
            tail.in_memory.extend(kept);
        }
        tail.end = at;
        (offsets, trouble)
    }
    /// The record of `len` bytes at an offset.
    pub fn read(&self, offset: u64, len: usize) -> Result<Arc<[u8]>, IndexError> {
        if let Some(record) = self.lock().in_memory.get(&offset) {
            return Ok(record.clone());
        }
        let error = |source| IndexError::Read { path: self.path.clone(), offset, source };
        let file = self.file.as_ref().ok_or_else(|| error(io::ErrorKind::UnexpectedEof.into()))?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, offset).map_err(error)?;
        Ok(bytes.into())
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Tail> {
        // Nothing panics in between, and a half-told tail would only lose records that have no one to ask for them.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
