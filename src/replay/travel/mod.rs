//! Time travel in a recording: to any place, a step back, back to what was hit last.
//!
//! ```text
//! Travel -- stand: the machine at the current Position, with layers (small snapshots) around it
//!        -- crew: more machines, to search slices with
//!        -- history: script (Inputs, Digests), index (snapshots, page sets), shared by all of them
//!        -- pass: the thread that fills the index, while it is not complete
//! ```

mod crew;
mod history;
mod pass;
mod past;
mod runner;
mod scan;
mod script;
mod search;
mod slices;
mod stand;
mod step;

#[cfg(test)]
mod tests;

use super::index::{Index, Limits, Origin};
use super::{COUNTING_RULE, CPU_MODEL, CPU_MODEL_VERSION, Error, MACHINE};
use crate::machine::{Geometry, Machine};
use crate::moment::Moment;
use crate::recording::{self, Reader};
use crew::Crew;
use history::History;
pub use past::Past;
pub use scan::Scan;
pub use script::Script;
pub use slices::{Cut, Stretch, Stretches, Visit};
use stand::Stand;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A place in history: `moment` instructions are retired, and of the deliveries (exceptions, interrupts) that come before
/// the next one retires, `deliveries` are done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Position {
    /// Instructions retired.
    pub moment: Moment,
    /// Deliveries done since.
    pub deliveries: u32,
}

impl Position {
    /// The first place at a Moment.
    pub fn at(moment: Moment) -> Position {
        Position { moment, deliveries: 0 }
    }
}

impl From<crate::cpu::probe::At> for Position {
    fn from((moment, deliveries): crate::cpu::probe::At) -> Position {
        Position { moment: Moment(moment), deliveries }
    }
}

/// Which way in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To later Moments.
    Forward,
    /// To earlier ones.
    Backward,
}

/// What a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Steps {
    /// The next or previous position of all.
    Cpu,
    /// The next or previous instruction of the same program; in the kernel, interrupts from outside are passed over.
    Thread,
}

/// In which address space a linear address is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// In each.
    Any,
    /// In that of this page table root (CR3 without its low 12 bits).
    Root(u64),
}

/// Where something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A linear (virtual) address.
    Linear(u64, Space),
    /// A guest-physical address.
    Physical(u64),
}

/// An instruction to stop at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breakpoint {
    /// Its first byte.
    pub place: Place,
}

/// What kind of access a watchpoint waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Both.
    ReadWrite,
}

/// Bytes to watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The first byte.
    pub place: Place,
    /// Bytes, at least 1.
    pub len: u64,
    /// What is waited for.
    pub kind: AccessKind,
    /// A write that changes no byte is no hit.
    pub changes_only: bool,
}

/// What a run stops at.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Stops {
    /// Instructions.
    pub breakpoints: Vec<Breakpoint>,
    /// Bytes.
    pub watches: Vec<Watch>,
}

impl Stops {
    /// A breakpoint on one linear address, in every address space.
    pub fn at_instruction(at: u64) -> Stops {
        Stops { breakpoints: vec![Breakpoint { place: Place::Linear(at, Space::Any) }], ..Stops::default() }
    }
}

/// Why a run or a step stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// At the breakpoint of this number in [`Stops`].
    Breakpoint(usize),
    /// At an access to the bytes of the watch of this number.
    Watch {
        /// Which watch.
        index: usize,
        /// The linear address of the access; 1 << 63 for one that the processor made by physical address.
        address: u64,
        /// Bytes.
        len: u8,
        /// A write, else a read.
        is_write: bool,
    },
    /// The step is done.
    Stepped,
    /// Nothing lies before.
    Begin,
    /// Nothing lies behind.
    End,
    /// The user wanted it to stop; nothing has moved.
    Cancelled,
}

/// A wish to stop, shared between threads.
#[derive(Clone, Default)]
pub struct Cancel {
    is_requested: Arc<AtomicBool>,
    outer: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// Asks for the work in hand to stop.
    pub fn request(&self) {
        self.is_requested.store(true, Ordering::Relaxed);
    }
    /// True if somebody asked.
    pub fn is_requested(&self) -> bool {
        if self.outer.as_ref().is_some_and(|outer| outer.load(Ordering::Relaxed)) {
            self.request();
        }
        self.is_requested.load(Ordering::Relaxed)
    }
    /// Takes the wish back.
    pub fn clear(&self) {
        self.is_requested.store(false, Ordering::Relaxed);
    }
    /// For one piece of work: what was seen once stays, also if the wish is taken back meanwhile. Work that stopped half-way
    /// because of it would else take its half for the whole.
    pub(crate) fn latched(&self) -> Cancel {
        Cancel { is_requested: Arc::default(), outer: Some(self.is_requested.clone()) }
    }
}

/// How to travel.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Sizes of the engine's caches.
    pub geometry: Geometry,
    /// Machines that search at once; each has its own RAM.
    pub workers: usize,
    /// What it may cost to run from one snapshot to the next.
    pub slice_time: Duration,
    /// Keep the index beside the recording, in `NAME.reen.index`; else in memory.
    pub keeps_index: bool,
    /// How much the index may take.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            geometry: Geometry::default(),
            workers: rayon::current_num_threads(),
            slice_time: SLICE_TIME,
            keeps_index: true,
            limits: Limits::default(),
        }
    }
}

const SLICE_TIME: Duration = Duration::from_millis(100);

/// How far the first pass has come; can be watched from any thread.
#[derive(Default)]
pub struct FirstPass {
    at: AtomicU64,
    failure: Mutex<Option<Error>>,
    is_over: AtomicBool,
}

impl FirstPass {
    /// The Moment that it has come to.
    pub fn at(&self) -> Moment {
        Moment(self.at.load(Ordering::Relaxed))
    }
    /// True when there is nothing left to do, or it failed.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// A recording, and a machine that goes about in it.
pub struct Travel {
    history: Arc<History>,
    stand: Stand,
    crew: Crew,
    progress: Arc<FirstPass>,
    stop_pass: Cancel,
    pass: Option<JoinHandle<()>>,
    notes: Vec<String>,
}

impl Travel {
    /// Opens a recording at its first Moment, and starts to fill the index where that is not complete.
    ///
    /// # Errors
    /// When the recording cannot be read or replayed by this build.
    pub fn open(reader: Reader, options: Options) -> Result<Travel, Error> {
        let mut notes = Vec::new();
        let mut index =
            |reader: &Reader, script: &Script, pages| open_index(reader, script, pages, &options, &mut notes);
        let (history, runner) = History::new(reader, &mut index, options.geometry)?;
        let mut travel = Travel {
            stand: Stand::new(history.clone(), runner),
            crew: Crew::new(history.clone(), options.workers.max(1)),
            history,
            progress: Arc::default(),
            stop_pass: Cancel::default(),
            pass: None,
            notes,
        };
        travel.start_pass(options.slice_time);
        Ok(travel)
    }
    #[expect(clippy::disallowed_methods, reason = "the host edge: the index fills while the user looks around")]
    fn start_pass(&mut self, slice_time: Duration) {
        let (history, progress, stop) = (self.history.clone(), self.progress.clone(), self.stop_pass.clone());
        if history.index.is_complete() {
            return progress.is_over.store(true, Ordering::Release);
        }
        self.pass = Some(std::thread::spawn(move || {
            let outcome = pass::build(&history, slice_time, &|at| progress.at.store(at.0, Ordering::Relaxed), &stop);
            *progress.failure.lock().expect("no holder panics") = outcome.err();
            progress.is_over.store(true, Ordering::Release);
        }));
    }
    /// The first pass, to be watched while the traveller works.
    pub fn first_pass(&self) -> Arc<FirstPass> {
        self.progress.clone()
    }
    /// How far the index reaches, and whether it is complete.
    pub fn indexed(&self) -> (Moment, bool) {
        let at = Moment(self.progress.at.load(Ordering::Relaxed))
            .max(self.history.index.ends().last().copied().unwrap_or_default());
        (at, self.is_indexed())
    }
    /// What the user should know of the index: why it was made anew, what could not be written.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.history.index.take_notes());
        notes
    }
    /// What stopped the reading of the recording, when it is damaged or was cut off.
    pub fn damage(&self) -> Option<&recording::Error> {
        self.history.script.damage.as_ref()
    }
    /// The index.
    pub fn index(&self) -> &Index {
        &self.history.index
    }
    /// Waits until the index is complete. False if cancelled.
    ///
    /// # Errors
    /// Why the first pass could not go to the end.
    pub fn finish_index(&mut self, cancel: &Cancel, progress: &dyn Fn(Moment)) -> Result<bool, Error> {
        while !self.is_indexed() {
            if cancel.is_requested() {
                return Ok(false);
            }
            progress(self.indexed().0);
            std::thread::sleep(WAIT);
        }
        self.check_pass()?;
        Ok(true)
    }
    fn is_indexed(&self) -> bool {
        self.progress.is_over()
    }
    fn check_pass(&self) -> Result<(), Error> {
        self.progress.failure.lock().expect("no holder panics").take().map_or(Ok(()), Err)
    }
    /// Waits until the index has the slice that a Moment is in, or all there is.
    fn wait_for(&self, at: Moment, cancel: &Cancel) -> Result<(), Error> {
        let reaches = || self.history.index.ends().last().is_some_and(|&end| end >= at);
        while !self.is_indexed() && !cancel.is_requested() && !reaches() {
            std::thread::sleep(WAIT);
        }
        self.check_pass()?;
        self.history.take_in()
    }
    /// Waits until the index has more than `slices`, or all there is.
    fn wait_for_more(&self, slices: usize, cancel: &Cancel) -> Result<(), Error> {
        while !self.is_indexed() && !cancel.is_requested() && self.history.index.slices() <= slices {
            std::thread::sleep(WAIT);
        }
        self.check_pass()
    }

    /// Where the machine stands.
    pub fn position(&self) -> Position {
        self.stand.position()
    }
    /// The last Moment of the recording.
    pub fn end(&self) -> Moment {
        self.history.script.end
    }
    /// The recording's events.
    pub fn script(&self) -> &Script {
        &self.history.script
    }
    /// The recording.
    pub fn reader(&self) -> &Reader {
        &self.history.reader
    }
    /// The machine as it stands.
    pub fn machine(&self) -> &Machine {
        &self.stand.runner.machine
    }
    /// Goes to a position; a Moment behind the end is taken for the end.
    ///
    /// # Errors
    /// When there is no such delivery, the replay parts from the recording, or the index cannot be read.
    pub fn seek(&mut self, to: Position) -> Result<(), Error> {
        self.seek_unless(to, &Cancel::default()).map(|_| ())
    }
    /// As [`Travel::seek`]; false if cancelled, and the machine stands where it stood.
    ///
    /// # Errors
    /// As [`Travel::seek`].
    pub fn seek_unless(&mut self, to: Position, cancel: &Cancel) -> Result<bool, Error> {
        let _hold = self.history.hold()?;
        let here = self.position();
        let to = if to.moment > self.end() { Position::at(self.end()) } else { to };
        let latch = cancel.latched();
        self.wait_for(to.moment, &latch)?;
        if !latch.is_requested() && self.stand.go(to, true, &latch)? {
            return Ok(true);
        }
        cancel.clear();
        self.stand.go(here, true, &Cancel::default())?;
        Ok(false)
    }
    /// The Digest of the machine as it stands.
    pub fn digest(&mut self) -> crate::machine::digest::Hash {
        self.stand.runner.machine.digest()
    }
}

impl Drop for Travel {
    fn drop(&mut self) {
        self.stop_pass.request();
        if let Some(pass) = self.pass.take() {
            // It ends at its next look; what it has written stays.
            drop(pass.join());
        }
    }
}

/// The folder of a recording's index.
pub fn index_folder(recording: &Path) -> PathBuf {
    let mut name = recording.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

/// Version of the tool, its machine and its counting rule: what is derived under another one is made anew.
pub fn rule() -> String {
    format!("{} | {MACHINE} | {CPU_MODEL} {CPU_MODEL_VERSION} | {COUNTING_RULE}", env!("CARGO_PKG_VERSION"))
}

/// Opens the index beside the recording, or one in memory where that cannot be.
fn open_index(
    reader: &Reader,
    script: &Script,
    pages: usize,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Index, Error> {
    let of = Origin { identity: script.identity, rule: rule(), page_count: pages as u32 };
    if options.keeps_index {
        match Index::open(&index_folder(reader.path()), &of, options.limits) {
            Ok((index, found)) => {
                notes.extend(found);
                return Ok(index);
            }
            Err(e) => {
                let cause = std::error::Error::source(&e).map_or_else(String::new, |c| format!(": {c}"));
                notes.push(format!("{e}{cause}; the index is kept in memory and is gone with this session"));
            }
        }
    }
    Ok(Index::in_memory(&of, options.limits)?)
}

const WAIT: Duration = Duration::from_millis(5);
