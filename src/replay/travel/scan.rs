//! Looking at memory all through history: slice by slice, several at once, in steps as small as the one who looks wants.

use super::history::History;
use super::search::observe;
use super::stand::Stand;
use super::{Cancel, Position, Stops, Travel};
use crate::cpu::probe::Hit;
use crate::machine::Machine;
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::index::Page;
use std::ops::{ControlFlow, Range};

/// A slice of history, and a machine that stands in it: at first at its start.
pub struct Scan<'a> {
    /// The number of the snapshot that it begins with; 0 is power-on.
    pub number: usize,
    /// Where it begins.
    pub from: Moment,
    /// Where it ends.
    pub to: Moment,
    stand: &'a mut Stand,
    history: &'a History,
    cancel: &'a Cancel,
}

impl Scan<'_> {
    /// The machine as it stands.
    pub fn machine(&self) -> &Machine {
        &self.stand.runner.machine
    }
    /// True if somebody wants this to end. What was found so far is then not all there is.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_requested()
    }
    /// Goes back to the start of the slice.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stand.go(Position::at(self.from), false, &Cancel::default())?;
        self.stand.runner.machine.newly_changed();
        Ok(())
    }
    /// Runs to a Moment ahead; the RAM pages that were written since the last call, and perhaps some more, ascending.
    ///
    /// # Errors
    /// When the replay parts from the recording.
    pub fn run(&mut self, to: Moment) -> Result<Vec<u32>, Error> {
        self.stand.runner.run_to(Position::at(to))?;
        Ok(self.stand.runner.machine.newly_changed())
    }
    /// Runs to a Moment ahead and tells `visit` each hit, with the machine behind the instruction that made it.
    ///
    /// # Errors
    /// When the replay parts from the recording.
    pub fn watch(&mut self, to: Moment, stops: &Stops, visit: &mut dyn FnMut(&Hit, &Machine)) -> Result<(), Error> {
        observe(self.stand, Position::at(to), &stops.wanted(), &Cancel::default(), false, &mut |hit, stand| {
            visit(hit, &stand.runner.machine);
            ControlFlow::Continue(())
        })?;
        Ok(())
    }
    /// Hands out what pages (ascending) held at the start of the slice, in any order.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn at_start(&self, pages: &[u32], each: &mut dyn FnMut(u32, &Page)) -> Result<(), Error> {
        self.history.pages_at(self.number, pages, each)
    }
    /// The pages that the loader wrote, ascending.
    pub fn loaded(&self) -> Vec<u32> {
        self.history.loaded_pages()
    }
}

/// What is done with a slice. Several are worked on at once.
pub type Look<'a> = dyn Fn(&mut Scan) -> Result<(), Error> + Sync + 'a;

impl Travel {
    /// The numbers of the slices that hold a part of `range`, as [`Travel::scan`] takes them. The index has to be complete.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn slices_in(&self, range: Range<Moment>) -> Result<Vec<usize>, Error> {
        let _hold = self.history.hold()?;
        let first = self.history.snapshot_before(range.start);
        let behind = (first..self.history.snapshots()).find(|&n| self.history.moment(n) >= range.end);
        // Nothing lies behind the last snapshot, which is the end of history.
        Ok((first..behind.unwrap_or(self.history.snapshots() - 1)).collect())
    }
    /// Puts a machine at the start of each slice, in the order given, on all cores, and has `look` look at it.
    ///
    /// # Errors
    /// The first error of `look`; when the index cannot be read.
    pub fn scan(&self, slices: &[usize], cancel: &Cancel, look: &Look) -> Result<(), Error> {
        let _hold = self.history.hold()?;
        let history = &*self.history;
        let done = self.crew.in_slices(slices, cancel, &|stand, end| {
            let from = stand.position().moment;
            let number = history.snapshot_before(from);
            stand.runner.machine.newly_changed();
            look(&mut Scan { number, from, to: end.moment, stand, history, cancel }).map(|()| None::<()>)
        });
        done.map(drop)
    }
}
