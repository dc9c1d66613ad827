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
const IN_A_ROW: usize = 6;
/// Of the stretches that are left, one machine takes at most this part of its share, so that all end at about the same time.
const PORTION: usize = 4;

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

/// Which stretches are done in a row, in the order in which machines take them.
fn turns(stretches: usize, workers: usize) -> Vec<Range<usize>> {
    let mut turns = Vec::new();
    let mut first = 0;
    while first < stretches {
        let behind = first + ((stretches - first) / (PORTION * workers.max(1))).clamp(1, IN_A_ROW);
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
        let turns = turns(stretches.len(), workers);
        let next = AtomicUsize::new(0);
        let work = |stand: &mut Stand| -> Result<(), Error> {
            while let Some(turn) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
                for number in turn.clone() {
                    let (from, to) = stretches[number];
                    if cancel.is_requested() || !stand.go(Position::at(from), false, cancel)? {
                        return Ok(());
                    }
                    visit(&mut Stretch { number, from, to, stand, cancel })?;
                }
            }
            Ok(())
        };
        self.crew.all_at_once(workers.min(stretches.len()), &|stand| {
            let mut alarm = Alarm { cancel, is_silent: false };
            let outcome = work(stand);
            stand.runner.machine.cpu.tap(Wanted::default());
            alarm.is_silent = outcome.is_ok();
            outcome
        })
    }

    /// Goes backwards through history, from its end by `steps` of equal length to its start, until `look` finds something in the
    /// machine; on a machine of the crew, so that the traveller stays where it is.
    ///
    /// # Errors
    /// When the replay parts from the recording, or the index cannot be read.
    pub fn find_backwards<T>(
        &self,
        steps: u64,
        cancel: &Cancel,
        look: &dyn Fn(&Machine) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let _hold = self.history.hold()?;
        let end = u128::from(self.end().0);
        let mut found = None;
        let mut search = |stand: &mut Stand| {
            for step in (0..=steps.max(1)).rev() {
                let at = Moment((end * u128::from(step) / u128::from(steps.max(1))) as u64);
                if !stand.go(Position::at(at), false, cancel)? {
                    break;
                }
                found = look(&stand.runner.machine);
                if found.is_some() {
                    break;
                }
            }
            Ok(())
        };
        self.crew.first(&mut search)?;
        Ok(found)
    }
}
