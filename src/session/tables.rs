//! Tables of what happened, made with the session's own machine and index.

use super::{Error, Options, Seat};
use crate::analysis::tables::{Ensure, defaults, ensure_with};
use crate::moment::Moment;
use crate::replay::travel::Cut;

impl Seat {
    /// Makes the default tables that are missing, which replays the recording; what the user should know, one sentence each.
    /// The Position stays what it is.
    ///
    /// # Errors
    /// [`Error::Cancelled`], then no table has changed; [`Error::Tables`].
    pub fn make_tables(&mut self, progress: &(dyn Fn(Moment) + Sync)) -> Result<Vec<String>, Error> {
        let show = |_, at, _| progress(at);
        let how = Ensure { options: Options::default(), cut: Cut::AtSnapshots, progress: &show, cancel: &self.cancel };
        let ensured = ensure_with(&mut self.travel, defaults(), &how).map_err(Error::Tables)?;
        if ensured.is_cancelled {
            return Err(Error::Cancelled);
        }
        Ok(ensured.notes)
    }
}
