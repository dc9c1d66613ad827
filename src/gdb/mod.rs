//! A server for gdb on a session: everything gdb can do with a program that it may not change, in both directions.
//!
//! Bytes come in through `wire` (packets), `beside` (what gdbstub does not do) and gdbstub, which calls `target`; stops are
//! translated in `stops`, `monitor` has the commands that gdb has no words for. One client at a time; when it goes, the
//! recording stands where it stood and the next one may come. Nothing is ever written: see `beside`.

mod arch;
mod beside;
pub mod client;
mod monitor;
mod server;
mod stops;
mod target;
pub mod wire;

#[cfg(test)]
pub(crate) mod tests;

pub use client::Farewell;
pub use server::{Notice, Server};

use crate::session::{Space, Steps};

/// What is set for all clients of a server: by its starter, and by monitor commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What one step is.
    pub steps: Steps,
    /// The address space that breakpoints and watchpoints are tied to.
    pub space: Space,
    /// How `monitor dis` reads code: 16, 32 or 64; `None` as the processor does.
    pub code_bits: Option<u32>,
    /// The auxiliary vector of the recorded program, from which gdb finds where it is loaded; empty if there is none.
    pub auxv: Vec<u8>,
    /// The client was told (by `reenact gdb --exec`) to forget its caches after every monitor command.
    pub refreshes_itself: bool,
    /// Why the last run failed, until `monitor when` has told it.
    pub trouble: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            steps: Steps::Thread,
            space: Space::Any,
            code_bits: None,
            auxv: Vec::new(),
            refreshes_itself: false,
            trouble: None,
        }
    }
}
