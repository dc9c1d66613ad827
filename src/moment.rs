//! The one coordinate of time: how many instructions the machine has retired since power-on.
//!
//! Nothing else orders events in a recording. Wall-clock time and virtual nanoseconds are derived from it or
//! recorded beside it, and two events at the same `Moment` are ordered by their place in the file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Instructions retired since power-on. The machine's first instruction executes at `Moment(0)`.
///
/// An event "at M" happens after exactly M instructions have retired and before the next one begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// Power-on, before the first instruction.
    pub const ZERO: Moment = Moment(0);
    /// The last Moment that can be written down.
    pub const MAX: Moment = Moment(u64::MAX);

    /// The Moment `instructions` later, or `None` if the count would overflow.
    pub fn checked_add(self, instructions: u64) -> Option<Moment> {
        self.0.checked_add(instructions).map(Moment)
    }

    /// Instructions from `earlier` to this Moment, or `None` if `earlier` is the later one.
    pub fn checked_since(self, earlier: Moment) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for Moment {
    /// Plain decimal digits (padding flags apply), so that what is printed can be given back to `--at`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_the_bare_instruction_number() {
        assert_eq!(Moment(1_234_567).to_string(), "1234567");
        assert_eq!(format!("{:>5}", Moment(42)), "   42");
    }

    #[test]
    fn arithmetic_refuses_to_wrap() {
        assert_eq!(Moment::MAX.checked_add(1), None);
        assert_eq!(Moment(1).checked_since(Moment(2)), None);
        assert_eq!(Moment(7).checked_since(Moment(2)), Some(5));
    }
}
