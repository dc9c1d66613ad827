//! Analysis: what happened inside, as tables.
//!
//! Replays slices of a recording with taps, shows what happens to plugins, joins what they note in the order of time, and
//! keeps the rows as Parquet that SQL and any other tool can read. Nothing here is seen by the guest.

pub mod collected;
pub mod find;
pub mod host;
mod kernel;
pub mod registry;
mod scene;
pub mod sink;
mod tap;
#[cfg(test)]
mod tests;
