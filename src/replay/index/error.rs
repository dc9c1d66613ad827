//! What can go wrong with the index of a recording. None of it touches the recording: the index can always be built anew.

use std::io;
use std::path::PathBuf;

use crate::moment::Moment;

/// An index could not be opened, read or added to.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The folder or a file in it cannot be opened. The index can still be kept in memory.
    #[error("cannot open the index {path}; it can be deleted at any time and is then built anew")]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index is there and something else than a folder with files.
    #[error("{path} is not a regular file; move it away, and the index is built anew")]
    NotAFile {
        /// What stands in the way.
        path: PathBuf,
    },
    /// The host failed while the index was read.
    #[error("cannot read the index {path} at offset {offset}; delete the folder to have it built anew")]
    Read {
        /// The file.
        path: PathBuf,
        /// Offset of the record.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The host failed while the index was written anew.
    #[error("cannot write the index {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record is not what was written.
    #[error("the index {path} is damaged at offset {offset}: {what}; delete the folder to have it built anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset of the record.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A page that no slice brought.
    #[error("the index holds no page with the hash {hash}")]
    UnknownPage {
        /// In hexadecimal.
        hash: String,
    },
    /// A slice that is not there.
    #[error("the index has {count} slices, so there is none with the number {number}")]
    NoSlice {
        /// Asked for.
        number: usize,
        /// Slices there are.
        count: usize,
    },
    /// A slice that does not continue the last one.
    #[error("a slice from {from} to {to} cannot follow one that ends at {last}")]
    OutOfOrder {
        /// Its start.
        from: Moment,
        /// Its end.
        to: Moment,
        /// Where the last one ends.
        last: Moment,
    },
    /// A slice that cannot be written down.
    #[error("the slice up to {to} does not fit the index: {what}")]
    Misfit {
        /// Its end.
        to: Moment,
        /// What is wrong.
        what: &'static str,
    },
    /// The index already reaches the end of the recording.
    #[error("the index is complete and takes no more slices")]
    Complete,
}
