//! The evidence file `NAME.reen`: what came into a machine from outside, with what is needed to run it again.
//!
//! It knows bytes and Inputs, not machines. A recording is a superblock and a chain of frames, each sealed by a CRC32C
//! and the BLAKE3 hash of the frame before it; frames are appended and never changed, and reading never writes. Every
//! byte of the file is covered, so that damage is found, named by offset, and everything before it stays readable.
//!
//! ```text
//! superblock | Header | Image ... | Events ... | End        layout: docs/recording-format.md
//! ```
//!
//! Write with [`Draft`] and [`Writer`], read with [`Reader`]: [`Reader::events`] for a replay, [`Reader::load_image`] for
//! the initial state, [`Reader::summary`] to check everything.

mod columns;
mod error;
mod event;
pub mod format;
pub mod frame;
mod header;
mod identity;
mod publish;
mod reader;
mod source;
mod summary;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Damage, DamageKind, Error, Result};
pub use event::{Counts, Digest, End, Event, ExitReason, Input, InputData, InputSource, Note, Output, ResetHow};
pub use header::{BootKind, CpuModel, Hash, Header, Image, ImageInfo, ImageRole, MachineConfig, ProgramInfo};
pub use identity::Identity;
pub use reader::{Events, Reader};
pub use source::Source;
pub use summary::Summary;
pub use writer::{Draft, FLUSH_INTERVAL, Writer};
