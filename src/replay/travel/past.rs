//! RAM and registers at a snapshot, read from the index page by page: for who wants to look at little, without a machine.

use super::Travel;
use super::history::{Content, History};
use crate::cpu::phys::PhysMemory;
use crate::machine::MachineState;
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::index::{Hold, Page};
use std::cell::{OnceCell, RefCell};
use std::ops::Range;

/// What there was at one snapshot. Pages that were looked at stay in memory.
pub struct Past<'t> {
    history: &'t History,
    snapshot: usize,
    /// For where pages are; not for what is in them.
    layout: &'t PhysMemory,
    state: MachineState,
    pages: Vec<OnceCell<Content<'t>>>,
    failure: RefCell<Option<Error>>,
    _hold: Hold,
}

impl Past<'_> {
    /// CPU and board.
    pub fn state(&self) -> &MachineState {
        &self.state
    }
    /// The page that holds `gpa`; `None` where there is no RAM, or where it cannot be read: see [`Past::failure`].
    pub fn page(&self, gpa: u64) -> Option<&Page> {
        let index = self.layout.page(gpa)?.index;
        let page = &self.pages[index];
        if page.get().is_none() {
            match self.history.page_at(self.snapshot, index as u32) {
                Ok(content) => drop(page.set(content)),
                Err(error) => drop(self.failure.borrow_mut().get_or_insert(error)),
            }
        }
        page.get().map(|content| &**content)
    }
    /// Where RAM is: guest-physical addresses, ascending.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        self.layout.ranges()
    }
    /// Why the first page that could not be read could not; what was made of the others is not worth anything then.
    pub fn failure(&self) -> Option<Error> {
        self.failure.take()
    }
}

impl Travel {
    /// What there was at the last snapshot at or before a Moment; at the end of a recording whose index is complete, that is the end.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn past(&self, at: Moment) -> Result<Past<'_>, Error> {
        let hold = self.history.hold()?;
        let history = &*self.history;
        let snapshot = history.snapshot_before(at);
        let state = history.rest(snapshot)?.machine;
        let layout = &self.machine().cpu.phys;
        let pages = (0..layout.page_count()).map(|_| OnceCell::new()).collect();
        Ok(Past { history, snapshot, layout, state, pages, failure: RefCell::default(), _hold: hold })
    }
}
