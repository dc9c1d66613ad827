//! Writes one table's rows of one source (a slice, or the join), which come nearly in the order of their Moments.
//!
//! ```text
//! push -> buffer -- half of it, sorted --> row group -> row group -> part
//!    `--> late: rows in front of what is already written; merged into their places when the table is put together
//! ```

use super::Error;
use super::columns::Columns;
use super::encode::Packing;
use super::part::{self, Part, PartWriter};
use super::sync::Syncer;
use reenact_plugin::{Table, Value};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// So many rows are followed by more: room is made for all that may wait, and what is there is not copied again and again.
const MANY: usize = 8192;

/// How much waits, and how large things get.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows that wait at most; a row group has half as many or as many.
    pub rows: usize,
    /// Bytes that they may take.
    pub bytes: usize,
    /// Row groups of a part.
    pub groups: usize,
    /// Rows that came late, at most.
    pub late: usize,
    /// How pages are compressed.
    pub packing: Packing,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { rows: 1 << 18, bytes: 48 << 20, groups: 4, late: 1 << 19, packing: Packing::default() }
    }
}

/// Where a source's parts go and what is in their footers.
#[derive(Clone)]
pub struct Target {
    /// The table.
    pub table: Table,
    /// The folder.
    pub folder: PathBuf,
    /// How the files' names begin; unlike those of other sources.
    pub name: String,
    /// For the footers.
    pub about: Vec<(String, String)>,
    /// Takes files that are whole.
    pub syncer: Syncer,
}

/// Writes the rows of one source.
pub struct Writer {
    target: Target,
    sizes: Sizes,
    /// The first Moment of the source.
    begin: u64,
    /// What a row's Moment may be if it comes in time.
    from: u64,
    to: u64,
    buffer: Columns,
    late: Columns,
    part: Option<PartWriter>,
    parts: Vec<Part>,
    named: usize,
}

/// What a source leaves.
pub struct Written {
    /// Whole parts, in order.
    pub parts: Vec<Part>,
    /// Rows behind them, in order.
    pub rest: Columns,
    /// Rows that belong in front, as they came.
    pub late: Columns,
}

impl Writer {
    /// For rows of these Moments, the last one included.
    pub fn new(target: Target, sizes: Sizes, from: u64, to: u64) -> Writer {
        let (buffer, late) = (Columns::new(target.table), Columns::new(target.table));
        Writer { target, sizes, begin: from, from, to, buffer, late, part: None, parts: Vec::new(), named: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It does not fit, or cannot be written.
    #[inline]
    pub fn push(&mut self, row: &[Value<'_>]) -> Result<(), Error> {
        if let Some(&Value::U(moment)) = row.first()
            && (moment < self.from || moment > self.to)
        {
            return self.push_late(row);
        }
        self.buffer.push(row)?;
        let rows = self.buffer.rows();
        // Bytes are only counted now and then.
        if rows.is_multiple_of(1024) {
            if rows == MANY {
                self.buffer.expect(self.sizes.rows);
            }
            if rows >= self.sizes.rows || self.buffer.memory() >= self.sizes.bytes {
                self.flush()?;
            }
        } else if rows >= self.sizes.rows {
            self.flush()?;
        }
        Ok(())
    }

    #[cold]
    fn push_late(&mut self, row: &[Value<'_>]) -> Result<(), Error> {
        self.late.push(row)?;
        if self.late.rows() > self.sizes.late {
            self.settle()?;
        }
        Ok(())
    }

    /// Puts late rows into the parts where they belong; what is left is not of this source.
    fn settle(&mut self) -> Result<(), Error> {
        if let Some(part) = self.part.take() {
            self.parts.push(part.finish(&self.target.syncer)?);
        }
        let late = std::mem::replace(&mut self.late, Columns::new(self.target.table)).sorted();
        let mut from = late.moments().partition_point(|&m| m < self.begin);
        let end = late.moments().partition_point(|&m| m <= self.to);
        self.late.append(&late, 0..from);
        for number in 0..self.parts.len() {
            let next = self.parts.get(number + 1).map(|part| part.first);
            let until = next.map_or(end, |next| late.moments().partition_point(|&m| m < next)).max(from);
            if from < until {
                self.merge(number, &late, from..until)?;
            }
            from = until;
        }
        self.late.append(&late, from..late.rows());
        match self.late.rows() * 2 > self.sizes.late {
            true => Err(Error::Strays { table: self.target.table.name, limit: self.sizes.late / 2 }),
            false => Ok(()),
        }
    }

    /// Writes a part anew with some late rows.
    fn merge(&mut self, number: usize, late: &Columns, which: Range<usize>) -> Result<(), Error> {
        let old = self.target.folder.join(&self.parts[number].file);
        let mut rows = part::read(&old, &self.target.table)?;
        rows.append(late, which);
        let rows = rows.sorted();
        let mut part = self.create()?;
        part.write_groups(&rows, self.sizes.rows)?;
        self.parts[number] = part.finish(&self.target.syncer)?;
        fs::remove_file(&old).map_err(|source| Error::Write { path: old, source })
    }

    fn create(&mut self) -> Result<PartWriter, Error> {
        let path = self.target.folder.join(format!("{}-{:05}.unfinished", self.target.name, self.named));
        self.named += 1;
        PartWriter::create(path, &self.target.table, &self.target.about, self.sizes.packing)
    }

    /// Writes what waits, or its first half where rows are out of order and more like that may follow.
    fn flush(&mut self) -> Result<(), Error> {
        let Some(order) = self.buffer.order() else {
            let mut all = std::mem::replace(&mut self.buffer, Columns::new(self.target.table));
            self.write(&all)?;
            // Its memory is used again.
            all.clear();
            self.buffer = all;
            return Ok(());
        };
        let (first, rest) = order.split_at(order.len().div_ceil(2));
        let (first, rest) = (self.buffer.taken(first), self.buffer.taken(rest));
        self.buffer = rest;
        self.write(&first)
    }

    fn write(&mut self, rows: &Columns) -> Result<(), Error> {
        let Some(&last) = rows.moments().last() else { return Ok(()) };
        let mut part = match self.part.take() {
            Some(part) => part,
            None => self.create()?,
        };
        part.write(rows)?;
        self.from = last;
        let is_full = part.rows() >= (self.sizes.groups * self.sizes.rows) as u64
            || part.taken() >= self.sizes.groups * self.sizes.bytes;
        if is_full {
            self.parts.push(part.finish(&self.target.syncer)?);
        } else {
            self.part = Some(part);
        }
        Ok(())
    }

    /// Ends it. With `keeps_rest`, the last rows stay in memory if no part of their own is open.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(mut self, keeps_rest: bool) -> Result<Written, Error> {
        let mut rest = std::mem::replace(&mut self.buffer, Columns::new(self.target.table)).sorted();
        if !keeps_rest || self.part.is_some() {
            self.write(&rest)?;
            rest = Columns::new(self.target.table);
        }
        if let Some(part) = self.part.take() {
            self.parts.push(part.finish(&self.target.syncer)?);
        }
        self.late.settle();
        Ok(Written { parts: self.parts, rest, late: self.late })
    }
}
