//! One frame: a 68-byte header and a payload, sealed by a CRC32C and chained by BLAKE3 to the frame before it.
//!
//! ```text
//!  0  magic "reFR"    4  type  5  flags  6  reserved (0)
//!  8  sequence number          16  first moment
//! 24  raw_len                  28  len
//! 32  BLAKE3 of the whole frame before this one (of the superblock for the first)
//! 64  CRC32C of bytes 0..64 and the payload           68  payload (len bytes)
//! ```
//!
//! Sealing and checking stand side by side here, so that they cannot drift apart. Nothing is allocated from a length
//! that has not been checked against its bound.

use std::io;

use super::error::DamageKind;
use super::format::{FLAG_STORED, FRAME_CRC_OFFSET, FRAME_HEADER_LEN, FRAME_MAGIC, FrameKind, MAX_RAW_LEN, superblock};
use super::header::Hash;
use crate::moment::Moment;

/// Fast enough to go unnoticed beside the machine; higher levels gain little on payloads of this size.
const ZSTD_LEVEL: i32 = 1;

/// Position in the chain: what the next frame has to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Byte offset of the next frame.
    pub offset: u64,
    /// Sequence number of the next frame.
    pub seq: u64,
    /// BLAKE3 of the frame before it.
    pub head: Hash,
}

impl Link {
    /// The link behind the superblock of `version`.
    pub fn start(version: u32) -> Link {
        let block = superblock(version);
        Link { offset: block.len() as u64, seq: 0, head: *blake3::hash(&block).as_bytes() }
    }

    fn after(&self, frame: &[u8]) -> Link {
        Link { offset: self.offset + frame.len() as u64, seq: self.seq + 1, head: *blake3::hash(frame).as_bytes() }
    }
}

/// Makes frames, each continuing the one before it.
pub struct Sealer {
    link: Link,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Sealer {
    /// A sealer whose first frame will follow `link`.
    pub fn new(link: Link) -> io::Result<Sealer> {
        Ok(Sealer { link, zstd: zstd::bulk::Compressor::new(ZSTD_LEVEL)? })
    }

    /// Where the next frame goes.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The bytes of a frame of type `kind` around `raw`, which is at most [`MAX_RAW_LEN`] long.
    ///
    /// The type is a number and not a [`FrameKind`], so that tests can make frames that no version defines.
    ///
    /// # Errors
    /// When `raw` is too long or zstd fails; the sealer is then as before.
    pub fn seal(&mut self, kind: u8, first: Moment, raw: &[u8]) -> io::Result<Vec<u8>> {
        let raw_len = u32::try_from(raw.len()).ok().filter(|&len| len <= MAX_RAW_LEN);
        let raw_len = raw_len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "frame payload too long"))?;
        let packed = self.zstd.compress(raw)?;
        let (flags, payload) = if packed.len() < raw.len() { (0, &packed[..]) } else { (FLAG_STORED, raw) };
        let mut frame = Vec::with_capacity(FRAME_HEADER_LEN + payload.len());
        frame.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
        frame.extend_from_slice(&[kind, flags, 0, 0]);
        frame.extend_from_slice(&self.link.seq.to_le_bytes());
        frame.extend_from_slice(&first.0.to_le_bytes());
        frame.extend_from_slice(&raw_len.to_le_bytes());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(&self.link.head);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&frame), payload);
        frame.extend_from_slice(&crc.to_le_bytes());
        frame.extend_from_slice(payload);
        self.link = self.link.after(&frame);
        Ok(frame)
    }
}

/// The fields of a frame header, not yet believed.
#[derive(Clone, Debug)]
pub(super) struct FrameHeader {
    /// Type number.
    pub kind: u8,
    /// Flag bits.
    pub flags: u8,
    reserved: u16,
    seq: u64,
    /// Moment of the first record.
    pub first: Moment,
    /// Payload bytes after decompression.
    pub raw_len: u32,
    /// Payload bytes in the file.
    pub len: u32,
    prev: Hash,
    crc: u32,
}

impl FrameHeader {
    /// Reads the fields and checks those that say how much to read next: the magic number and the lengths.
    pub fn parse(bytes: &[u8; FRAME_HEADER_LEN]) -> Result<FrameHeader, DamageKind> {
        let found = u32::from_le_bytes(field(bytes, 0));
        if found != FRAME_MAGIC {
            return Err(DamageKind::FrameMagic { found });
        }
        let [kind, flags, r0, r1] = field(bytes, 4);
        let header = FrameHeader {
            kind,
            flags,
            reserved: u16::from_le_bytes([r0, r1]),
            seq: u64::from_le_bytes(field(bytes, 8)),
            first: Moment(u64::from_le_bytes(field(bytes, 16))),
            raw_len: u32::from_le_bytes(field(bytes, 24)),
            len: u32::from_le_bytes(field(bytes, 28)),
            prev: field(bytes, 32),
            crc: u32::from_le_bytes(field(bytes, FRAME_CRC_OFFSET)),
        };
        let (raw_len, len, max) = (header.raw_len.into(), header.len.into(), MAX_RAW_LEN.into());
        if raw_len > max {
            return Err(DamageKind::Length { field: "raw_len", value: raw_len, max });
        }
        if len > raw_len {
            return Err(DamageKind::Length { field: "len", value: len, max: raw_len });
        }
        Ok(header)
    }
}

fn field<const N: usize>(bytes: &[u8; FRAME_HEADER_LEN], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("every field lies inside the header")
}

/// A frame whose checksum and chain hold.
pub(super) struct Frame {
    header: FrameHeader,
    bytes: Vec<u8>,
    offset: u64,
    seq: u64,
}

impl Frame {
    /// Believes `bytes` (a whole frame with header `header`) if they continue `link`; also gives the next link.
    pub fn check(header: FrameHeader, bytes: Vec<u8>, link: &Link) -> Result<(Frame, Link), DamageKind> {
        let payload = bytes.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let computed = crc32c::crc32c_append(crc32c::crc32c(&bytes[..FRAME_CRC_OFFSET]), payload);
        if computed != header.crc {
            return Err(DamageKind::Checksum { stored: header.crc, computed });
        }
        if header.seq != link.seq {
            return Err(DamageKind::Sequence { expected: link.seq, found: header.seq });
        }
        if header.prev != link.head {
            return Err(DamageKind::Chain);
        }
        let is_stored = header.flags == FLAG_STORED;
        if (header.flags != 0 && !is_stored) || header.reserved != 0 {
            return Err(DamageKind::Flags { flags: header.flags, reserved: header.reserved });
        }
        if is_stored && header.len != header.raw_len {
            let (value, max) = (header.len.into(), header.raw_len.into());
            return Err(DamageKind::Length { field: "len", value, max });
        }
        let next = link.after(&bytes);
        Ok((Frame { header, bytes, offset: link.offset, seq: link.seq }, next))
    }

    /// The frame's type, if format 1 defines it, or else its number.
    pub fn kind(&self) -> Result<FrameKind, u8> {
        FrameKind::from_code(self.header.kind).ok_or(self.header.kind)
    }

    /// Moment of the first record.
    pub fn first(&self) -> Moment {
        self.header.first
    }

    /// Payload bytes after decompression.
    pub fn raw_len(&self) -> u32 {
        self.header.raw_len
    }

    /// Byte offset of the frame in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sequence number of the frame.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The payload, decompressed to exactly the length that the header states.
    pub fn payload(&self) -> Result<Vec<u8>, DamageKind> {
        let stored = self.bytes.get(FRAME_HEADER_LEN..).unwrap_or_default();
        if self.header.flags == FLAG_STORED {
            return Ok(stored.to_vec());
        }
        let raw_len = self.header.raw_len;
        match zstd::bulk::decompress(stored, raw_len as usize) {
            Ok(raw) if raw.len() == raw_len as usize => Ok(raw),
            _ => Err(DamageKind::Compression { raw_len }),
        }
    }
}
