//! What can go wrong in a session: sentences with the value and what to do.

use crate::moment::Moment;
use crate::recording;
use crate::replay;
use crate::text;
use std::path::PathBuf;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error(transparent)]
    Recording(#[from] recording::Error),
    /// The replay.
    #[error(transparent)]
    Replay(#[from] replay::Error),
    /// No thread.
    #[error("cannot start a thread for the session: {0}")]
    Thread(#[source] std::io::Error),
    /// The session's thread has ended.
    #[error("the session has ended because of an error that was reported before; start reenact again")]
    Ended,
    /// The request was cancelled; the Position is what it was before.
    #[error("cancelled")]
    Cancelled,
    /// Not a place in time.
    #[error(
        "\"{0}\" is no place in this recording: write an instruction number, +N, -N, a percentage like 50%, seconds of guest time like 1.5s, end, or the name of a mark"
    )]
    NoDestination(String),
    /// Past the end.
    #[error("the recording ends at instruction {}; {} is past it", text::moment(*.end), text::moment(*.asked))]
    PastEnd {
        /// What was asked for.
        asked: Moment,
        /// The last Moment.
        end: Moment,
    },
    /// Before the start.
    #[error("the recording begins at instruction 0; {} instructions before {} is in front of it", text::grouped(*.back), text::moment(*.from))]
    BeforeStart {
        /// Instructions asked for.
        back: u64,
        /// Counted from here.
        from: Moment,
    },
    /// A name that marks cannot have.
    #[error("\"{0}\" cannot be the name of a mark: take a word that begins with a letter and is not \"end\"")]
    MarkName(String),
    /// Marks on disk.
    #[error("cannot {what} the marks in {}: {source}", .path.display())]
    Marks {
        /// Read or write.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An address without memory.
    #[error("no memory at {0}")]
    Unmapped(String),
    /// Nothing touched it.
    #[error("{0}")]
    NothingFound(String),
    /// The tables cannot be made.
    #[error("the tables cannot be made")]
    Tables(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The recorded program cannot be found.
    #[error("{0}")]
    Program(String),
}
