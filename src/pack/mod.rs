//! Packs one program of the host into a guest without an image: `reenact record -- PROGRAM ARGS...`.
//!
//! The result is an initramfs with the program, its loader and libraries, the files that the user named, a tiny first
//! process and its orders. Host side only: this room reads files and the environment, and nothing of it runs while a
//! machine runs. It refuses programs for other processors and never guesses a library. Equal files give equal bytes.
//!
//! ```text
//! /.reenact/init   first process: mounts, console, runs the program, reports its wait status, powers off
//! /.reenact/run    its orders: working directory, program, arguments, environment
//! PROGRAM, loader, libraries, --file extras at their host paths; minimal /etc; /proc /sys /dev /tmp /root
//! ```

mod cpio;
mod elf;
mod error;
mod etc;
mod extra;
pub mod kernel;
mod ld_cache;
mod library;
mod orders;
mod program;
mod tree;

#[cfg(test)]
mod boot_tests;
#[cfg(test)]
mod elf_fixture;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

pub use error::Error;
pub use extra::parse_file_argument;

/// The guest's first process, built by `build.rs`; empty where the host's processor is not x86-64.
static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-init"));

/// Where the first process and its orders are in the guest; `rdinit=` of [`CMDLINE`] names the same file.
const INIT_PATH: &str = "/.reenact/init";
const ORDERS_PATH: &str = "/.reenact/run";

/// The I/O port to which the guest writes, once and with 32 bits, the wait status of the program as `waitpid` gave it;
/// see [`Ending::from_wait_status`]. The write comes just before the power-off.
pub const STATUS_PORT: u16 = 0x5e5;

/// Kernel command line that lets only the program's own bytes reach the console. `loglevel=0` keeps back even the
/// farewell of the power-off; a panic raises the level by itself and is still seen, then `panic=-1` reboots.
pub const CMDLINE: &str = "console=ttyS0,115200n8 quiet loglevel=0 panic=-1 rdinit=/.reenact/init";

/// What is to run in the guest.
#[derive(Clone, Debug)]
pub struct ProgramSpec {
    /// As the user typed it: a path, or a name that is looked up in the host's `PATH`. It becomes `argv[0]`.
    pub program: OsString,
    /// The arguments after `argv[0]`.
    pub args: Vec<OsString>,
    /// Absolute working directory; it exists (empty) in the guest, and relative paths of this spec start from it.
    pub cwd: PathBuf,
    /// The whole environment of the program, in this order.
    pub env: Vec<(String, String)>,
    /// Files and directories of the host with their absolute guest paths; equal paths keep symbolic links as they are.
    pub extra_files: Vec<(PathBuf, PathBuf)>,
}

impl ProgramSpec {
    /// A program with the default environment and no extra files.
    pub fn new(program: impl Into<OsString>, args: Vec<OsString>, cwd: PathBuf) -> Self {
        Self { program: program.into(), args, cwd, env: default_environment(), extra_files: Vec::new() }
    }
}

/// The environment that a program gets unless told otherwise: small, and the same on every host.
pub fn default_environment() -> Vec<(String, String)> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    [("PATH", path), ("HOME", "/root"), ("USER", "root"), ("TERM", "linux"), ("LANG", "C")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// A file of the host that went into the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Path in the guest, links resolved.
    pub guest: PathBuf,
    /// Path on the host from which it was read.
    pub host: PathBuf,
    /// Length in bytes.
    pub size: u64,
    /// BLAKE3 of the content that was packed.
    pub digest: blake3::Hash,
}

/// A guest that is ready to boot.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Uncompressed newc cpio archive.
    pub initrd: Vec<u8>,
    /// Kernel command line, [`CMDLINE`].
    pub cmdline: String,
    /// Everything that was read from the host, sorted by guest path.
    pub files: Vec<PackedFile>,
    /// Sentences for the user about what was left out (unreadable files, missing libraries of extra files).
    pub notes: Vec<String>,
}

impl Packed {
    /// RAM in MiB under which this guest is not likely to boot: the archive stays in RAM until it is unpacked, and the
    /// kernel lets the unpacked files, in whole pages, take half of what the archive leaves.
    pub fn least_memory_mib(&self) -> u64 {
        let content = self.initrd.len() as u64 + 4096 * self.files.len() as u64;
        (128 + 3 * content.div_ceil(1 << 20)).next_multiple_of(32)
    }
}

/// How the program ended, from the value written to [`STATUS_PORT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It called exit with this code. 127 also when the guest could not start it.
    Exited(u8),
    /// This signal killed it.
    Killed(u8),
}

impl Ending {
    /// Reads a wait status as Linux encodes it: low seven bits a signal, or else bits 8..16 an exit code.
    pub fn from_wait_status(status: u32) -> Self {
        match (status & 0x7f) as u8 {
            0 => Self::Exited((status >> 8) as u8),
            signal => Self::Killed(signal),
        }
    }

    /// The code a shell would report: the exit code, or 128 and the signal.
    pub fn shell_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal,
        }
    }
}

/// Packs the program into a guest.
///
/// # Errors
/// A program, library, interpreter, working directory or extra file that is not there or cannot be packed, each with
/// what was looked for and where.
pub fn pack(spec: &ProgramSpec) -> Result<Packed, Error> {
    if INIT.is_empty() {
        return Err(Error::HostCannotPack { arch: std::env::consts::ARCH });
    }
    orders::check(spec)?;
    let mut tree = tree::Tree::default();
    let mut notes = Vec::new();
    let library_path = spec.env.iter().find(|(name, _)| name == "LD_LIBRARY_PATH").map(|(_, dirs)| dirs.as_str());
    let resolver = library::Resolver::new(ld_cache::LdCache::of_host(), library_path, &spec.cwd);

    tree.add_top_level_links()?;
    let found = program::find(&spec.program, &spec.cwd)?;
    program::add(&mut tree, &resolver, &found, spec)?;
    tree.add_host_folder(&spec.cwd)?;
    extra::add_all(&mut tree, &resolver, spec, &mut notes)?;
    etc::add(&mut tree, spec)?;

    tree.put_bytes(INIT_PATH, 0o755, INIT.to_vec())?;
    tree.put_bytes(ORDERS_PATH, 0o644, orders::encode(spec, &found))?;
    let (initrd, files) = tree.into_archive()?;
    Ok(Packed { initrd, cmdline: CMDLINE.to_owned(), files, notes })
}
