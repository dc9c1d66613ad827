//! The host of plugins: replays a recording in slices, several at once, shows analyses what happens, and joins what they
//! note in the order of time.
//!
//! ```text
//! worker: slice -- taps --> analyses --+-- rows ------------------> sink (slice by slice)
//!                                      +-- notes --> channel --> join, slice after slice --> sink (joined)
//! ```
//! Memory is bounded: channels are short, so that a worker that is ahead waits, and no slice is begun far ahead of the join.

use super::kernel::Kernel;
use super::scene::{At, Loaded};
use super::sink::{Failure, RowSink, Sink};
use super::tap::{Fan, From, Listener, Outlet, Subscribers};
use crate::guest::Known;
use crate::moment::Moment;
use crate::replay;
use crate::replay::travel::{Cancel, Cut, Stretch, Stretches, Travel};
use reenact_plugin::{Notes, Runnable, Wants};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Bundles of notes that wait for the join, for each slice, besides those that each analysis sends at its end.
const WAITING: usize = 16;
/// Slices that may be done or under way in front of the one that is joined, for each worker.
const AHEAD: usize = 16;

/// How long the join waits for a slice before it looks whether there is any use in waiting.
const LOOK: Duration = Duration::from_millis(50);

/// An analysis to run.
pub struct Job<'a> {
    /// What it is called.
    pub name: &'a str,
    /// How many tables it makes.
    pub tables: usize,
    /// The analysis.
    pub analysis: Box<dyn Runnable>,
}

/// How a run came out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Analyses that were not run, and why.
    pub left_out: Vec<(String, String)>,
    /// It was cancelled: what the sink has is not whole, and what was joined was not finished.
    pub is_cancelled: bool,
    /// Into how many slices history was cut.
    pub slices: usize,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The replay.
    #[error(transparent)]
    Replay(#[from] replay::Error),
    /// The sink.
    #[error("the rows of an analysis cannot be kept")]
    Rows(#[source] Failure),
}

/// How to run.
pub struct Plan<'a> {
    /// How history is cut.
    pub cut: Cut,
    /// Machines that work at once; each has its own RAM.
    pub workers: usize,
    /// Told how many instructions have been seen of how many.
    pub progress: &'a (dyn Fn(Moment, Moment) + Sync),
    /// Ends the run.
    pub cancel: &'a Cancel,
}

/// Where history is cut for the analyses that run in slices: more finely than asked where they look at nearly every instruction.
///
/// # Errors
/// When the index cannot be read.
pub fn cut(travel: &Travel, jobs: &[Job], asked: Cut) -> Result<Stretches, replay::Error> {
    let is_slow = jobs.iter().map(|job| job.analysis.wants()).any(|wants| !wants.in_order && wants.is_dense());
    travel.cut(if is_slow && asked == Cut::AtSnapshots { Cut::Finely } else { asked })
}

/// Runs analyses over a whole recording, whose index is complete. Those that need Linux are left out where there is no kernel.
///
/// # Errors
/// When the recording cannot be replayed, or rows cannot be kept.
pub fn run(
    travel: &Travel,
    kernel: &Known<Kernel>,
    jobs: &[Job],
    sink: &dyn Sink,
    plan: &Plan,
) -> Result<Outcome, Error> {
    let wants: Vec<Wants> = jobs.iter().map(|job| job.analysis.wants()).collect();
    let kernel = kernel.as_ref().map_err(|absent| absent.to_string());
    let mut outcome = Outcome::default();
    let is_in = |number: usize| kernel.is_ok() || !wants[number].needs_linux;
    if let Err(why) = &kernel {
        let left = (0..jobs.len()).filter(|&n| !is_in(n));
        outcome.left_out = left.map(|n| (jobs[n].name.to_owned(), why.clone())).collect();
    }
    let tables = jobs.iter().scan(0, |next, job| Some(std::mem::replace(next, *next + job.tables))).collect();
    let host = Host {
        end: travel.end(),
        jobs,
        wants: &wants,
        tables,
        kernel: kernel.as_deref().map_err(String::as_str),
        sink,
        plan,
        stop: plan.cancel.latched(),
        failure: Mutex::default(),
        seen: AtomicU64::new(0),
    };
    let (in_order, sliced): (Vec<usize>, Vec<usize>) =
        (0..jobs.len()).filter(|&n| is_in(n)).partition(|&n| wants[n].in_order);
    let mut joined = sink.joined();
    let mut first = 0;
    let passes = [(sliced, cut(travel, jobs, plan.cut)?, plan.workers), (in_order, travel.cut(Cut::Parts(1))?, 1)];
    let passes: Vec<_> = passes.into_iter().filter(|(who, ..)| !who.is_empty()).collect();
    let total = Moment(travel.end().0 * passes.len() as u64);
    for (who, stretches, workers) in passes {
        host.pass(travel, &who, &stretches, first, workers.max(1), joined.as_mut(), total)?;
        first += stretches.all.len();
    }
    outcome.slices = first;
    outcome.is_cancelled = plan.cancel.is_requested();
    if let Some(failure) = host.failure.into_inner().expect("no holder panics") {
        return Err(Error::Rows(failure));
    }
    // What is not whole is not closed.
    if !outcome.is_cancelled {
        joined.finish().map_err(Error::Rows)?;
    }
    Ok(outcome)
}

struct Host<'a> {
    /// Of the recording.
    end: Moment,
    jobs: &'a [Job<'a>],
    wants: &'a [Wants],
    /// The first table of each analysis.
    tables: Vec<usize>,
    kernel: Result<&'a Kernel, &'a str>,
    sink: &'a dyn Sink,
    plan: &'a Plan<'a>,
    /// The user, or one of the threads, has had enough.
    stop: Cancel,
    failure: Mutex<Option<Failure>>,
    /// Instructions seen.
    seen: AtomicU64,
}

/// What a slice sends to the join.
enum Sent {
    Notes(usize, Notes),
    End,
}

/// How many slices are joined; workers wait for it.
#[derive(Default)]
struct Joined {
    slices: Mutex<usize>,
    changed: Condvar,
}

impl Joined {
    fn set(&self, slices: usize) {
        *self.slices.lock().expect("no holder panics") = slices;
        self.changed.notify_all();
    }
    fn wait_for(&self, slices: usize) {
        let held = self.slices.lock().expect("no holder panics");
        drop(self.changed.wait_while(held, |joined| *joined < slices).expect("no holder panics"));
    }
}

/// Lets all workers go on when the join ends, however that comes about, and to their end if it was too early.
struct Release<'a> {
    joined: &'a Joined,
    stop: &'a Cancel,
    is_done: bool,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.stop.request();
        }
        self.joined.set(usize::MAX);
    }
}

impl Host<'_> {
    /// Runs the analyses `who` over all stretches. `first` is the number of the first slice for the sink.
    #[expect(clippy::too_many_arguments, reason = "what a pass is")]
    fn pass(
        &self,
        travel: &Travel,
        who: &[usize],
        stretches: &Stretches,
        first: usize,
        workers: usize,
        rows: &mut dyn RowSink,
        total: Moment,
    ) -> Result<(), Error> {
        let subscribers = Subscribers::new(who.iter().map(|&n| (n, &self.wants[n])), self.kernel.ok());
        // A slice that is done never waits for those in front of it.
        let waiting = WAITING + who.len() + 1;
        let (senders, receivers): (Vec<_>, Vec<_>) = stretches.all.iter().map(|_| sync_channel(waiting)).unzip();
        let senders: Vec<_> = senders.into_iter().map(|sender| Mutex::new(Some(sender))).collect();
        let joined = Joined::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut release = Release { joined: &joined, stop: &self.stop, is_done: false };
                release.is_done = self.join(who, receivers, &joined, rows);
            });
            let outcome = travel.each_stretch(stretches, workers, &self.stop, &|stretch| {
                joined.wait_for((stretch.number + 1).saturating_sub(AHEAD * workers));
                let Some(sender) = senders[stretch.number].lock().expect("no holder panics").take() else {
                    return Ok(());
                };
                self.slice(who, &subscribers, stretch, first, &sender, total)
            });
            // What was never begun has no sender any more, so that the join ends.
            drop(senders);
            Ok(outcome?)
        })
    }

    fn slice(
        &self,
        who: &[usize],
        subscribers: &Subscribers,
        stretch: &mut Stretch,
        first: usize,
        sender: &SyncSender<Sent>,
        total: Moment,
    ) -> Result<(), replay::Error> {
        let mut rows = self.sink.slice(first + stretch.number, stretch.from.0, stretch.to.0);
        let mut listeners: Vec<Option<Listener>> = self.jobs.iter().map(|_| None).collect();
        let loaded = Loaded::default();
        {
            let scene = At::new(&stretch.machine().cpu, None, self.kernel, &loaded);
            for &number in who {
                let slice = self.jobs[number].analysis.begin(&scene);
                listeners[number] = Some(Listener { first_table: self.tables[number], slice, seen: 0 });
            }
        }
        let mut pass = |number: usize, notes: Notes| {
            let is_taken = sender.send(Sent::Notes(number, notes)).is_ok();
            if !is_taken {
                self.stop.request();
            }
            is_taken
        };
        let last = std::cell::Cell::new(stretch.from.0);
        let progress = |at: Moment| {
            let seen = self.seen.fetch_add(at.0 - last.replace(at.0), Ordering::Relaxed);
            (self.plan.progress)(Moment(seen), total);
        };
        let mut fan = Fan {
            subscribers,
            kernel: self.kernel,
            loaded,
            outlet: Outlet {
                listeners,
                rows: rows.as_mut(),
                pass: &mut pass,
                is_over: false,
                stop: &self.stop,
                panic: None,
            },
        };
        let is_whole = stretch.run(&subscribers.wanted(), &mut fan, &progress)?;
        if let Some(panic) = fan.outlet.panic.take() {
            std::panic::resume_unwind(panic);
        }
        if !is_whole {
            return Ok(());
        }
        fan.finish(&stretch.machine().cpu);
        match rows.finish() {
            // The join may be gone already; then it is known why.
            Ok(()) => drop(sender.send(Sent::End)),
            Err(failure) => self.fail(failure),
        }
        Ok(())
    }

    fn fail(&self, failure: Failure) {
        self.failure.lock().expect("no holder panics").get_or_insert(failure);
        self.stop.request();
    }

    /// Joins the notes of all slices in their order. False if a slice did not come to its end.
    fn join(&self, who: &[usize], receivers: Vec<Receiver<Sent>>, joined: &Joined, rows: &mut dyn RowSink) -> bool {
        let mut joins: Vec<_> = self.jobs.iter().map(|_| None).collect();
        for &number in who {
            joins[number] = Some(self.jobs[number].analysis.start());
        }
        for (number, receiver) in receivers.into_iter().enumerate() {
            loop {
                match receiver.recv_timeout(LOOK) {
                    Ok(Sent::Notes(analysis, notes)) => {
                        if let Some(join) = &mut joins[analysis] {
                            join.join(notes, &mut From { rows: &mut *rows, first: self.tables[analysis] });
                        }
                    }
                    Ok(Sent::End) => break,
                    Err(RecvTimeoutError::Timeout) if !self.stop.is_requested() => {}
                    // The slice was cancelled or failed, or is never begun; that is told elsewhere.
                    Err(_) => return false,
                }
            }
            if rows.failed() {
                return false;
            }
            joined.set(number + 1);
        }
        for (analysis, join) in joins.into_iter().enumerate() {
            if let Some(join) = join {
                let rows = &mut From { rows: &mut *rows, first: self.tables[analysis] };
                join.end(self.end.0, rows);
            }
        }
        true
    }
}
