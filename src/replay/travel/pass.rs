//! The first pass: runs the recording once, proves it by its Digests, and fills the index with snapshots and page sets.

use super::history::History;
use super::runner::Runner;
use super::stand::{CHUNK, Stand};
use super::{Cancel, Position};
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::index::{Page, PageSets, Slice};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Goes on with the index where it ends. False if cancelled. `progress` is told the Moments it comes by.
pub fn build(
    history: &Arc<History>,
    slice_time: Duration,
    progress: &dyn Fn(Moment),
    cancel: &Cancel,
) -> Result<bool, Error> {
    if history.index.is_complete() {
        return Ok(true);
    }
    let runner = Runner::new(history.machine()?, history.script.clone());
    let mut stand = Stand::new(history.clone(), runner);
    let mut from = {
        let _hold = history.hold()?;
        let from = history.moment(history.snapshots() - 1);
        if !stand.go(Position::at(from), false, cancel)? {
            return Ok(false);
        }
        from
    };
    let mut pass = Pass { history, runner: stand.runner, progress };
    pass.runner.machine.digest();
    let proofs: Vec<Moment> = history.script.proofs().filter(|&m| m > from).collect();
    pass.begin();
    let mut started = now();
    for at in proofs {
        if !pass.run(at, cancel)? {
            return Ok(false);
        }
        pass.prove(at)?;
        if now() - started >= slice_time * history.index.stride() {
            pass.cut(from, at)?;
            (from, started) = (at, now());
            pass.begin();
        }
    }
    let end = history.script.end;
    if end > from {
        if !pass.run(end, cancel)? {
            return Ok(false);
        }
        pass.runner.machine.digest();
        pass.cut(from, end)?;
    }
    history.index.complete();
    Ok(true)
}

/// What this thread has run so far; other work on the host does not count. How far apart snapshots are changes nothing
/// but speed.
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to the given place; every Linux has it.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "a thread has a clock of its own");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

struct Pass<'a> {
    history: &'a Arc<History>,
    runner: Runner,
    progress: &'a dyn Fn(Moment),
}

impl Pass<'_> {
    fn begin(&mut self) {
        self.runner.machine.take_changed();
        self.runner.machine.cpu.begin_touched();
    }
    fn run(&mut self, to: Moment, cancel: &Cancel) -> Result<bool, Error> {
        while self.runner.machine.now() < to {
            if cancel.is_requested() {
                return Ok(false);
            }
            let next = Moment(self.runner.machine.now().0 + CHUNK).min(to);
            self.runner.run(next)?;
            (self.progress)(next);
        }
        Ok(true)
    }
    fn prove(&mut self, at: Moment) -> Result<(), Error> {
        let digest = self.runner.machine.digest();
        match self.history.script.digest_at(at) {
            Some(recorded) if recorded.digest != digest => Err(Error::Diverged { at }),
            _ => Ok(()),
        }
    }
    /// Ends a slice at a Moment where all page hashes are known.
    fn cut(&mut self, from: Moment, to: Moment) -> Result<(), Error> {
        let touched = self.runner.machine.cpu.end_touched();
        let machine = &mut self.runner.machine;
        let changed: Vec<(u32, _)> =
            machine.take_changed().into_iter().map(|p| (p, *machine.page_hash(p as usize))).collect();
        let mut seen = BTreeSet::new();
        let mut pages: Vec<(_, Box<Page>)> = Vec::new();
        for (page, hash) in &changed {
            if seen.insert(*hash) && !self.history.index.is_stored(hash) {
                let bytes = machine.cpu.phys.page_bytes(*page as usize).try_into().expect("a page has 4096 bytes");
                pages.push((*hash, Box::new(bytes)));
            }
        }
        let state = postcard::to_stdvec(&self.runner.rest()).expect("plain data encodes");
        let sets = PageSets {
            executed: touched.executed,
            read: touched.read,
            written: touched.written,
            executed_physical: touched.executed_physical,
            read_physical: touched.read_physical,
        };
        self.history.index.append(Slice { from, to, state, changed, sets }, pages)?;
        Ok(())
    }
}
