//! The plugin API of reenact: an analysis says what it wants to see, is shown it while a recording is replayed, and makes
//! rows of tables.
//!
//! A recording is analysed in slices, several at once. In each slice the analysis *sees* [`Event`]s in the order of their
//! Moments, with a [`Scene`] to look around in, and writes down notes. The notes of all slices are *joined* in order by one
//! thread, which makes rows of them. So an analysis that keeps to one law gives the same tables however the recording was
//! cut: **what `see` writes down depends on the event and the scene, not on what it saw before.** State that spans events
//! belongs in `join`. Start from `plugins/skeleton`; the whole story is docs/plugins.md.

mod analysis;
mod argument;
mod comm_cache;
mod event;
pub mod mock;
mod scene;
mod symbol_cache;
mod table;

pub use analysis::{About, Analysis, Erased, ErasedJoin, ErasedSlice, Notes, Out, Plugin, Runnable, runnable};
pub use argument::{Argument, ArgumentError, Arguments, number};
pub use comm_cache::CommCache;
pub use event::{Abi, Event, MemoryRange, Wants, Whose};
pub use scene::{Comm, Descriptor, File, Mapping, Process, Registers, Scene, SyscallFrame, Task, TaskKey};
pub use symbol_cache::SymbolCache;
pub use table::{Column, Kind, Rows, Table, Value};
