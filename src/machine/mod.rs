//! The PC around the CPU.
