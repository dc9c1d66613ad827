//! Finds a guest kernel: the one that the user names, the host's own, one from the cache, or the distribution's package.
//!
//! Nothing is installed and no rights are needed. What is found is looked at (bzImage or ELF), so that a wrong file is
//! named here and not by a machine that stays silent. `offline` forbids the network; then the error lists what was tried.

use std::cmp::Ordering;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod debian;

/// Where to look for a kernel.
#[derive(Clone, Debug)]
pub struct KernelSearch {
    /// `--kernel`.
    pub explicit: Option<PathBuf>,
    /// `$REENACT_KERNEL`.
    pub environment: Option<PathBuf>,
    /// The host's `/boot`.
    pub boot: PathBuf,
    /// `$XDG_CACHE_HOME/reenact/kernels`, else `~/.cache/reenact/kernels`; none without a home directory.
    pub cache: Option<PathBuf>,
    /// The host's `/etc/os-release`, which tells the distribution.
    pub os_release: PathBuf,
    /// Forbids the network.
    pub offline: bool,
}

impl KernelSearch {
    /// The usual places of this host.
    pub fn of_host(explicit: Option<PathBuf>, offline: bool) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let cache = cache.or_else(|| variable("HOME").map(|home| home.join(".cache")));
        Self {
            explicit,
            environment: variable("REENACT_KERNEL"),
            boot: "/boot".into(),
            cache: cache.map(|cache| cache.join("reenact/kernels")),
            os_release: "/etc/os-release".into(),
            offline,
        }
    }
}

/// Where a kernel came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--kernel`.
    Explicit,
    /// `$REENACT_KERNEL`.
    Environment,
    /// The host's `/boot`.
    Boot,
    /// Fetched by an earlier run.
    Cache,
    /// Fetched now, from this package.
    Package(String),
}

/// A kernel that looks bootable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKernel {
    /// The file, bzImage or ELF.
    pub path: PathBuf,
    pub origin: Origin,
}

/// No kernel, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the kernel {}, which {named_by} names; check the path and its permissions", path.display())]
    Unreadable {
        path: PathBuf,
        named_by: &'static str,
        #[source]
        source: io::Error,
    },

    #[error("{}, which {named_by} names, is neither an x86 bzImage nor an ELF kernel", path.display())]
    NotAKernel { path: PathBuf, named_by: &'static str },

    #[error("no kernel for the guest was found ({tried}). {advice}")]
    NotFound { tried: String, advice: String },

    #[error("cannot use {} for fetched kernels; set XDG_CACHE_HOME to a directory that can be written", path.display())]
    Cache {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    #[error("cannot run {tool}, which is needed to fetch a kernel; give one with --kernel FILE")]
    Tool {
        tool: &'static str,
        #[source]
        source: io::Error,
    },

    #[error("fetching a kernel failed: {tool} said: {said}. Check the network, or give a kernel with --kernel FILE")]
    Fetch { tool: &'static str, said: String },

    #[error("the package {package} has no x86 kernel in its /boot; give one with --kernel FILE")]
    NothingInPackage { package: String },
}

/// Finds a kernel; `say` gets a sentence for the user before anything that takes time or uses the network.
///
/// # Errors
/// A file that the user named and that is no kernel; nothing found; a fetch that failed.
pub fn find(search: &KernelSearch, say: &mut dyn FnMut(&str)) -> Result<FoundKernel, Error> {
    if let Some(path) = &search.explicit {
        return named(path, "--kernel", Origin::Explicit);
    }
    if let Some(path) = &search.environment {
        return named(path, "REENACT_KERNEL", Origin::Environment);
    }
    let mut tried = Vec::new();
    if let Some(path) = newest(&search.boot, &mut tried) {
        return Ok(FoundKernel { path, origin: Origin::Boot });
    }
    let not_found =
        |tried: &[String], advice: &str| Error::NotFound { tried: tried.join("; "), advice: advice.to_owned() };
    let Some(cache) = &search.cache else {
        let advice = "Give one with --kernel FILE, or set HOME or XDG_CACHE_HOME so that one can be fetched.";
        return Err(not_found(&tried, advice));
    };
    if let Some(path) = newest(cache, &mut tried) {
        return Ok(FoundKernel { path, origin: Origin::Cache });
    }
    let os_release = fs::read_to_string(&search.os_release).unwrap_or_default();
    let Some(distribution) = debian::Distribution::of(&os_release) else {
        let advice = "Give one with --kernel FILE; on this distribution reenact cannot fetch one by itself. A kernel \
                      from any distribution will do if the serial port and devtmpfs are built in.";
        return Err(not_found(&tried, advice));
    };
    if search.offline {
        tried.push("fetching one is forbidden by --offline".to_owned());
        let advice = "Give one with --kernel FILE, or run once without --offline.";
        return Err(not_found(&tried, advice));
    }
    let (path, package) = debian::fetch(distribution, cache, say)?;
    Ok(FoundKernel { path, origin: Origin::Package(package) })
}

fn named(path: &Path, named_by: &'static str, origin: Origin) -> Result<FoundKernel, Error> {
    match is_kernel(path) {
        Ok(true) => Ok(FoundKernel { path: path.to_owned(), origin }),
        Ok(false) => Err(Error::NotAKernel { path: path.to_owned(), named_by }),
        Err(source) => Err(Error::Unreadable { path: path.to_owned(), named_by, source }),
    }
}

/// Whether the file is an x86 bzImage (the kernel's Documentation/arch/x86/boot.rst: 0xaa55 at 0x1fe, "HdrS" at 0x202) or
/// an x86-64 ELF file.
fn is_kernel(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(0x206).read_to_end(&mut head)?;
    let is_bzimage = head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..0x206) == Some(b"HdrS");
    let is_elf = head.starts_with(b"\x7fELF\x02\x01") && head.get(18..20) == Some(&[62, 0]);
    Ok(is_bzimage || is_elf)
}

/// The kernel of the highest version in a directory. What is passed over is added to `tried`.
fn newest(folder: &Path, tried: &mut Vec<String>) -> Option<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        tried.push(format!("{} cannot be read or is not there", folder.display()));
        return None;
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("vmlinuz"))
        .collect();
    names.sort_by(|a, b| by_version(b, a));
    if names.is_empty() {
        tried.push(format!("{} has no vmlinuz", folder.display()));
    }
    for name in names {
        let path = folder.join(name);
        match is_kernel(&path) {
            Ok(true) => return Some(path),
            Ok(false) => tried.push(format!("{} is no x86 kernel", path.display())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tried.push(format!("{} may be read by root only", path.display()));
            }
            Err(error) => tried.push(format!("{} cannot be read: {error}", path.display())),
        }
    }
    None
}

/// Compares names so that numbers in them count as numbers: 6.9 comes before 6.10. A file without a version, or for
/// rescue, comes before all that have one.
fn by_version(a: &str, b: &str) -> Ordering {
    let key = |name: &str| {
        let version = name.trim_start_matches("vmlinuz").trim_start_matches('-').to_owned();
        (version.starts_with(|first: char| first.is_ascii_digit()) && !version.contains("rescue"), parts(&version))
    };
    key(a).cmp(&key(b))
}

/// The runs of digits, as numbers, and the text between them.
fn parts(version: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = version;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let text = tail.len() - tail.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
        let (text, tail) = tail.split_at(text);
        parts.push((number.parse().unwrap_or(0), text.to_owned()));
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests;
