//! x86-64 as a pure thing.
pub mod bus;
pub mod fault;
