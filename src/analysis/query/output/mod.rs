//! Answers as files and on the terminal. Everything is written as it comes, batch after batch.

mod csv;
mod drcov;
mod jsonl;
mod table;
mod timesketch;

use super::page::cells;
use super::{Answer, Cell, Error};
use polars::prelude::ParquetWriter;
use std::io::Write;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned, for people; lines are at most this wide.
    Table(Option<usize>),
    /// RFC 4180.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Parquet.
    Parquet,
    /// Timesketch's JSONL.
    TimesketchJsonl,
    /// Timesketch's CSV.
    TimesketchCsv,
    /// drcov version 2, for the columns of the table `coverage`.
    Drcov,
}

/// Writes an answer. The number of its rows.
///
/// # Errors
/// What polars cannot compute, or the writer does not take.
pub fn write(answer: Answer, format: Format, out: &mut (impl Write + Send)) -> Result<u64, Error> {
    let written = match format {
        Format::Table(width) => table::write(answer, width, out),
        Format::Csv => csv::write(answer, out),
        Format::Jsonl => jsonl::write(answer, out),
        Format::Parquet => parquet(answer, out),
        Format::TimesketchJsonl => timesketch::jsonl(answer, out),
        Format::TimesketchCsv => timesketch::csv(answer, out),
        Format::Drcov => drcov::write(answer, out),
    }?;
    out.flush()?;
    Ok(written)
}

fn parquet(answer: Answer, out: &mut (impl Write + Send)) -> Result<u64, Error> {
    let mut writer = ParquetWriter::new(out).batched(&answer.schema)?;
    let mut rows = 0;
    answer.for_each(|mut batch| {
        batch.rechunk_mut();
        rows += batch.height() as u64;
        Ok(writer.write_batch(&batch)?)
    })?;
    writer.finish()?;
    Ok(rows)
}

/// Gives every row to `each`, with the names of the columns.
fn each_row(answer: Answer, mut each: impl FnMut(&[String], Vec<Cell>) -> Result<(), Error>) -> Result<u64, Error> {
    let columns = answer.columns();
    let addresses: Vec<bool> = columns.iter().map(|c| answer.is_address(c)).collect();
    let mut rows = 0;
    answer.for_each(|batch| {
        for row in cells(&batch, &addresses)? {
            rows += 1;
            each(&columns, row)?;
        }
        Ok(())
    })?;
    Ok(rows)
}

/// A value as text, without quotes.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::U(n) => n.to_string(),
        Cell::Address(n) => format!("{n:#x}"),
        Cell::I(n) => n.to_string(),
        Cell::F(n) => n.to_string(),
        Cell::Bool(b) => b.to_string(),
        Cell::Text(text) => text.clone(),
    }
}
