//! Analysis: what happened inside, as tables.
//!
//! Replays slices of a recording with taps, shows what happens to plugins, joins what they note in the order of time, and
//! keeps the rows as Parquet that SQL and any other tool can read. Nothing here is seen by the guest.

pub mod builtin;
pub mod collected;
pub mod find;
pub mod host;
pub mod kernel;
#[cfg(feature = "query")]
pub mod query;
pub mod registry;
mod scene;
pub mod sink;
#[cfg(feature = "query")]
pub mod tables;
mod tap;
#[cfg(test)]
mod tests;
