//! Thinning out: when the index outgrows its budget, every two slices become one, and only pages that a remaining
//! snapshot needs are kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::cache::Cache;
use super::chunk::Chunk;
use super::open::{fresh, unwritable};
use super::slice::Slice;
use super::stored::Stored;
use super::writer::{Shared, State, unwritten};
use super::{Hash, IndexError, Page};

/// With fewer slices than this, thinning out again would cost more time than it saves space.
const FEWEST: usize = 8;
/// Pages copied at once.
const BATCH: usize = 512;
/// Memory for chunks and slices while copying.
const COPY_CACHE: usize = 8 << 20;

/// How the budget fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// It is kept.
    Kept,
    /// It is not, and the user knows; thinning out goes on whenever it can help.
    Outgrown,
    /// Thinning out failed, and the user knows.
    GivenUp,
}

/// Thins out as long as the index is larger than it may be and that can help.
pub fn keep_budget(shared: &Shared) {
    while is_too_large(shared) {
        let (stored, stride, budget) = {
            let state = shared.state();
            (state.stored.clone(), state.stride, state.budget)
        };
        let slices = stored.catalogue().slices().len();
        if budget != Budget::GivenUp && slices >= FEWEST {
            if let Err(error) = thin_out(shared, &stored, stride.saturating_mul(2)) {
                let note = format!("the index cannot be thinned out, so it outgrows its budget: {error}");
                shared.state().outgrows(Budget::GivenUp, note);
            }
            continue;
        }
        if budget == Budget::Kept {
            let path = stored.storage().path().display().to_string();
            let note = format!("the index {path} outgrows its budget: {slices} snapshots alone take more");
            shared.state().outgrows(Budget::Outgrown, note);
        }
        return;
    }
}

fn is_too_large(shared: &Shared) -> bool {
    let stored = shared.state().stored.clone();
    let storage = stored.storage();
    storage.len() > shared.limits.disk_bytes || storage.bytes_in_memory() > shared.limits.memory_bytes
}

impl State {
    fn outgrows(&mut self, budget: Budget, note: String) {
        self.budget = budget;
        self.notes.push(note);
    }
}

fn thin_out(shared: &Shared, old: &Stored, stride: u32) -> Result<(), IndexError> {
    let fresh = fresh(shared.folder.as_ref(), &shared.of, stride);
    let new = Stored::new(fresh.storage, fresh.catalogue, shared.of.page_count);
    let mut copier = Copier { old, new: &new, cache: Mutex::new(Cache::new(COPY_CACHE)), notes: Vec::new() };
    copier.notes.extend(fresh.trouble);
    let copied = copier.slices();
    let mut notes = copier.notes;
    if let (Some(name), Some(folder)) = (&fresh.unfinished, &shared.folder) {
        match &copied {
            Ok(()) => notes.extend(folder.publish(name).err().map(|e| unwritable(&folder.index(), &e))),
            Err(_) => folder.discard(name),
        }
    }
    copied?;
    let mut copier = Copier { old, new: &new, cache: Mutex::new(Cache::new(COPY_CACHE)), notes };
    // Who appends may meanwhile have relied on a page that is not in the new file.
    let mut state = loop {
        let state = shared.state();
        let missing: Vec<Hash> = state.needed().into_iter().filter(|h| new.catalogue().number(h).is_none()).collect();
        if missing.is_empty() {
            break state;
        }
        drop(state);
        copier.pages(&missing)?;
    };
    state.notes.append(&mut copier.notes);
    state.stored = Arc::new(new);
    state.stride = stride;
    Ok(())
}

/// From one file to another.
struct Copier<'a> {
    old: &'a Stored,
    new: &'a Stored,
    cache: Mutex<Cache>,
    notes: Vec<String>,
}

impl Copier<'_> {
    fn slices(&mut self) -> Result<(), IndexError> {
        let count = self.old.catalogue().slices().len();
        for first in (0..count).step_by(2) {
            let mut slice = self.old.slice(first, &self.cache)?;
            if first + 1 < count {
                slice = Arc::new(slice.joined(&*self.old.slice(first + 1, &self.cache)?));
            }
            self.slice(&slice)?;
        }
        if self.old.catalogue().is_complete {
            let added = self.new.write_complete();
            self.commit(added);
        }
        Ok(())
    }
    fn slice(&mut self, slice: &Slice) -> Result<(), IndexError> {
        let hashes: Vec<Hash> = slice.changed.iter().map(|c| c.1).collect();
        self.pages(&hashes)?;
        let added = self.new.write(&[], Some(slice));
        self.commit(added);
        Ok(())
    }
    fn pages(&mut self, hashes: &[Hash]) -> Result<(), IndexError> {
        for numbers in self.absent(hashes).chunks(BATCH) {
            let loaded: Result<Vec<(Arc<Chunk>, usize)>, IndexError> =
                numbers.iter().map(|(number, _)| self.old.page(*number, &self.cache)).collect();
            let loaded = loaded?;
            let pages: Vec<(Hash, &Page)> =
                numbers.iter().zip(&loaded).map(|((_, hash), (chunk, at))| (*hash, chunk.page(*at))).collect();
            let added = self.new.write(&pages, None);
            self.commit(added);
        }
        Ok(())
    }
    /// Those that the new file lacks, in the order of the old one.
    fn absent(&self, hashes: &[Hash]) -> Vec<(u32, Hash)> {
        let (old, new) = (self.old.catalogue(), self.new.catalogue());
        let lacking = hashes.iter().filter(|hash| new.number(hash).is_none());
        let numbers: BTreeSet<_> = lacking.filter_map(|hash| Some((old.number(hash)?, *hash))).collect();
        numbers.into_iter().collect()
    }
    fn commit(&mut self, mut added: super::stored::Added) {
        let trouble = added.trouble.take();
        self.notes.extend(trouble.map(|e| unwritten(self.new, &e)));
        self.new.commit(added);
    }
}
