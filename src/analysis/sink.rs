//! Where the rows of an analysis go: the seam between the host that runs plugins and whatever keeps tables.
//!
//! Tables are numbered over all plugins of a run, in the order of the plugins and of their `About::tables`.

use reenact_plugin::Rows;

/// What could not be kept, as a sentence with its causes.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Takes rows in order or slice by slice. A table is filled in one way only.
pub trait Sink: Sync {
    /// For the rows that are joined: by one thread, over the whole recording. Called once.
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a>;
    /// For the rows that are seen in one slice: number, first Moment and the Moment behind the last. Called once a slice, from many threads.
    fn slice<'a>(&'a self, number: usize, from: u64, to: u64) -> Box<dyn RowSink + 'a>;
}

/// Takes rows until it is finished. Trouble is kept until then; `failed` tells of it early.
pub trait RowSink: Rows + Send {
    /// Nothing more can be kept: there is no use in going on.
    fn failed(&self) -> bool;
    /// Keeps what is left.
    ///
    /// # Errors
    /// What could not be kept.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}
