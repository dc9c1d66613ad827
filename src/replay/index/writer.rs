//! What all threads share, and the thread that packs and writes what was appended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::cache::Cache;
use super::chunk::zero_hash;
use super::folder::Folder;
use super::slice::Slice;
use super::stored::Stored;
use super::thin::{self, Budget};
use super::{Hash, IndexError, Limits, Origin, Page};
use crate::moment::Moment;

/// Bytes that may wait to be written before who appends has to wait.
const MOST_WAITING: usize = 64 << 20;

/// A slice on its way to the disk.
pub struct Job {
    /// The slice.
    pub slice: Arc<Slice>,
    /// Contents that it brought.
    pub pages: Vec<(Hash, Box<Page>)>,
}

impl Job {
    fn cost(&self) -> usize {
        self.slice.cost() + self.pages.len() * (size_of::<Page>() + 64)
    }
}

/// What the writer has to do.
#[derive(Clone)]
pub enum Work {
    /// Write a slice.
    Slice(Arc<Job>),
    /// Write that the last slice reaches the end.
    Complete,
}

/// Everything that the threads share.
pub struct Shared {
    /// What the index is about.
    pub of: Origin,
    /// Where it is; `None` in memory.
    pub folder: Option<Folder>,
    /// What it may take.
    pub limits: Limits,
    /// What was loaded last.
    pub cache: Mutex<Cache>,
    /// Signals every change of the state.
    pub changed: Condvar,
    state: Mutex<State>,
}

/// What changes.
pub struct State {
    /// What is written. Locked after the state, where both are.
    pub stored: Arc<Stored>,
    /// See `Index::stride`.
    pub stride: u32,
    /// What is not written yet; the writer takes off what it has done.
    pub queue: VecDeque<Work>,
    waiting_bytes: usize,
    /// Pages in the queue.
    pub waiting: BTreeMap<Hash, (Arc<Job>, usize)>,
    /// Pages that `Index::is_stored` was asked for since the last slice: they must not be thinned out.
    promised: BTreeSet<Hash>,
    /// See `Index::is_complete`.
    pub is_complete: bool,
    /// The queue is to be emptied, and then the thread ends.
    pub is_closing: bool,
    is_writer_busy: bool,
    is_writer_gone: bool,
    /// For the user.
    pub notes: Vec<String>,
    /// Whether the index is as small as it should be.
    pub budget: Budget,
    /// Those who rely on the numbers of slices now: see `Index::hold`.
    pub holders: usize,
}

impl State {
    /// With what is stored.
    pub fn new(stored: Stored, stride: u32, notes: Vec<String>) -> State {
        let is_complete = stored.catalogue().is_complete;
        State {
            stored: Arc::new(stored),
            stride,
            queue: VecDeque::new(),
            waiting_bytes: 0,
            waiting: BTreeMap::new(),
            promised: BTreeSet::new(),
            is_complete,
            is_closing: false,
            is_writer_busy: false,
            is_writer_gone: false,
            notes,
            budget: Budget::Kept,
            holders: 0,
        }
    }
    fn waiting_slices(&self) -> impl Iterator<Item = &Arc<Slice>> {
        self.queue.iter().filter_map(|work| match work {
            Work::Slice(job) => Some(&job.slice),
            Work::Complete => None,
        })
    }
    /// See `Index::slices`.
    pub fn slices(&self) -> usize {
        self.stored.catalogue().slices().len() + self.waiting_slices().count()
    }
    /// See `Index::ends`.
    pub fn ends(&self) -> Vec<Moment> {
        let mut ends: Vec<Moment> = self.stored.catalogue().slices().iter().map(|s| s.to).collect();
        ends.extend(self.waiting_slices().map(|s| s.to));
        ends
    }
    fn end(&self) -> Moment {
        self.waiting_slices().last().map_or_else(|| self.stored.catalogue().end(), |s| s.to)
    }
    fn has(&self, hash: &Hash) -> bool {
        hash == zero_hash() || self.waiting.contains_key(hash) || self.stored.catalogue().number(hash).is_some()
    }
    /// See `Index::is_stored`.
    pub fn promise(&mut self, hash: &Hash) -> bool {
        let has = self.has(hash);
        if has {
            self.promised.insert(*hash);
        }
        has
    }
    /// Puts a slice in the queue.
    pub fn accept(&mut self, job: Arc<Job>) -> Result<(), IndexError> {
        let slice = &job.slice;
        if self.is_complete {
            return Err(IndexError::Complete);
        }
        if slice.from != self.end() || slice.to <= slice.from {
            return Err(IndexError::OutOfOrder { from: slice.from, to: slice.to, last: self.end() });
        }
        let given: BTreeSet<&Hash> = job.pages.iter().map(|p| &p.0).collect();
        if slice.changed.iter().any(|(_, hash)| !given.contains(hash) && !self.has(hash)) {
            return Err(IndexError::Misfit { to: slice.to, what: "a changed page is neither stored nor given" });
        }
        for (at, (hash, _)) in job.pages.iter().enumerate() {
            self.waiting.entry(*hash).or_insert_with(|| (job.clone(), at));
        }
        self.promised.clear();
        self.waiting_bytes += job.cost();
        self.queue.push_back(Work::Slice(job));
        Ok(())
    }
    fn take_off(&mut self) {
        let Some(Work::Slice(job)) = self.queue.pop_front() else { return };
        self.waiting_bytes -= job.cost();
        for (hash, _) in &job.pages {
            if self.waiting.get(hash).is_some_and(|(first, _)| Arc::ptr_eq(first, &job)) {
                self.waiting.remove(hash);
            }
        }
    }
    /// Pages that have to stay although no stored slice need have them.
    pub fn needed(&self) -> BTreeSet<Hash> {
        let of_slices = self.waiting_slices().flat_map(|s| s.changed.iter().map(|c| c.1));
        let is_elsewhere = |hash: &Hash| hash == zero_hash() || self.waiting.contains_key(hash);
        of_slices.chain(self.promised.iter().copied()).filter(|hash| !is_elsewhere(hash)).collect()
    }
}

impl Shared {
    /// With a state to start from.
    pub fn new(of: Origin, folder: Option<Folder>, limits: Limits, state: State) -> Shared {
        let cache = Mutex::new(Cache::new(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX)));
        Shared { of, folder, limits, cache, changed: Condvar::new(), state: Mutex::new(state) }
    }
    /// The state, for a moment.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn wait_while(&self, is_to_wait: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let condition = |state: &mut State| is_to_wait(state);
        self.changed.wait_while(self.state(), condition).unwrap_or_else(PoisonError::into_inner)
    }
    /// The state once there is room in the queue.
    pub fn wait_for_room(&self) -> MutexGuard<'_, State> {
        self.wait_while(|state| state.waiting_bytes > MOST_WAITING && !state.is_writer_gone)
    }
    /// Waits until the queue is empty and the writer at rest.
    pub fn wait_for_idle(&self) {
        let has_work = |state: &State| !state.queue.is_empty() || state.is_writer_busy;
        drop(self.wait_while(|state| has_work(state) && !state.is_writer_gone));
    }
    /// See `Index::slice`.
    pub fn slice(&self, number: usize) -> Result<Arc<Slice>, IndexError> {
        let stored = {
            let state = self.state();
            let written = state.stored.catalogue().slices().len();
            if let Some(ahead) = number.checked_sub(written) {
                let waiting = state.waiting_slices().nth(ahead).cloned();
                return waiting.ok_or(IndexError::NoSlice { number, count: state.slices() });
            }
            state.stored.clone()
        };
        stored.slice(number, &self.cache)
    }
    fn next_work(&self) -> Option<Work> {
        let mut state = self.wait_while(|state| state.queue.is_empty() && !state.is_closing);
        let work = state.queue.front().cloned();
        state.is_writer_busy = work.is_some();
        work
    }
    fn work(&self, work: &Work) {
        let stored = self.state().stored.clone();
        let mut added = match work {
            Work::Complete => stored.write_complete(),
            Work::Slice(job) => {
                let pages: Vec<(Hash, &Page)> = job.pages.iter().map(|(hash, page)| (*hash, &**page)).collect();
                stored.write(&pages, Some(&job.slice))
            }
        };
        let note = added.trouble.take().map(|e| unwritten(&stored, &e));
        {
            // In one step, so that no slice is there twice or not at all.
            let mut state = self.state();
            stored.commit(added);
            state.take_off();
            state.notes.extend(note);
        }
        self.changed.notify_all();
        thin::keep_budget(self);
        self.state().is_writer_busy = false;
        self.changed.notify_all();
    }
}

/// The sentence about records that the disk did not take.
fn unwritten(stored: &Stored, error: &io::Error) -> String {
    format!(
        "cannot write the index {}: {error}; what is new is kept in memory and is gone with this session",
        stored.storage().path().display()
    )
}

/// Starts the thread.
pub fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, IndexError> {
    let path = shared.state().stored.storage().path().to_path_buf();
    let run = move || {
        let last = Last(&shared);
        while let Some(work) = last.0.next_work() {
            last.0.work(&work);
        }
    };
    Builder::new().name("index writer".to_owned()).spawn(run).map_err(|source| IndexError::Open { path, source })
}

/// Tells those who wait that the writer ends, also when it panics.
struct Last<'a>(&'a Shared);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.0.state().is_writer_gone = true;
        self.0.changed.notify_all();
    }
}
