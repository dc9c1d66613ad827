//! Running all of history, stretch by stretch, several at once, under the eyes of a tap.

use super::stand::{CHUNK, Stand};
use super::{Cancel, Position, Travel};
use crate::cpu::tap::{Tap, Wanted};
use crate::machine::Machine;
use crate::machine::digest::Hash;
use crate::moment::Moment;
use crate::replay::Error;
use std::ops::Range;
use std::sync::Mutex;

/// How history is cut into stretches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// At the snapshots of the index, and where these are far apart, between them; machines are put at snapshots alone.
    AtSnapshots,
    /// More finely, and machines are put anywhere: where looking takes much longer than replaying, so that no machine has long work
    /// left when the others are done.
    Finely,
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

/// Stretches that one machine sets out to do in a row: it goes on where it stands, with the code that it has translated.
const IN_A_ROW: usize = 16;

/// Stretches of a long recording, at least.
const FEWEST: u64 = 48;
/// Instructions of a stretch, at least, where it was not made shorter by snapshots.
const SHORTEST: u64 = 1 << 24;
/// The same where looking takes most of the time.
const FEWEST_SLOW: u64 = 256;
const SHORTEST_SLOW: u64 = 1 << 22;

/// More places between those in `at`, so that no two are much farther from each other than `most`.
fn divided(at: &[u64], end: u64, most: u64) -> Vec<u64> {
    let until = at.iter().skip(1).copied().chain([end]);
    at.iter()
        .zip(until)
        .flat_map(|(&from, to)| (0..(to - from).div_ceil(most).max(1)).map(move |n| from + n * most))
        .collect()
}

/// History, cut.
#[derive(Default)]
pub struct Stretches {
    /// Where each begins and ends, in the order of time.
    pub all: Vec<(Moment, Moment)>,
    /// Machines may be put at the start of each, not only at snapshots.
    is_anywhere: bool,
}

/// Which machine does which stretches.
struct Shares {
    /// What nobody has set out to do, the last first.
    waiting: Vec<Range<usize>>,
    /// By machine: what it is still going to do.
    under_way: Vec<Range<usize>>,
    /// Where a row may begin.
    starts: Vec<bool>,
}

impl Shares {
    /// For as many stretches as there are places in `starts`, which is true where it is worth while to put a machine.
    fn new(starts: Vec<bool>, machines: usize) -> Shares {
        let mut waiting = Vec::new();
        let mut first = 0;
        while first < starts.len() {
            let wanted = first + IN_A_ROW.min(starts.len().div_ceil(machines));
            let behind = (wanted..starts.len()).find(|&n| starts[n]).unwrap_or(starts.len());
            waiting.push(first..behind);
            first = behind;
        }
        waiting.reverse();
        let under_way = (0..machines).map(|_| waiting.pop().unwrap_or_default()).collect();
        Shares { waiting, under_way, starts }
    }
    /// Machines that have something to do.
    fn machines(&self) -> usize {
        self.under_way.iter().filter(|row| !row.is_empty()).count()
    }
    /// The next stretch of a machine: in its row, or in one that nobody does, or in the half of another machine's.
    fn next(&mut self, machine: usize) -> Option<usize> {
        if self.under_way[machine].is_empty() {
            self.under_way[machine] = self.waiting.pop().or_else(|| self.half())?;
        }
        self.under_way[machine].next()
    }
    /// The later half, about, of the longest row.
    fn half(&mut self) -> Option<Range<usize>> {
        let cut = |row: &Range<usize>| {
            let middle = row.start + row.len() / 2;
            row.clone().filter(|&n| self.starts[n]).min_by_key(|n| n.abs_diff(middle))
        };
        let rows = self.under_way.iter().enumerate().filter_map(|(machine, row)| Some((row.len(), machine, cut(row)?)));
        let (_, machine, from) = rows.max()?;
        let behind = std::mem::replace(&mut self.under_way[machine].end, from);
        Some(from..behind)
    }
}

/// What is done with a stretch. Several are worked on at once.
pub type Visit<'a> = dyn Fn(&mut Stretch) -> Result<(), Error> + Sync + 'a;

impl Travel {
    /// Cuts history. The index has to be complete.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn cut(&self, how: Cut) -> Result<Stretches, Error> {
        let _hold = self.history.hold()?;
        let end = self.end().0;
        let divided = |fewest: u64, shortest: u64| {
            let snapshots: Vec<u64> = (0..self.history.snapshots()).map(|n| self.history.moment(n).0).collect();
            divided(&snapshots, end, (end / fewest).max(shortest))
        };
        let mut at: Vec<u64> = match how {
            Cut::AtSnapshots => divided(FEWEST, SHORTEST),
            Cut::Finely => divided(FEWEST_SLOW, SHORTEST_SLOW),
            Cut::Parts(parts) => {
                let parts = parts.max(1) as u64;
                (0..parts).map(|n| (u128::from(end) * u128::from(n) / u128::from(parts)) as u64).collect()
            }
        };
        at.push(end);
        at.dedup();
        let all = at.windows(2).map(|w| (Moment(w[0]), Moment(w[1]))).collect();
        Ok(Stretches { all, is_anywhere: how != Cut::AtSnapshots })
    }

    /// Does something while machines are put where [`Travel::each_stretch`] will have them begin.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn while_prepared<T>(
        &self,
        stretches: &Stretches,
        workers: usize,
        cancel: &Cancel,
        meanwhile: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let _hold = self.history.hold()?;
        let shares = self.shares(stretches, workers);
        let crew = &self.crew;
        let go = |machine: usize, stand: &mut Stand| match stretches.all.get(shares.under_way[machine].start) {
            Some(&(from, _)) => stand.go(Position::at(from), false, cancel).map(drop),
            None => Ok(()),
        };
        std::thread::scope(|scope| {
            let machines = shares.machines();
            let prepared = scope.spawn(move || crew.all_at_once(machines, &go));
            let done = meanwhile();
            prepared.join().expect("it does not panic").map(|()| done)
        })
    }

    fn shares(&self, stretches: &Stretches, workers: usize) -> Shares {
        let is_snapshot =
            |&(from, _): &(Moment, Moment)| self.history.moment(self.history.snapshot_before(from)) == from;
        let starts = stretches.all.iter().map(|stretch| stretches.is_anywhere || is_snapshot(stretch)).collect();
        Shares::new(starts, workers.clamp(1, self.crew.len()))
    }

    /// Puts a machine at the start of each stretch, nearly in the order of time, on at most `workers` threads, and calls `visit`. Ends
    /// when all are done or cancelled. An error or a panic is a wish to stop, too: `cancel` tells whoever waits for one of the stretches.
    ///
    /// # Errors
    /// What `visit` returns; when the index cannot be read.
    pub fn each_stretch(
        &self,
        stretches: &Stretches,
        workers: usize,
        cancel: &Cancel,
        visit: &Visit,
    ) -> Result<(), Error> {
        let _hold = self.history.hold()?;
        let shares = self.shares(stretches, workers);
        let machines = shares.machines();
        let shares = Mutex::new(shares);
        let next = |machine| shares.lock().expect("no holder panics").next(machine);
        let work = |machine: usize, stand: &mut Stand| -> Result<(), Error> {
            while let Some(number) = next(machine) {
                let (from, to) = stretches.all[number];
                if cancel.is_requested() || !stand.go(Position::at(from), false, cancel)? {
                    return Ok(());
                }
                visit(&mut Stretch { number, from, to, stand, cancel })?;
            }
            Ok(())
        };
        self.crew.all_at_once(machines, &|machine, stand| {
            let mut alarm = Alarm { cancel, is_silent: false };
            let outcome = work(machine, stand);
            stand.runner.machine.cpu.tap(Wanted::default());
            alarm.is_silent = outcome.is_ok();
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each machine does when they take turns in such an order.
    fn done(starts: &[bool], order: &[usize]) -> Vec<Vec<usize>> {
        let machines = order.iter().max().map_or(1, |most| most + 1);
        let mut shares = Shares::new(starts.to_vec(), machines);
        let mut done = vec![Vec::new(); machines];
        let mut idle = vec![false; machines];
        for &machine in order.iter().cycle() {
            match shares.next(machine) {
                Some(number) => done[machine].push(number),
                None => idle[machine] = true,
            }
            if idle.iter().all(|idle| *idle) {
                break;
            }
        }
        done
    }

    #[test]
    fn each_stretch_is_done_once_and_rows_begin_where_a_machine_may_be_put() {
        for machines in 1..5 {
            for count in [1, 2, 3, 17, 100] {
                for every in [1, 3, 7] {
                    let starts: Vec<bool> = (0..count).map(|n| n % every == 0).collect();
                    let order: Vec<usize> = (0..machines).flat_map(|m| vec![m; m * 3 + 1]).collect();
                    let done = done(&starts, &order);
                    let mut all = done.concat();
                    all.sort_unstable();
                    assert_eq!(all, (0..count).collect::<Vec<_>>());
                    for row in done {
                        let jumps = row.windows(2).filter(|w| w[1] != w[0] + 1).map(|w| w[1]);
                        assert!(row.first().copied().into_iter().chain(jumps).all(|n| starts[n]), "{row:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn who_is_done_takes_half_of_what_the_slowest_has_left() {
        // The second machine does three stretches while the first does one.
        let done = done(&[true; 16], &[0, 1, 1, 1]);
        assert_eq!(done[0].len() + done[1].len(), 16);
        assert!((4..=5).contains(&done[0].len()), "{done:?}");
    }
}
