//! The native side of the differential CPU test: runs random instructions on the host CPU and compares an engine with it.
//!
//! `oracle` runs one [`Case`] on the host, `generate` makes cases from a seed, `probe` finds out where this host departs
//! from the CPU model, `compare` judges two outcomes. An engine is plugged in by implementing [`Engine`].
//! Refused: system calls, privileged instructions, far transfers, and anything that changes a segment.

pub mod case;
pub mod compare;
pub mod differential;
pub mod engine;
mod faults;
pub mod generate;
pub mod line;
pub mod masks;
pub mod oracle;
pub mod probe;
pub mod random;
pub mod shrink;
mod signals;
mod trampoline;
