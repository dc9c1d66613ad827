//! What goes wrong with tables.

use super::columns::Misfit;
use std::io;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error("{path}: cannot write the table", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{path}: cannot make the folder for tables; they are kept beside the recording, so copy it where you may write", path = path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{path}: cannot read the table; delete the folder and ask again to have it made anew", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: cannot write the table; is the disk full?", path = path.display())]
    Encode { path: PathBuf, source: polars::error::PolarsError },
    #[error("{path}: the table is damaged; delete its folder and ask again to have it made anew", path = path.display())]
    Decode { path: PathBuf, source: polars::error::PolarsError },
    #[error("a plugin made a row that its table cannot hold; this is a mistake in the plugin")]
    Row(#[from] Misfit),
    #[error(
        "table {table:?}: more than {limit} rows are not of the part of the recording that their plugin saw; this is a mistake in the plugin"
    )]
    Strays { table: &'static str, limit: usize },
}
