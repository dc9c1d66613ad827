//! A part: one Parquet file with some of a table's rows, in the order of their Moments.

use super::columns::Columns;
use super::encode::Packing;
use super::sync::Syncer;
use super::{Error, encode};
use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader, Series};
use polars_parquet::write::{FileWriter, KeyValue, schema_to_metadata_key};
use reenact_plugin::{Table, Value};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A part that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its file in the table's folder.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// The Moment of the first.
    pub first: u64,
    /// The Moment of the last.
    pub last: u64,
    /// Its length.
    pub bytes: u64,
}

/// A part that is being written.
pub struct PartWriter {
    path: PathBuf,
    writer: FileWriter<File>,
    about: Vec<(String, String)>,
    rows: u64,
    first: u64,
    last: u64,
    taken: usize,
}

impl PartWriter {
    /// Makes the file. `about` goes into its footer.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(
        path: PathBuf,
        table: &Table,
        about: &[(String, String)],
        packing: Packing,
    ) -> Result<PartWriter, Error> {
        let file = File::create_new(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        let writer = FileWriter::try_new(file, encode::schema(table), encode::options(packing))
            .map_err(|source| Error::Encode { path: path.clone(), source })?;
        Ok(PartWriter { path, writer, about: about.to_vec(), rows: 0, first: 0, last: 0, taken: 0 })
    }
    /// Bytes of memory that its rows took.
    pub fn taken(&self) -> usize {
        self.taken
    }
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes rows as a row group; they are in order, and behind those written before.
    ///
    /// # Errors
    /// The disk.
    pub fn write(&mut self, rows: &Columns) -> Result<(), Error> {
        let (Some(first), Some(last)) = (rows.moments().first(), rows.moments().last()) else { return Ok(()) };
        if self.rows == 0 {
            self.first = *first;
        }
        self.last = *last;
        self.rows += rows.rows() as u64;
        self.taken += rows.memory();
        let types = self.writer.parquet_schema().fields().to_vec();
        encode::row_group(rows, &types, self.writer.options())
            .and_then(|group| self.writer.write(rows.rows() as u64, group))
            .map_err(|source| Error::Encode { path: self.path.clone(), source })
    }

    /// Writes rows as row groups of at most so many.
    ///
    /// # Errors
    /// The disk.
    pub fn write_groups(&mut self, rows: &Columns, most: usize) -> Result<(), Error> {
        if rows.rows() <= most {
            return self.write(rows);
        }
        for from in (0..rows.rows()).step_by(most) {
            let group: Vec<usize> = (from..rows.rows().min(from + most)).collect();
            self.write(&rows.taken(&group))?;
        }
        Ok(())
    }

    /// Writes the footer, and gives the file to `syncer`.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(mut self, syncer: &Syncer) -> Result<Part, Error> {
        let mut about = vec![schema_to_metadata_key(self.writer.schema())];
        about.extend(self.about.iter().map(|(k, v)| KeyValue { key: k.clone(), value: Some(v.clone()) }));
        let bytes = self.writer.end(Some(about)).map_err(|source| Error::Encode { path: self.path.clone(), source })?;
        let file = self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        syncer.take(self.path, self.writer.into_inner());
        Ok(Part { file, rows: self.rows, first: self.first, last: self.last, bytes })
    }
}

/// Reads a part back.
///
/// # Errors
/// It cannot be read, or is no part of this table.
pub fn read(path: &Path, table: &Table) -> Result<Columns, Error> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let frame = ParquetReader::new(file).finish();
    let frame = frame.map_err(|source| Error::Decode { path: path.to_path_buf(), source })?;
    rows_of(&frame, table).map_err(|source| Error::Decode { path: path.to_path_buf(), source })
}

fn rows_of(frame: &DataFrame, table: &Table) -> polars::error::PolarsResult<Columns> {
    let columns: Vec<Series> = frame.columns().iter().map(|c| c.as_materialized_series().rechunk()).collect();
    let mut rows = Columns::new(*table);
    for at in 0..frame.height() {
        let row: Vec<Value<'_>> = columns.iter().map(|c| value(c, at)).collect::<Result<_, _>>()?;
        rows.push(&row).map_err(polars::error::to_compute_err)?;
    }
    rows.settle();
    Ok(rows)
}

fn value(column: &Series, at: usize) -> polars::error::PolarsResult<Value<'_>> {
    Ok(match column.dtype() {
        DataType::UInt64 => column.u64()?.get(at).map_or(Value::Null, Value::U),
        DataType::UInt32 => column.u32()?.get(at).into(),
        DataType::UInt8 => column.u8()?.get(at).map(u64::from).into(),
        DataType::Int64 => column.i64()?.get(at).into(),
        DataType::Int32 => column.i32()?.get(at).map(i64::from).into(),
        DataType::Boolean => column.bool()?.get(at).into(),
        _ => column.str()?.get(at).into(),
    })
}
