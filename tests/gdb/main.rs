//! The server for debuggers as debuggers see it: scripted sessions with the real gdb, and a socket that misbehaves.
//!
//! Sessions run where gdb is installed (`.ci/run` installs it); those with recorded programs need a kernel as
//! `tests/cli/debian.rs` does, from `REENACT_TEST_GUESTS`.

#![allow(clippy::disallowed_methods, reason = "tests are at the host edge: they read the environment and wait")]

mod kernel;
mod program;
mod server;
mod socket;
mod trace;
mod tutorial;
