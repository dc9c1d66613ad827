//! The one coordinate of time: how many instructions the guest has retired since power-on.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Instructions retired since power-on. Everything in a recording is addressed by it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
