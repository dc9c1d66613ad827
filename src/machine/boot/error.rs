//! Why a guest could not be loaded. Each message names the value and what the user can do.

use super::layout::{MIB, PAGE, RAM_MAX, RAM_MIN};

/// A guest image, an initrd, a command line and a memory size that do not go together.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Neither a bzImage nor an ELF nor a multiboot image.
    #[error(
        "the kernel file is {looks_like}; give a Linux bzImage, an x86-64 ELF kernel (PVH or plain), or a multiboot 1 image"
    )]
    NotAKernel {
        /// What the file looks like.
        looks_like: String,
    },
    /// The file ends before what its headers promise.
    #[error("the kernel file is cut short: {what} ends at byte {need}, but the file has {have} bytes; copy it again")]
    Truncated {
        /// The part that is missing.
        what: &'static str,
        /// The file's length.
        have: u64,
        /// The length that it should have at least.
        need: u64,
    },
    /// Headers that contradict themselves.
    #[error("the kernel file is damaged: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// A bzImage that can only be started in 16-bit or 32-bit mode.
    #[error(
        "Linux {release} (boot protocol {}.{:02}) has no 64-bit entry point, which came with 64-bit kernels 3.8 and later \
         (boot protocol 2.12); use such a kernel",
        protocol >> 8, protocol & 0xff
    )]
    No64BitEntry {
        /// The release that the kernel states.
        release: String,
        /// The boot protocol version as in the header: major in the high byte.
        protocol: u16,
    },
    /// A multiboot kernel that demands what this loader cannot give.
    #[error("the multiboot kernel requires features {flags:#06x} that this loader does not have; it knows 0x0007")]
    MultibootFeatures {
        /// The required flag bits that are not known.
        flags: u32,
    },
    /// The kernel does not fit in RAM.
    #[error(
        "the kernel occupies memory up to {end:#x}, but the guest has {ram_mib} MiB; give it --memory {need_mib}M or more"
    )]
    KernelTooLarge {
        /// The first address after the kernel.
        end: u64,
        /// The guest's RAM.
        ram_mib: u64,
        /// The RAM that would do.
        need_mib: u64,
    },
    /// The kernel wants to be where it cannot be.
    #[error(
        "the kernel wants {size} bytes at guest address {start:#x}, {why}; link it to run at 1 MiB or above, within RAM"
    )]
    KernelPlacement {
        /// The address.
        start: u64,
        /// The size in bytes.
        size: u64,
        /// What is there.
        why: &'static str,
    },
    /// The initrd does not fit in RAM.
    #[error("the initrd has {size} bytes, but {free} bytes of the guest's {ram_mib} MiB are free for it; {}", initrd_advice(*.need_mib))]
    InitrdTooLarge {
        /// The initrd's size in bytes.
        size: u64,
        /// The room for it in bytes.
        free: u64,
        /// The guest's RAM.
        ram_mib: u64,
        /// The RAM that would do, when there is such a size.
        need_mib: Option<u64>,
    },
    /// The kernel reads fewer bytes of command line.
    #[error("the command line has {len} bytes, but this kernel takes {limit}; shorten it by {}", *.len as u64 - .limit)]
    CmdlineTooLong {
        /// The length in bytes.
        len: usize,
        /// The most that can be passed.
        limit: u64,
    },
    /// A NUL would end the command line early.
    #[error("the command line has a NUL byte at position {at}; remove it")]
    CmdlineNul {
        /// The position of the byte.
        at: usize,
    },
    /// The RAM size is out of range.
    #[error(
        "the guest cannot have {ram_bytes} bytes of memory; give a multiple of {PAGE} from {} MiB to {} MiB",
        RAM_MIN / MIB, RAM_MAX / MIB
    )]
    MemorySize {
        /// The size in bytes.
        ram_bytes: u64,
    },
    /// RAM is not backed as the layout says.
    #[error("guest memory does not have the ranges of its stated size")]
    Memory(#[from] vm_memory::GuestMemoryError),
    /// linux-loader refused the image.
    #[error("the kernel could not be loaded")]
    Loader(#[from] linux_loader::loader::Error),
}

fn initrd_advice(need_mib: Option<u64>) -> String {
    match need_mib {
        Some(mib) => format!("give the guest --memory {mib}M or more"),
        None => "no memory size makes room below the kernel's limit for initrds, so make the initrd smaller".to_owned(),
    }
}
