//! VMCOREINFO: the note that the kernel keeps ready for crash dumps. Tools that read dumps ask it where the kernel is.

use super::absent::{Known, Why};
use super::memory::le_u32;
use super::view::{View, lossy};

/// Bytes of an ELF note before its name.
const NOTE_HEADER: usize = 12;
const NAME: &[u8] = b"VMCOREINFO\0";
/// Name padded to a multiple of 4.
const PADDED_NAME: usize = 12;
/// The kernel's own is one page.
const LONGEST: u64 = 16384;

impl View<'_> {
    /// The note's text: lines such as `OSRELEASE=6.1.0-42-amd64`.
    pub fn vmcoreinfo(&self) -> Known<Vec<u8>> {
        self.finished_note().or_else(|_| self.text_alone())
    }

    /// The value of one line of the text.
    pub fn vmcoreinfo_value(&self, key: &str) -> Known<Option<String>> {
        let text = lossy(&self.vmcoreinfo()?);
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Ok(value.map(str::to_owned))
    }

    fn finished_note(&self) -> Known<Vec<u8>> {
        let space = self.kernel();
        let at = space.u64(self.profile.address("vmcoreinfo_note")?)?;
        let header = space.bytes(at, NOTE_HEADER + PADDED_NAME)?;
        let size = header.get(4..).and_then(le_u32).map(u64::from);
        let is_named = header[NOTE_HEADER..].starts_with(NAME);
        let size = size.filter(|size| is_named && (1..=LONGEST).contains(size));
        let size = size.ok_or(Why::Broken { at, expected: "a VMCOREINFO note" }.for_fact("VMCOREINFO"))?;
        space.bytes(at.wrapping_add(header.len() as u64), size as usize)
    }

    fn text_alone(&self) -> Known<Vec<u8>> {
        let space = self.kernel();
        let at = space.u64(self.profile.address("vmcoreinfo_data")?)?;
        let size = space.u64(self.profile.address("vmcoreinfo_size")?)?;
        if !(1..=LONGEST).contains(&size) {
            return Err(Why::Broken { at, expected: "VMCOREINFO text" }.for_fact("VMCOREINFO"));
        }
        space.bytes(at, size as usize)
    }
}
