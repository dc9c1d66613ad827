//! Reads `/etc/ld.so.cache`, glibc's list of libraries and their paths.
//!
//! ```text
//! "glibc-ld.so.cache" "1.1"  count:u32  string bytes:u32  flags:u8 pad[3]  extension:u32  unused[3]:u32
//! count times { flags:i32  name:u32  path:u32  os version:u32  hwcap:u64 }; strings with NUL, offsets from the magic
//! ```
//! An older cache ("ld.so-1.7.0", glibc before 2.32) has this one behind its own 12-byte entries, aligned to 8. Source:
//! glibc's sysdeps/generic/dl-cache.h. Input is untrusted; whatever does not fit is as if there were no cache, which
//! costs only the libraries outside the default directories.

use std::fs;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
/// `FLAG_X8664_LIB64 | FLAG_ELF_LIBC6`.
const FLAGS_X86_64: u32 = 0x0303;

/// Names and paths of the x86-64 libraries of a cache, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdCache {
    entries: Vec<(String, PathBuf)>,
}

impl LdCache {
    /// The host's cache, empty where there is none (musl, Nix).
    pub fn of_host() -> Self {
        fs::read("/etc/ld.so.cache").ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Reads a cache; `None` if the bytes are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = new_format(bytes)?;
        let count = usize::try_from(word(bytes, MAGIC.len())?).ok()?;
        let table = bytes.get(HEADER_BYTES..)?;
        let entries = table.chunks_exact(ENTRY_BYTES).take(count).filter_map(|entry| {
            let is_ours = word(entry, 0)? == FLAGS_X86_64;
            let name = string(bytes, word(entry, 4)?)?;
            let path = string(bytes, word(entry, 8)?)?;
            is_ours.then(|| (name.to_owned(), PathBuf::from(path)))
        });
        Some(Self { entries: entries.collect() })
    }

    /// Every path of that name. There are several where a library has variants for newer processors; the loader in the
    /// guest chooses by the guest's processor, so all of them matter.
    pub fn paths(&self, name: &str) -> impl Iterator<Item = &PathBuf> {
        self.entries.iter().filter(move |(entry, _)| entry == name).map(|(_, path)| path)
    }
}

fn new_format(bytes: &[u8]) -> Option<&[u8]> {
    let start = if bytes.starts_with(OLD_MAGIC) {
        let count = usize::try_from(word(bytes, 12)?).ok()?;
        count.checked_mul(12)?.checked_add(16)?.checked_next_multiple_of(8)?
    } else {
        0
    };
    bytes.get(start..).filter(|rest| rest.starts_with(MAGIC))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word))
}

fn string(bytes: &[u8], at: u32) -> Option<&str> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(u32, &str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((entries.len() as u32).to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        let mut strings = Vec::new();
        let strings_at = HEADER_BYTES + ENTRY_BYTES * entries.len();
        for (flags, name, path) in entries {
            let mut put = |text: &str| {
                let at = (strings_at + strings.len()) as u32;
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
                at
            };
            let words = [*flags, put(name), put(path), 0, 0, 0];
            words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn only_x86_64_libraries_are_listed() {
        let bytes = cache(&[(0x0303, "a.so", "/x/a.so"), (0x0003, "a.so", "/i386/a.so"), (0x0303, "a.so", "/y/a.so")]);
        let cache = LdCache::parse(&bytes).unwrap();
        assert_eq!(cache.paths("a.so").map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["/x/a.so", "/y/a.so"]);
    }

    #[test]
    fn new_format_is_found_behind_the_old_one() {
        let new = cache(&[(0x0303, "a.so", "/x/a.so")]);
        let mut bytes = b"ld.so-1.7.0\0\x01\0\0\0".to_vec();
        bytes.resize(32, 0);
        bytes.extend(&new);
        assert_eq!(LdCache::parse(&bytes), LdCache::parse(&new));
    }

    #[test]
    fn cut_or_changed_caches_never_panic() {
        let whole = cache(&[(0x0303, "a.so", "/x/a.so"), (0x0303, "b.so", "/x/b.so")]);
        for at in 0..whole.len() {
            let _ = LdCache::parse(&whole[..at]);
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            let _ = LdCache::parse(&bytes);
        }
    }
}
