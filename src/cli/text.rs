//! Text for people that only the command line prints, beside what it shares with other rooms.

use crate::pack::Ending;
pub use crate::text::{grouped, hex, moment, seconds, size, utc};

/// How places in time are written.
pub const PLACES: &str = "write an instruction number, a percentage like 50%, seconds of guest time like 1.5s, end, exit, or the name of a mark";

/// How the recorded program ended.
pub fn ending(status: u32) -> String {
    match Ending::from_wait_status(status) {
        Ending::Exited(code) => format!("exit status {code}"),
        Ending::Killed(signal) => format!("killed by signal {signal}"),
    }
}
