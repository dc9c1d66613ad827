//! The lanes of the time bar: how much of what happened in each column of a stretch of time.

use crate::moment::Moment;
use crate::session::{Access, AccessKind, Arrival, Destination, Direction, Error, Seat, Stops, Watch};

/// Part of the recording in columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first Moment.
    pub from: u64,
    /// The Moment behind the last.
    pub to: u64,
    /// Parts of equal length.
    pub columns: usize,
}

impl Stretch {
    /// The column of a Moment.
    pub fn column(&self, moment: u64) -> Option<usize> {
        if !(self.from..=self.to).contains(&moment) || self.columns == 0 {
            return None;
        }
        let column = u128::from(moment - self.from) * self.columns as u128 / u128::from((self.to - self.from).max(1));
        Some((column as usize).min(self.columns - 1))
    }

    /// The first Moment of a column.
    pub fn moment(&self, column: usize) -> u64 {
        let offset = u128::from(self.to - self.from) * column as u128;
        self.from + offset.div_ceil(self.columns.max(1) as u128) as u64
    }
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// What is counted.
    pub name: &'static str,
    /// How much of it in each column.
    pub counts: Vec<u64>,
}

/// What happened in a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Where.
    pub stretch: Stretch,
    /// What the recording and the machine tell.
    pub counted: Vec<Lane>,
    /// What the tables tell.
    pub read: Vec<Lane>,
}

/// Writes to the watched bytes that are counted.
pub const MOST_WRITES: u64 = 4096;

/// Counts what came in from outside, and the writes to `watched`. The machine stands where it stood.
///
/// # Errors
/// As the session, and when cancelled.
pub fn count(seat: &mut Seat, stretch: Stretch, watched: Option<&Access>) -> Result<Vec<Lane>, Error> {
    let mut inputs = Lane { name: "inputs", counts: vec![0; stretch.columns] };
    for at in seat.input_moments(stretch.from, stretch.to) {
        inputs.add(&stretch, at);
    }
    let mut lanes = vec![inputs];
    if let Some(access) = watched {
        let here = seat.position();
        let counted = writes(seat, stretch, access);
        // Also where it was cancelled: the machine is not left somewhere else.
        seat.return_to(here)?;
        lanes.push(counted?);
    }
    Ok(lanes)
}

fn writes(seat: &mut Seat, stretch: Stretch, access: &Access) -> Result<Lane, Error> {
    let mut lane = Lane { name: "writes", counts: vec![0; stretch.columns] };
    let watch = Watch { place: access.place, len: access.len, kind: AccessKind::Write, changes_only: false };
    let stops = Stops { watches: vec![watch], ..Stops::default() };
    seat.go(&Destination::At(Moment(stretch.from)))?;
    for _ in 0..MOST_WRITES {
        match seat.run(Direction::Forward, &stops)? {
            Arrival::Watch { .. } if seat.position().moment.0 <= stretch.to => {
                // The machine stands behind the instruction that wrote.
                lane.add(&stretch, seat.position().moment.0.saturating_sub(1));
            }
            Arrival::Cancelled => return Err(Error::Cancelled),
            _ => break,
        }
    }
    Ok(lane)
}

impl Lane {
    /// One more at a Moment.
    pub(super) fn add(&mut self, stretch: &Stretch, at: u64) {
        if let Some(count) = stretch.column(at).and_then(|column| self.counts.get_mut(column)) {
            *count += 1;
        }
    }
}
