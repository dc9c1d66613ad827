//! reenact: record and replay of whole virtual machines.

pub mod cpu;
