//! What stands in the Header frame: what was recorded, on which machine, under which rules.
//!
//! Plain data, encoded with postcard in the order of declaration. Changing a field or reordering a variant changes
//! the format and needs a new `FORMAT_VERSION`; new enum variants go at the end. The machine room interprets it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Everything that a replay needs to know before the first instruction, beside the images themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the reenact that recorded, for instance `0.1.0`.
    pub tool_version: String,
    /// Which engine executed the guest while recording, for instance `interpreter`.
    pub engine: String,
    /// The machine that was powered on.
    pub machine: MachineConfig,
    /// The rule by which instructions were counted, by name; a replay under another rule is refused.
    pub counting_rule: String,
    /// Host wall clock when the recording began, in ns since 1970-01-01 00:00:00 UTC. Information only: what the
    /// guest saw of it is an Input.
    pub wall_clock_start_ns: u64,
    /// The command that recorded, one argument per string.
    pub command_line: Vec<String>,
    /// Instructions between two digests; 0 when there is only the one at the end.
    pub digest_interval: u64,
    /// The program that was recorded, when the machine was built around one.
    pub program: Option<ProgramInfo>,
    /// The images of the initial state, in the order in which their contents follow. The writer fills this in.
    pub images: Vec<ImageInfo>,
}

/// The machine as strings and numbers; the machine room gives them meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineConfig {
    /// The machine type with its options, for instance `pc`: which chips, where. Interpreted by the machine room.
    pub description: String,
    /// Guest RAM in bytes.
    pub ram_bytes: u64,
    /// The CPU that the guest sees.
    pub cpu_model: CpuModel,
    /// How the first instruction is reached.
    pub boot: BootKind,
    /// The kernel's command line, empty when there is none.
    pub kernel_cmdline: String,
}

/// A CPU model is fixed by name and version: the same pair always means the same CPUID leaves and the same behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModel {
    /// For instance `x86-64-v2`.
    pub name: String,
    /// Raised whenever the guest could tell the difference.
    pub version: u32,
}

/// How the machine reaches its first instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootKind {
    /// Linux bzImage, entered by the 64-bit boot protocol.
    LinuxBzImage,
    /// ELF kernel with a PVH entry note.
    ElfPvh,
    /// ELF64, entered at its entry point in 64-bit mode.
    Elf64,
    /// Multiboot 1, entered in 32-bit protected mode.
    Multiboot1,
}

/// The program that `record -- PROGRAM` ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramInfo {
    /// Path on the host that recorded.
    pub path: String,
    /// Arguments, without the program's own name.
    pub args: Vec<String>,
}

/// What an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageRole {
    /// The kernel file.
    Kernel,
    /// The initial RAM disk.
    Initrd,
    /// Firmware.
    Firmware,
    /// Guest RAM from address 0.
    Ram,
    /// A whole disk.
    Disk {
        /// Which disk, from 0.
        index: u8,
    },
}

impl fmt::Display for ImageRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageRole::Kernel => f.write_str("kernel"),
            ImageRole::Initrd => f.write_str("initrd"),
            ImageRole::Firmware => f.write_str("firmware"),
            ImageRole::Ram => f.write_str("ram"),
            ImageRole::Disk { index } => write!(f, "disk{index}"),
        }
    }
}

/// What the header says about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// What it is for; no two images share a role.
    pub role: ImageRole,
    /// The file name that it had on the host.
    pub name: String,
    /// Bytes, before compression.
    pub len: u64,
    /// BLAKE3 of the content.
    pub blake3: Hash,
}

/// An image to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// What it is for.
    pub role: ImageRole,
    /// The file name that it has on the host.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

impl Image<'_> {
    /// What the header will say about this image.
    pub fn info(&self) -> ImageInfo {
        ImageInfo {
            role: self.role,
            name: self.name.to_owned(),
            len: self.bytes.len() as u64,
            blake3: *blake3::hash(self.bytes).as_bytes(),
        }
    }
}
