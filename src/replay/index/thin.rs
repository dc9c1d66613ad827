//! Thinning out: when the index outgrows its budget, every two slices become one, and only pages that a remaining
//! snapshot needs are kept.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::cache::Cache;
use super::chunk::Chunk;
use super::folder::Folder;
use super::open::create;
use super::slice::Slice;
use super::stored::{Added, Stored};
use super::writer::{Shared, State};
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
    loop {
        let (stored, stride, budget) = {
            let state = shared.state();
            if state.holders > 0 {
                return;
            }
            (state.stored.clone(), state.stride, state.budget)
        };
        if !is_too_large(shared, &stored) {
            return;
        }
        let first = fixed_slices(&stored);
        let slices = stored.catalogue().slices().len() - first;
        let is_given_up = budget == Budget::GivenUp && stored.storage().takes_file();
        if !is_given_up && slices >= FEWEST {
            let outcome = thin_out(shared, &stored, first, stride.saturating_mul(2));
            if matches!(outcome, Ok(Outcome::Held)) {
                return;
            }
            if let Err(trouble) = outcome {
                let reason = trouble.source().map_or_else(String::new, |source| format!(": {source}"));
                let note = format!("the index outgrows its budget and cannot be thinned out: {trouble}{reason}");
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

fn is_too_large(shared: &Shared, stored: &Stored) -> bool {
    let storage = stored.storage();
    if storage.takes_file() {
        storage.len() > shared.limits.disk_bytes
    } else {
        storage.bytes_in_memory() > shared.limits.memory_bytes
    }
}

impl State {
    fn outgrows(&mut self, budget: Budget, note: String) {
        self.budget = budget;
        self.notes.push(note);
    }
}

/// Slices in a file that takes no more. They stay as they are, and those in memory are thinned out.
fn fixed_slices(stored: &Stored) -> usize {
    let end = stored.storage().fixed_end();
    stored.catalogue().slices().partition_point(|s| s.offset < end)
}

/// How thinning out ended.
enum Outcome {
    Done,
    /// Somebody relies on the numbers of slices: another time.
    Held,
}

/// Makes one slice of every two from `first` on. If it fails nothing has changed.
fn thin_out(shared: &Shared, old: &Stored, first: usize, stride: u32) -> Result<Outcome, IndexError> {
    let write_error = |source| IndexError::Write { path: old.storage().path().to_path_buf(), source };
    let (new, unfinished) = target(shared, old, stride).map_err(write_error)?;
    let copier = Copier { old, new: &new, cache: Mutex::new(Cache::new(COPY_CACHE)) };
    let copied = copier.slices(first).and_then(|()| copier.settle(shared));
    if copied.as_ref().is_ok_and(|state| state.holders > 0) {
        if let Some((folder, name)) = &unfinished {
            folder.discard(name);
        }
        return Ok(Outcome::Held);
    }
    let mut state = match (copied, &unfinished) {
        (Ok(state), Some((folder, name))) => {
            folder.publish(name).map_err(write_error)?;
            state
        }
        (Err(error), Some((folder, name))) => {
            folder.discard(name);
            return Err(error);
        }
        (copied, None) => copied?,
    };
    state.stored = Arc::new(new);
    state.stride = stride;
    Ok(Outcome::Done)
}

/// Where the thinned out index goes, and what has to be renamed in the end.
type Target<'a> = (Stored, Option<(&'a Folder, PathBuf)>);

fn target<'a>(shared: &'a Shared, old: &Stored, stride: u32) -> io::Result<Target<'a>> {
    if let (true, Some(folder)) = (old.storage().takes_file(), &shared.folder) {
        let (new, unfinished) = create(folder, &shared.of, stride)?;
        return Ok((new, Some((folder, unfinished))));
    }
    let catalogue = old.catalogue().up_to(old.storage().fixed_end());
    Ok((Stored::new(old.storage().fixed_part()?, catalogue, shared.of.page_count), None))
}

/// From one file to another.
struct Copier<'a> {
    old: &'a Stored,
    new: &'a Stored,
    cache: Mutex<Cache>,
}

impl Copier<'_> {
    fn slices(&self, first: usize) -> Result<(), IndexError> {
        let count = self.old.catalogue().slices().len();
        for number in (first..count).step_by(2) {
            let mut slice = self.old.slice(number, &self.cache)?;
            if number + 1 < count {
                slice = Arc::new(slice.joined(&*self.old.slice(number + 1, &self.cache)?));
            }
            self.slice(&slice)?;
        }
        if self.old.catalogue().is_complete {
            self.commit(self.new.write_complete())?;
        }
        Ok(())
    }
    /// Who appends may meanwhile have relied on a page that was left out. Returns with the state locked and none so.
    fn settle<'s>(&self, shared: &'s Shared) -> Result<MutexGuard<'s, State>, IndexError> {
        loop {
            let state = shared.state();
            let is_missing = |hash: &Hash| self.new.catalogue().number(hash).is_none();
            let missing: Vec<Hash> = state.needed().into_iter().filter(is_missing).collect();
            if missing.is_empty() {
                return Ok(state);
            }
            drop(state);
            self.pages(&missing)?;
        }
    }
    fn slice(&self, slice: &Slice) -> Result<(), IndexError> {
        let hashes: Vec<Hash> = slice.changed.iter().map(|c| c.1).collect();
        self.pages(&hashes)?;
        self.commit(self.new.write(&[], Some(slice)))
    }
    fn pages(&self, hashes: &[Hash]) -> Result<(), IndexError> {
        for numbers in self.absent(hashes).chunks(BATCH) {
            let loaded: Result<Vec<(Arc<Chunk>, usize)>, IndexError> =
                numbers.iter().map(|(number, _)| self.old.page(*number, &self.cache)).collect();
            let loaded = loaded?;
            let pages: Vec<(Hash, &Page)> =
                numbers.iter().zip(&loaded).map(|((_, hash), (chunk, at))| (*hash, chunk.page(*at))).collect();
            self.commit(self.new.write(&pages, None))?;
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
    fn commit(&self, mut added: Added) -> Result<(), IndexError> {
        if let Some(source) = added.trouble.take() {
            return Err(IndexError::Write { path: self.new.storage().path().to_path_buf(), source });
        }
        self.new.commit(added);
        Ok(())
    }
}
