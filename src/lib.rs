//! reenact: records whole x86-64 virtual machines and replays them bit-exactly.
//!
//! The rooms and the arrows between them are described in `docs/architecture.md`.

pub mod analysis;
pub mod cli;
pub mod cpu;
pub mod gdb;
pub mod guest;
pub mod machine;
pub mod moment;
pub mod pack;
pub mod recording;
pub mod replay;
pub mod session;
pub mod text;
#[cfg(feature = "tui")]
pub mod tui;
