//! Tables on the disk: Parquet parts in `NAME.reen.index/tables/TABLE/`, tied to the recording and to what made them.
//!
//! They are a cache like the rest of the index: made by replaying, never part of the evidence, deleted at any time. A table is there as
//! a whole or not at all. Rows wait in memory only as far as [`Sizes`] says. Polars encodes them; docs/tables.md.

mod columns;
mod delta;
mod encode;
mod ensure;
mod error;
mod keys;
mod make;
mod manifest;
mod names;
mod part;
mod stage;
mod store;
mod sync;
mod writer;

#[cfg(test)]
mod tests;

pub use encode::Packing;
pub use ensure::{Ensure, Ensured, Stage, defaults, ensure, ensure_with, keep_freed_memory};
pub use error::Error;
pub use make::{Evidence, Permit, Ran, Stock, Wanted, look, make, permit};
pub use manifest::{Manifest, Provenance};
pub use part::Part;
pub use store::Store;
pub use writer::Sizes;

use crate::replay::travel::index_folder;
use std::path::{Path, PathBuf};

/// The folder of a recording's tables.
pub fn folder(recording: &Path) -> PathBuf {
    index_folder(recording).join("tables")
}
