//! The lanes of the time bar: how much of what happened in each column of a stretch of time.

use crate::session::{Error, Seat};

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
    /// The lanes that are known.
    pub lanes: Vec<Lane>,
}

/// Counts what the recording itself tells: what came in from outside.
///
/// # Errors
/// As the session.
pub fn count(seat: &mut Seat, stretch: Stretch) -> Result<Lanes, Error> {
    let mut inputs = vec![0; stretch.columns];
    for at in seat.input_moments(stretch.from, stretch.to) {
        if let Some(count) = stretch.column(at).and_then(|column| inputs.get_mut(column)) {
            *count += 1;
        }
    }
    Ok(Lanes { stretch, lanes: vec![Lane { name: "inputs", counts: inputs }] })
}
