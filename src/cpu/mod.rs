//! x86-64 as a pure thing.
pub mod bus;
pub mod fault;
pub mod flags;
pub mod state;
pub mod word;
