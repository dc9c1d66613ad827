//! What can go wrong with an evidence file. Every message names the file; damage also names the byte offset and frame.
//!
//! `Damage` is a finding about the bytes and ends a walk through the file; the frames before it stay good.
//! The other errors are about the host or about a file that this version must not interpret.

use std::io;
use std::path::PathBuf;

use crate::moment::Moment;

/// Result of the recording room.
pub type Result<T> = std::result::Result<T, Error>;

/// A recording could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened for reading.
    #[error("cannot open the recording {path}")]
    Open { path: PathBuf, source: io::Error },
    /// The host failed while the file was read.
    #[error("cannot read the recording {path} at offset {offset}")]
    Read { path: PathBuf, offset: u64, source: io::Error },
    /// The file does not begin as a recording does.
    #[error("{path} is not a recording: it does not start with the reenact signature")]
    NotARecording { path: PathBuf },
    /// The superblock is whole and names a later format.
    #[error(
        "{path}: recording format {found} is newer than this reenact understands ({known}); \
         read it with the reenact that wrote it or a later one"
    )]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    /// The superblock is whole and names a format that was never released.
    #[error("{path}: recording format {found} is not known to this reenact, which reads format {known}")]
    UnknownFormat { path: PathBuf, found: u32, known: u32 },
    /// A frame is whole, but its type does not belong to the format version of the file.
    #[error("{path}: frame {seq} at offset {offset} has type {kind}, which recording format 1 does not define")]
    UnknownFrame { path: PathBuf, offset: u64, seq: u64, kind: u8 },
    /// An Events frame is whole, but a record in it has a tag that does not belong to the format version.
    #[error(
        "{path}: frame {seq} at offset {offset} holds a record with tag {tag:#04x}, which recording format 1 does not define"
    )]
    UnknownRecord { path: PathBuf, offset: u64, seq: u64, tag: u8 },
    /// The bytes are not what a recorder wrote.
    #[error("{path} is damaged: {damage}")]
    Damaged { path: PathBuf, damage: Damage },

    /// The output name is taken and overwriting was not asked for.
    #[error("{path} already exists; choose another name with -o or give --force to replace it")]
    Exists { path: PathBuf },
    /// The output name is a directory, device or other thing that must not be replaced.
    #[error("{path} is not a regular file and will not be replaced; choose another name with -o")]
    NotAFile { path: PathBuf },
    /// The output path has no last component that could name a file.
    #[error("{path:?} does not name a file; give a name such as boot.reen")]
    NoFileName { path: PathBuf },
    /// The recording could not be brought to its final name.
    #[error("cannot create the recording {path}")]
    Create { path: PathBuf, source: io::Error },
    /// The host failed while the file was written (disk full, for one). The file opens up to its last whole frame.
    #[error("cannot write the recording {path} at offset {offset}; what was written before stays readable")]
    Write { path: PathBuf, offset: u64, source: io::Error },
    /// An earlier write failed, so nothing more is written.
    #[error("the recording {path} takes no more events because an earlier write failed")]
    WriterFailed { path: PathBuf },
    /// The recorder handed over an event from before the last one.
    #[error("{path}: an event at moment {at} cannot follow one at moment {last}")]
    OutOfOrder { path: PathBuf, at: Moment, last: Moment },
    /// One thing is larger than the format allows.
    #[error("{path}: {what} takes {len} bytes, and the recording format allows {max}")]
    TooLarge { path: PathBuf, what: &'static str, len: u64, max: u64 },
    /// Two images claim the same role, so a replay could not tell them apart.
    #[error("{path}: two images have the role {role}; each role can be filled once")]
    DuplicateImage { path: PathBuf, role: String },
    /// zstd refused to compress a payload.
    #[error("{path}: a frame could not be compressed")]
    Compress { path: PathBuf, source: io::Error },
}

/// Where the file stops being trustworthy, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {seq} at offset {offset}: {kind}")]
pub struct Damage {
    /// Byte offset of the frame (0 for the superblock). Everything before it is good.
    pub offset: u64,
    /// Sequence number that the frame has or should have.
    pub seq: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// The kinds of damage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The superblock's own checksum does not fit.
    #[error("the superblock does not match its checksum")]
    Superblock,
    /// The file ends inside the superblock or a frame.
    #[error("the file ends {missing} bytes too early")]
    Truncated { missing: u64 },
    /// No frame begins where one should.
    #[error("no frame begins here (found {found:#010x})")]
    FrameMagic { found: u32 },
    /// A length field exceeds what the format allows.
    #[error("the field {field} says {value}, and at most {max} is allowed")]
    Length { field: &'static str, value: u64, max: u64 },
    /// Header and payload do not match the frame's checksum.
    #[error("the checksum is {stored:#010x}, and the bytes give {computed:#010x}")]
    Checksum { stored: u32, computed: u32 },
    /// The frame does not continue the frame before it.
    #[error("the hash chain is broken: this frame does not follow the one before it")]
    Chain,
    /// A frame is missing, repeated or out of order.
    #[error("the sequence number is {found}, and {expected} was due")]
    Sequence { expected: u64, found: u64 },
    /// Flags or reserved bytes are set that format 1 does not define.
    #[error("undefined flags {flags:#04x} or reserved bytes {reserved:#06x} are set")]
    Flags { flags: u8, reserved: u16 },
    /// The payload does not decompress to the length that the frame states.
    #[error("the payload does not decompress to {raw_len} bytes")]
    Compression { raw_len: u32 },
    /// The payload is not an encoding of what the frame should hold.
    #[error("the payload is malformed: {0}")]
    Payload(&'static str),
    /// A frame of a known type stands where its type is not allowed.
    #[error("a frame of type {kind} is out of place here")]
    OutOfPlace { kind: u8 },
    /// Time runs backwards or the frame's first moment is not that of its first record.
    #[error("the moments are out of order: {found} after {last}")]
    Moments { last: Moment, found: Moment },
    /// The image's content does not match the hash in the header.
    #[error("the image {role} does not match its BLAKE3 hash in the header")]
    ImageHash { role: String },
    /// The file ends or events begin before every image is complete.
    #[error("the image {role} is incomplete: {missing} bytes are missing")]
    ImageIncomplete { role: String, missing: u64 },
    /// The End frame counts other events than the file holds.
    #[error("the closing frame counts other events than the file holds")]
    Counts,
    /// Bytes follow the End frame.
    #[error("bytes follow the closing frame")]
    AfterEnd,
}
