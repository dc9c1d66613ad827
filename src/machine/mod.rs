//! The PC around the CPU.
pub mod clock;
pub mod device;
pub mod pc;
