//! Searching all of the guest's memory at all times.

use super::{Error, Seat};
use crate::analysis::find::{Appearance, EVERY, Pattern, Query, find};
use crate::moment::Moment;
use std::ops::ControlFlow;

impl Seat {
    /// Every time that bytes came to stand in memory, in the order of time, until `each` has had enough. `progress` is told
    /// how far the search has come. The Position stays what it is.
    ///
    /// # Errors
    /// As the replay, and [`Error::Cancelled`].
    pub fn find_in_memory(
        &mut self,
        pattern: Pattern,
        progress: &(dyn Fn(Moment) + Sync),
        each: &mut (dyn FnMut(Appearance) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        // The search needs to know where all slices are.
        if !self.travel.finish_index(&self.cancel, &progress)? {
            return Err(Error::Cancelled);
        }
        let during = Moment::ZERO..Moment(self.end().0.saturating_add(1));
        let query = Query { pattern, during, every: EVERY };
        find(&self.travel, &query, &self.cancel, progress, &mut |appearance| each(appearance))?;
        if self.cancel.is_requested() {
            self.cancel.clear();
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}
