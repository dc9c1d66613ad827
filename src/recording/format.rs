//! The constants of the file layout and the superblock. `docs/recording-format.md` draws them.
//!
//! Every limit here is checked before a buffer of that size is allocated. The first 16 bytes keep their layout in
//! every future version, so that a newer file can be refused by name instead of as garbage.

use super::error::DamageKind;

/// The format version that this code writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// First bytes of every recording. The non-ASCII byte, CR LF and SUB betray text-mode transfers at once.
pub const SIGNATURE: [u8; 8] = *b"\x89REEN\r\n\x1a";

/// Bytes of the superblock: signature, version, CRC32C.
pub const SUPERBLOCK_LEN: usize = 16;

/// First bytes of every frame, read as a little-endian number: `reFR`.
pub const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"reFR");

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_LEN: usize = 68;

/// Bytes at the start of a frame that its CRC32C covers together with the payload (all but the CRC itself).
pub const FRAME_CRC_OFFSET: usize = 64;

/// Largest payload of a frame after decompression. The stored payload is never larger.
pub const MAX_RAW_LEN: u32 = 1 << 20;

/// Largest piece of an image in one frame.
pub const IMAGE_CHUNK: usize = 256 << 10;

/// Largest image, so that a forged header cannot ask for more than a host can be expected to hold.
pub const MAX_IMAGE_LEN: u64 = 4 << 30;

/// An Events frame is cut before it would exceed this many bytes.
pub const EVENTS_FRAME_TARGET: usize = 256 << 10;

/// Most records in one Events frame; bounds what decoding one frame can allocate.
pub const MAX_RECORDS: usize = 1 << 16;

/// Largest byte string in one record (console bytes, serial input, entropy, note).
pub const MAX_RECORD_BYTES: usize = 128 << 10;

/// Frame flag: the payload is stored as it is, because zstd would not have made it smaller.
pub const FLAG_STORED: u8 = 1;

/// The types of frame in format 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The first frame: what was recorded, where, and with which rules.
    Header,
    /// A piece of an image.
    Image,
    /// Inputs, digests, outputs and notes in the order in which they happened.
    Events,
    /// The last frame of a recording that was closed.
    End,
}

impl FrameKind {
    /// The number in the frame header.
    pub fn code(self) -> u8 {
        match self {
            FrameKind::Header => 1,
            FrameKind::Image => 2,
            FrameKind::Events => 3,
            FrameKind::End => 4,
        }
    }

    /// The kind that `code` stands for, if format 1 defines it.
    pub fn from_code(code: u8) -> Option<FrameKind> {
        match code {
            1 => Some(FrameKind::Header),
            2 => Some(FrameKind::Image),
            3 => Some(FrameKind::Events),
            4 => Some(FrameKind::End),
            _ => None,
        }
    }
}

/// The superblock for `version`.
pub fn superblock(version: u32) -> [u8; SUPERBLOCK_LEN] {
    let mut block = [0; SUPERBLOCK_LEN];
    block[..8].copy_from_slice(&SIGNATURE);
    block[8..12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32c::crc32c(&block[..12]);
    block[12..].copy_from_slice(&crc.to_le_bytes());
    block
}

/// What the first bytes of a file are.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// A whole superblock of this version.
    Version(u32),
    /// A recording whose superblock is damaged.
    Damaged(DamageKind),
    /// Something else.
    Foreign,
}

/// Reads a superblock; `bytes` is what the file has of its first [`SUPERBLOCK_LEN`] bytes.
///
/// One damaged field does not make the file foreign: with a wrong signature but otherwise matching checksum it
/// is still recognised as a damaged recording.
pub fn read_superblock(bytes: &[u8]) -> Opening {
    let Ok(block) = <[u8; SUPERBLOCK_LEN]>::try_from(bytes) else {
        let cut = !bytes.is_empty() && superblock(FORMAT_VERSION).starts_with(bytes);
        let missing = (SUPERBLOCK_LEN - bytes.len()) as u64;
        return if cut { Opening::Damaged(DamageKind::Truncated { missing }) } else { Opening::Foreign };
    };
    let [_, _, _, _, _, _, _, _, v0, v1, v2, v3, ..] = block;
    let version = u32::from_le_bytes([v0, v1, v2, v3]);
    let signed = block.starts_with(&SIGNATURE);
    if block == superblock(version) {
        Opening::Version(version)
    } else if signed || superblock(version).ends_with(&block[8..]) {
        Opening::Damaged(DamageKind::Superblock)
    } else {
        Opening::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblock_names_its_version() {
        assert_eq!(read_superblock(&superblock(1)), Opening::Version(1));
        assert_eq!(read_superblock(&superblock(7)), Opening::Version(7));
    }

    #[test]
    fn one_flipped_bit_is_damage_and_not_another_version() {
        for bit in 0..SUPERBLOCK_LEN * 8 {
            let mut block = superblock(FORMAT_VERSION);
            block[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_superblock(&block), Opening::Damaged(DamageKind::Superblock), "bit {bit}");
        }
    }

    #[test]
    fn other_files_are_foreign() {
        assert_eq!(read_superblock(b""), Opening::Foreign);
        assert_eq!(read_superblock(b"\x7fELF"), Opening::Foreign);
        assert_eq!(read_superblock(&[0; SUPERBLOCK_LEN]), Opening::Foreign);
    }

    #[test]
    fn codes_and_kinds_are_inverse() {
        for code in 0..=u8::MAX {
            if let Some(kind) = FrameKind::from_code(code) {
                assert_eq!(kind.code(), code);
            }
        }
    }
}
