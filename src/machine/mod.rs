//! The PC around the CPU.
pub mod acpi;
pub mod boot;
