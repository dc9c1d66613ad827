//! Record and replay of whole virtual machines.

pub mod moment;
pub mod recording;
