//! The terminal UI: a recording as an investigator walks through it. The screens and a tutorial: docs/tui.md.
//!
//! ```text
//! terminal: keys, mouse ---> Msg --> update(&mut Model, Msg) --> Effect --> work: a request on the session's thread
//!           screen <-- view(&Model)        ^                                   |
//!                                          +----------- Msg::Answer <----------+
//! ```
//!
//! `update` and `view` touch nothing outside the [`Model`], so both are tested without a terminal. The session works on one
//! request at a time, can be cancelled, and never holds up the screen.

mod backtrace;
mod console;
mod filter;
pub mod keys;
mod lanes;
mod layout;
pub mod model;
mod names;
mod once;
mod prompt;
#[cfg(feature = "query")]
pub mod recorded;
pub mod rows;
pub mod sight;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
pub mod update;
pub mod view;
pub mod work;

pub use model::{Model, Pane};
pub use once::once;
pub use terminal::run;
pub use theme::Theme;
