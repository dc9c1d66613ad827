//! The bytes of an index file: its header and its records, each sealed by a checksum that goes on from the one before.
//!
//! docs/index-format.md draws the layout. Nothing in here allocates by a size that was not checked.

use super::{Origin, PAGE};

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"reenidx\n";
/// Raised whenever older files must be built anew.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 88;
/// Bytes in front of each payload: kind, length, checksum.
pub const RECORD_LEN: usize = 12;
/// Pages a chunk has at most. 8 read in 27 us and pack within 1 % of what larger chunks do (docs/index-format.md).
pub const CHUNK_PAGES: usize = 8;
/// A slice takes at most so many bytes before it is compressed.
pub const MAX_SLICE: usize = 64 << 20;
/// A payload is at most this long, whatever its kind.
pub const MAX_PAYLOAD: usize = MAX_SLICE + (MAX_SLICE >> 7) + 4096;
/// Bytes of a page hash.
pub const HASH_LEN: usize = 32;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A chunk of pages.
    Pages = 1,
    /// A slice, whose pages stand in front of it.
    Slice = 2,
    /// The last slice reaches the end of the recording.
    Complete = 3,
}

impl Kind {
    fn of(number: u32) -> Option<Kind> {
        [Kind::Pages, Kind::Slice, Kind::Complete].into_iter().find(|k| *k as u32 == number)
    }
}

/// Why a header is not this recording's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Too short, no magic, or the checksum does not fit.
    Damaged,
    /// Another format, or another version of the machine.
    Version,
    /// Another recording.
    Recording,
}

/// The header, with `stride` as the only thing that is not known beforehand.
pub fn header(of: &Origin, stride: u32) -> [u8; HEADER_LEN] {
    let mut h = [0; HEADER_LEN];
    h[..8].copy_from_slice(&MAGIC);
    h[8..12].copy_from_slice(&VERSION.to_le_bytes());
    h[12..16].copy_from_slice(&of.page_count.to_le_bytes());
    h[16..20].copy_from_slice(&stride.to_le_bytes());
    h[20..52].copy_from_slice(&of.identity);
    h[52..84].copy_from_slice(blake3::hash(of.rule.as_bytes()).as_bytes());
    let sum = crc32c::crc32c(&h[..84]);
    h[84..].copy_from_slice(&sum.to_le_bytes());
    h
}

/// The stride that the header states, if it is the header of `of`.
pub fn check_header(found: &[u8; HEADER_LEN], of: &Origin) -> Result<u32, Foreign> {
    let stride = u32_at(found, 16).ok_or(Foreign::Damaged)?;
    let expected = header(of, stride);
    if found[..8] != MAGIC {
        return Err(Foreign::Damaged);
    }
    if found[8..12] != expected[8..12] {
        return Err(Foreign::Version);
    }
    if u32_at(found, 84) != Some(crc32c::crc32c(&found[..84])) || !stride.is_power_of_two() {
        return Err(Foreign::Damaged);
    }
    if found[52..84] != expected[52..84] {
        return Err(Foreign::Version);
    }
    if found != &expected { Err(Foreign::Recording) } else { Ok(stride) }
}

/// The checksum that a header ends with and the first record goes on from.
pub fn header_sum(header: &[u8; HEADER_LEN]) -> u32 {
    crc32c::crc32c(&header[..84])
}

/// A record's first bytes.
#[derive(Clone, Copy, Debug)]
pub struct RecordHead {
    /// What it holds.
    pub kind: Kind,
    /// Bytes of the payload.
    pub len: usize,
    /// Its checksum.
    pub sum: u32,
}

impl RecordHead {
    /// Reads a head; `None` if no record of this format begins so.
    pub fn read(bytes: &[u8; RECORD_LEN]) -> Option<RecordHead> {
        let kind = Kind::of(u32_at(bytes, 0)?)?;
        let len = u32_at(bytes, 4)? as usize;
        (len <= MAX_PAYLOAD).then_some(RecordHead { kind, len, sum: u32_at(bytes, 8)? })
    }
    /// True if the payload is the one that was written behind the record with the checksum `before`.
    pub fn seals(&self, before: u32, payload: &[u8]) -> bool {
        self.sum == seal(before, self.kind, payload)
    }
}

/// One record, and its checksum for the next.
pub fn record(before: u32, kind: Kind, payload: &[u8]) -> (Vec<u8>, u32) {
    let sum = seal(before, kind, payload);
    let mut bytes = Vec::with_capacity(RECORD_LEN + payload.len());
    bytes.extend_from_slice(&(kind as u32).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(payload);
    (bytes, sum)
}

fn seal(before: u32, kind: Kind, payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(before, &(kind as u32).to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &(payload.len() as u32).to_le_bytes());
    crc32c::crc32c_append(sum, payload)
}

/// The hashes of a chunk's pages and the compressed pages; `None` if the payload is malformed.
pub fn read_chunk(payload: &[u8]) -> Option<(&[[u8; HASH_LEN]], &[u8])> {
    let count = u32_at(payload, 0)? as usize;
    if !(1..=CHUNK_PAGES).contains(&count) {
        return None;
    }
    let (hashes, packed) = payload.get(4..)?.split_at_checked(count * HASH_LEN)?;
    Some((hashes.as_chunks().0, packed))
}

/// The length of a packed payload before it was compressed (at most [`MAX_SLICE`]), and the compressed bytes.
pub fn read_packed(payload: &[u8]) -> Option<(usize, &[u8])> {
    let len = u32_at(payload, 0)? as usize;
    (len <= MAX_SLICE).then_some((len, payload.get(4..)?))
}

/// A little-endian number, if it is there.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Bytes that `pages` pages have.
pub fn page_bytes(pages: usize) -> usize {
    pages * PAGE
}
