//! Running all of history, stretch by stretch, several at once, under the eyes of a tap.

use super::stand::{CHUNK, Stand};
use super::{Cancel, Position, Travel};
use crate::cpu::tap::{Tap, Wanted};
use crate::machine::Machine;
use crate::machine::digest::Hash;
use crate::moment::Moment;
use crate::replay::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How history is cut into stretches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// At the snapshots of the index, and where these are far apart, between them: so that no machine has long work left when the
    /// others are done.
    AtSnapshots,
    /// Into so many parts of equal length; at least 1.
    Parts(usize),
}

/// A stretch of history, and a machine that stands at its start.
pub struct Stretch<'a> {
    /// Its number in the order of time.
    pub number: usize,
    /// Where it begins.
    pub from: Moment,
    /// Where it ends; what happens at that Moment belongs to the next one, if there is one.
    pub to: Moment,
    stand: &'a mut Stand,
    cancel: &'a Cancel,
}

impl Stretch<'_> {
    /// The machine as it stands.
    pub fn machine(&self) -> &Machine {
        &self.stand.runner.machine
    }
    /// The Digest of the machine as it stands.
    pub fn digest(&mut self) -> Hash {
        self.stand.runner.machine.digest()
    }
    /// Runs to the end of the stretch and shows `tap` what is wanted. False if cancelled on the way. `progress` is told the Moments
    /// that it comes by.
    ///
    /// # Errors
    /// When the replay parts from the recording.
    pub fn run(&mut self, wanted: &Wanted, tap: &mut dyn Tap, progress: &dyn Fn(Moment)) -> Result<bool, Error> {
        self.stand.runner.machine.cpu.observe(Default::default());
        self.stand.runner.machine.cpu.tap(wanted.clone());
        loop {
            let now = self.stand.runner.machine.now();
            progress(now);
            if now >= self.to {
                return Ok(true);
            }
            if self.cancel.is_requested() {
                return Ok(false);
            }
            self.stand.runner.run_tapped(Moment(now.0 + CHUNK).min(self.to), tap)?;
        }
    }
}

/// Has everybody stop when the work ends in any way but well.
struct Alarm<'a> {
    cancel: &'a Cancel,
    is_silent: bool,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if !self.is_silent {
            self.cancel.request();
        }
    }
}

/// Stretches that one machine does in a row, where there are enough: it goes on where it stands, with the code that it has translated.
const IN_A_ROW: usize = 16;
/// Of the stretches that are left, one machine takes at most this part of its share, so that all end at about the same time.
const PORTION: usize = 2;
/// Stretches that it takes besides, to end at a snapshot.
const FARTHER: usize = 3;

/// Stretches of a long recording, at least.
const FEWEST: u64 = 48;
/// Instructions of a stretch that is worth a start of its own in the middle of a slice.
const SHORTEST: u64 = 1 << 24;

/// More places between those in `at`, so that no two are much farther from each other than `most`.
fn divided(at: &[u64], end: u64, most: u64) -> Vec<u64> {
    let until = at.iter().skip(1).copied().chain([end]);
    at.iter()
        .zip(until)
        .flat_map(|(&from, to)| (0..(to - from).div_ceil(most).max(1)).map(move |n| from + n * most))
        .collect()
}

/// Which stretches are done in a row, in the order in which machines take them. A row begins where `is_near` says that a machine is put
/// without running there, unless that is far.
fn turns(stretches: usize, workers: usize, is_near: &dyn Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut turns = Vec::new();
    let mut first = 0;
    while first < stretches {
        let wanted = first + ((stretches - first) / (PORTION * workers.max(1))).clamp(1, IN_A_ROW);
        let behind =
            (wanted..=stretches.min(wanted + FARTHER)).find(|&n| n == stretches || is_near(n)).unwrap_or(wanted);
        turns.push(first..behind);
        first = behind;
    }
    turns
}

/// What is done with a stretch. Several are worked on at once.
pub type Visit<'a> = dyn Fn(&mut Stretch) -> Result<(), Error> + Sync + 'a;

impl Travel {
    /// Where history is cut. The index has to be complete.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn cut(&self, how: Cut) -> Result<Vec<(Moment, Moment)>, Error> {
        let _hold = self.history.hold()?;
        let end = self.end().0;
        let mut at: Vec<u64> = match how {
            Cut::AtSnapshots => {
                let snapshots: Vec<u64> = (0..self.history.snapshots()).map(|n| self.history.moment(n).0).collect();
                divided(&snapshots, end, (end / FEWEST).max(SHORTEST))
            }
            Cut::Parts(parts) => {
                let parts = parts.max(1) as u64;
                (0..parts).map(|n| (u128::from(end) * u128::from(n) / u128::from(parts)) as u64).collect()
            }
        };
        at.push(end);
        at.dedup();
        Ok(at.windows(2).map(|w| (Moment(w[0]), Moment(w[1]))).collect())
    }

    /// Does something while machines are put where [`Travel::each_stretch`] will have them begin.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn while_prepared<T>(
        &self,
        stretches: &[(Moment, Moment)],
        workers: usize,
        cancel: &Cancel,
        meanwhile: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let _hold = self.history.hold()?;
        let turns = self.turns(stretches, workers);
        let crew = &self.crew;
        let go = |worker: usize, stand: &mut Stand| {
            let from = stretches[turns[worker].start].0;
            stand.go(Position::at(from), false, cancel).map(drop)
        };
        std::thread::scope(|scope| {
            let prepared = scope.spawn(|| crew.all_at_once(workers.min(turns.len()), &go));
            let done = meanwhile();
            prepared.join().expect("it does not panic").map(|()| done)
        })
    }

    fn turns(&self, stretches: &[(Moment, Moment)], workers: usize) -> Vec<Range<usize>> {
        let is_near = |number: usize| {
            let from = stretches[number].0;
            self.history.moment(self.history.snapshot_before(from)) == from
        };
        turns(stretches.len(), workers, &is_near)
    }

    /// Puts a machine at the start of each stretch, nearly in the order of time, on at most `workers` threads, and calls `visit`. Ends
    /// when all are done or cancelled. An error or a panic is a wish to stop, too: `cancel` tells whoever waits for one of the stretches.
    ///
    /// # Errors
    /// What `visit` returns; when the index cannot be read.
    pub fn each_stretch(
        &self,
        stretches: &[(Moment, Moment)],
        workers: usize,
        cancel: &Cancel,
        visit: &Visit,
    ) -> Result<(), Error> {
        let _hold = self.history.hold()?;
        let turns = self.turns(stretches, workers);
        let workers = workers.min(self.crew.len());
        // The first turn of a machine has its own number.
        let next = AtomicUsize::new(workers);
        let work = |worker: usize, stand: &mut Stand| -> Result<(), Error> {
            let mut turn = turns.get(worker);
            while let Some(stretch) = turn {
                for number in stretch.clone() {
                    let (from, to) = stretches[number];
                    if cancel.is_requested() || !stand.go(Position::at(from), false, cancel)? {
                        return Ok(());
                    }
                    visit(&mut Stretch { number, from, to, stand, cancel })?;
                }
                turn = turns.get(next.fetch_add(1, Ordering::Relaxed));
            }
            Ok(())
        };
        self.crew.all_at_once(workers.min(turns.len()), &|worker, stand| {
            let mut alarm = Alarm { cancel, is_silent: false };
            let outcome = work(worker, stand);
            stand.runner.machine.cpu.tap(Wanted::default());
            alarm.is_silent = outcome.is_ok();
            outcome
        })
    }
}
