//! Drives the `reenact` binary as its users do, and looks at exit codes, output, and what is left in the file system.
//!
//! The guests are the kernel images inside `traces/*.reen`, so that no compiler is needed. `debian.rs`, `programs.rs` and `guest/`
//! boot real kernels where `REENACT_TEST_GUESTS` names a directory that `tests/guests.sh` has filled; without it they
//! say that they are skipped.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for processes and read where the guests are; nothing here is inside the machine"
)]

mod command;
mod damage;
mod debian;
mod divergence;
mod ends;
mod find;
mod full_disk;
mod guest;
mod guests;
mod killed;
mod plugins;
mod programs;
mod refused;
mod round_trip;
mod syscalls;
#[cfg(feature = "query")]
mod tables;
mod traces;
mod travel;
mod typed;
