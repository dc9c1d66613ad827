//! The index folder `NAME.reen.index`: snapshots of a recording and, between two of them, the pages that were touched.
//!
//! It is a cache: made by replaying, never part of the evidence, deleted and built anew at any time. Pages are known by
//! their BLAKE3 hash and stored once. One file is only added to; a torn end costs the last slice.
//!
//! ```text
//! header | chunk chunk .. slice | chunk .. slice | .. | complete        layout: docs/index-format.md
//!          `- pages new in -'
//! ```
//! What is on the disk is checked when it is opened and when it is loaded, and what does not fit is left out and said.
//! What cannot be written is kept in memory. A thread of its own packs and writes.

mod cache;
mod catalogue;
mod chunk;
mod error;
mod folder;
mod format;
mod load;
mod open;
mod page;
mod slice;
mod storage;
mod stored;
mod thin;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use crate::machine::digest::Hash;
use crate::moment::Moment;
pub use error::IndexError;
pub use page::PageRef;
pub use slice::{PageSets, Slice};
use writer::{Job, Shared, Work};

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// A page's bytes.
pub type Page = [u8; PAGE];

/// What an index is about. It fits no other recording, and no machine that counts or computes otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `recording::Identity` of the recording.
    pub identity: [u8; 32],
    /// Version of the tool, its machine and its counting rule, in any words that change with them.
    pub rule: String,
    /// RAM pages of the machine (`PhysMemory::page_count`).
    pub page_count: u32,
}

/// How much an index may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for what was loaded last, and once more for what cannot be written to the disk.
    pub memory_bytes: u64,
    /// Bytes on the disk; for a moment, while it is thinned out, half as much again.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_bytes: 256 << 20, disk_bytes: 2 << 30 }
    }
}

/// The index of one recording. Any number of threads may use it; one at a time appends.
pub struct Index {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Index {
    /// Opens the folder, or makes it. What does not belong to `of` or is damaged is left out, from there on, and has to
    /// be appended anew; the notes say so, one sentence each, for the user. An error leaves [`Index::in_memory`].
    pub fn open(folder: &Path, of: &Origin, limits: Limits) -> Result<(Index, Vec<String>), IndexError> {
        let shared = open::open(folder, of, limits)?;
        let notes = shared.state().notes.drain(..).collect();
        Ok((Index::start(shared)?, notes))
    }
    /// An index that ends with the process.
    pub fn in_memory(of: &Origin, limits: Limits) -> Result<Index, IndexError> {
        Index::start(open::in_memory(of, limits))
    }
    fn start(shared: Shared) -> Result<Index, IndexError> {
        let shared = Arc::new(shared);
        let writer = writer::start(shared.clone())?;
        Ok(Index { shared, writer: Some(writer) })
    }

    /// Slices there are, those on their way to the disk included.
    pub fn slices(&self) -> usize {
        self.shared.state().slices()
    }
    /// Where each slice ends, in order: the Moments of the snapshots.
    pub fn ends(&self) -> Vec<Moment> {
        self.shared.state().ends()
    }
    /// As long as this is held the numbers of slices stay: the index is not thinned out.
    pub fn hold(&self) -> Hold {
        self.shared.state().holders += 1;
        Hold(self.shared.clone())
    }
    /// How many of the caller's usual distances the next slices should span: 1, and twice as much each time the index
    /// was thinned out. Numbers of slices are good as long as it stays the same.
    pub fn stride(&self) -> u32 {
        self.shared.state().stride
    }
    /// A slice by its number from 0.
    pub fn slice(&self, number: usize) -> Result<Arc<Slice>, IndexError> {
        self.shared.slice(number)
    }
    /// True if the last slice reaches the end of the recording.
    pub fn is_complete(&self) -> bool {
        self.shared.state().is_complete
    }
    /// Bytes stored, on the disk or in its place.
    pub fn stored_bytes(&self) -> u64 {
        self.shared.state().stored.storage().len()
    }
    /// What went wrong since the last call without stopping anything (a full disk), for the user.
    pub fn take_notes(&self) -> Vec<String> {
        self.shared.state().notes.drain(..).collect()
    }

    /// True if a page's content need not be given to the next [`Index::append`], until which it stays.
    pub fn is_stored(&self, hash: &Hash) -> bool {
        self.shared.state().promise(hash)
    }
    /// Appends the next slice with the contents of its changed pages that are not stored yet. Packing and writing
    /// happen elsewhere; only when 64 MiB wait for it does this wait, too.
    pub fn append(&self, slice: Slice, pages: Vec<(Hash, Box<Page>)>) -> Result<(), IndexError> {
        if let Some(what) = slice.misfit(self.shared.of.page_count) {
            return Err(IndexError::Misfit { to: slice.to, what });
        }
        debug_assert!(pages.iter().all(|(hash, page)| blake3::hash(&**page) == *hash), "a page with another's hash");
        let job = Arc::new(Job { slice: Arc::new(slice), pages });
        self.shared.wait_for_room().accept(job)?;
        self.shared.changed.notify_all();
        Ok(())
    }
    /// Says that the last slice reaches the end of the recording.
    pub fn complete(&self) {
        let mut state = self.shared.state();
        if !state.is_complete {
            state.is_complete = true;
            state.queue.push_back(Work::Complete);
            self.shared.changed.notify_all();
        }
    }
    /// Waits until everything appended is on the disk or in its place.
    pub fn flush(&self) {
        self.shared.wait_for_idle();
    }

    /// A page that some slice brought.
    pub fn page(&self, hash: &Hash) -> Result<PageRef, IndexError> {
        self.shared.page(hash)
    }
    /// Many pages, each given to `take` with its place in `hashes`, in the order of the file. Much cheaper than one
    /// at a time.
    pub fn pages(&self, hashes: &[Hash], take: &mut dyn FnMut(usize, &Page)) -> Result<(), IndexError> {
        self.shared.pages(hashes, take)
    }
}

/// See [`Index::hold`].
pub struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state().holders -= 1;
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.shared.changed.notify_all();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so itself.
            let _ = writer.join();
        }
    }
}
