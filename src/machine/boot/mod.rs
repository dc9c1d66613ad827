//! Loads a guest into RAM and says which state the CPU starts it in. It takes the place of firmware.
//!
//! Four kinds of image: Linux bzImage (64-bit entry), ELF with a PVH note, plain ELF64, multiboot 1. What is refused,
//! and why, is in [`BootError`]. Kernel and initrd are untrusted: whatever their bytes are, loading ends in an error or
//! in an entry state, never in a panic. The same plan and RAM size give the same RAM, byte for byte.

mod bzimage;
mod detect;
mod elf;
mod entry;
mod error;
pub mod layout;
mod linux;
mod multiboot;
mod pvh;
#[cfg(test)]
mod tests;

pub use detect::{GuestImage, detect};
pub use entry::{BOOT_CS, BOOT_DS, BOOT_TR, EntryMode, EntryState};
pub use error::BootError;
pub use layout::{MemoryKind, MemoryRange, RamLayout};

use super::acpi;
use crate::machine::ram::Memory;
use vm_memory::{Bytes, GuestAddress};

/// What to boot.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BootPlan {
    /// The kernel file's bytes.
    pub kernel: Vec<u8>,
    /// The initial RAM disk, or the one multiboot module.
    pub initrd: Option<Vec<u8>>,
    /// The kernel command line.
    pub cmdline: String,
}

/// Loads the plan's guest and the ACPI tables into `mem`, which is zero and has the ranges of
/// [`RamLayout::backing`] for `ram_bytes`, and returns the state to enter it in.
pub fn load(mem: &Memory, ram_bytes: u64, plan: &BootPlan) -> Result<EntryState, BootError> {
    let ram = RamLayout::new(ram_bytes)?;
    let image = detect(&plan.kernel)?;
    mem.write_slice(&acpi::tables(), GuestAddress(acpi::BASE))?;
    match image {
        GuestImage::BzImage => bzimage::load(mem, &ram, plan),
        GuestImage::ElfPvh => pvh::load(mem, &ram, plan),
        GuestImage::Elf64 => elf::load(mem, &ram, plan),
        GuestImage::Multiboot1 => multiboot::load(mem, &ram, plan),
    }
}
