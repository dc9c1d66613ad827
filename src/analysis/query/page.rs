//! Pages of rows, for who scrolls through a table: only what is shown is read.

use super::{Answer, Error, TableInfo, Tables};
use polars::prelude::{AnyValue, DataFrame, Engine, IdxSize, col, len};
use std::ops::Range;

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of their types")]
pub enum Cell {
    Null,
    U(u64),
    /// An unsigned number that is shown in hex.
    Address(u64),
    I(i64),
    F(f64),
    Bool(bool),
    Text(String),
}

/// Rows of a table or of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Tables {
    /// Rows of a table by their numbers from 0, in the order of time; an empty list of columns means all. With `filter`, an SQL
    /// expression, the numbers are those of the rows for which it is true; with `sort`, as in ORDER BY, those in that order, for which
    /// everything has to be read. Without both only the row groups that hold the rows are read.
    ///
    /// # Errors
    /// An unknown table or column; a filter that is no expression.
    pub fn rows(
        &self,
        table: &str,
        rows: Range<u64>,
        columns: &[&str],
        filter: Option<&str>,
        sort: Option<&str>,
    ) -> Result<Page, Error> {
        let info = self.table(table)?;
        let answer = if filter.is_none() && sort.is_none() {
            self.slice(info, rows, columns)?
        } else {
            let limit = rows.end.saturating_sub(rows.start);
            let what = if columns.is_empty() { "*".to_owned() } else { quoted(columns) };
            let mut sql = format!("SELECT {what} FROM \"{table}\"");
            sql.extend(filter.map(|f| format!(" WHERE {f}")));
            sql.extend(sort.map(|s| format!(" ORDER BY {s}")));
            self.sql(&format!("{sql} LIMIT {limit} OFFSET {}", rows.start))?
        };
        answer.page()
    }

    /// How many rows of a table there are, for which `filter` is true if one is given.
    ///
    /// # Errors
    /// As for [`Tables::rows`].
    pub fn count(&self, table: &str, filter: Option<&str>) -> Result<u64, Error> {
        let info = self.table(table)?;
        let Some(filter) = filter else { return Ok(info.rows()) };
        let plan = self.sql(&format!("SELECT moment FROM \"{table}\" WHERE {filter}"))?.plan;
        let counted = plan.select([len()]).collect_with_engine(Engine::Streaming)?.unwrap_single();
        Ok(counted.columns().first().and_then(|c| c.get(0).ok()?.extract::<u64>()).unwrap_or(0))
    }

    fn slice(&self, info: &TableInfo, rows: Range<u64>, columns: &[&str]) -> Result<Answer, Error> {
        let parts = &info.manifest.parts;
        let mut first = 0;
        let mut before = 0;
        while first < parts.len() && before + parts[first].rows <= rows.start {
            before += parts[first].rows;
            first += 1;
        }
        let mut last = first;
        let mut reach = before;
        while last < parts.len() && reach < rows.end {
            reach += parts[last].rows;
            last += 1;
        }
        let count = rows.end.min(info.rows()).saturating_sub(rows.start);
        let offset = i64::try_from(rows.start - before.min(rows.start)).unwrap_or(i64::MAX);
        let mut plan = info.scan(parts.get(first..last).unwrap_or_default())?.slice(offset, count as IdxSize);
        if !columns.is_empty() {
            plan = plan.select(columns.iter().map(|&c| col(c)).collect::<Vec<_>>());
        }
        self.answer(plan, super::addresses(&[info]), info.name.clone(), Vec::new())
    }
}

fn quoted(columns: &[&str]) -> String {
    columns.iter().map(|c| format!("\"{}\"", c.replace('"', ""))).collect::<Vec<_>>().join(", ")
}

impl Answer {
    /// As [`Answer::page`], of the first rows only.
    ///
    /// # Errors
    /// What polars cannot do.
    pub fn first(mut self, rows: u64) -> Result<Page, Error> {
        self.plan = self.plan.limit(IdxSize::try_from(rows).unwrap_or(IdxSize::MAX));
        self.page()
    }
    /// Computes it as cells.
    ///
    /// # Errors
    /// What polars cannot do.
    pub fn page(self) -> Result<Page, Error> {
        let columns = self.columns();
        let addresses: Vec<bool> = columns.iter().map(|c| self.is_address(c)).collect();
        let rows = cells(&self.collect()?, &addresses)?;
        Ok(Page { columns, rows })
    }
}

/// The rows of a batch; `addresses` says which columns hold some.
pub fn cells(batch: &DataFrame, addresses: &[bool]) -> Result<Vec<Vec<Cell>>, Error> {
    let mut rows = vec![Vec::with_capacity(batch.width()); batch.height()];
    for (at, column) in batch.columns().iter().enumerate() {
        let is_address = addresses.get(at) == Some(&true);
        for (row, value) in rows.iter_mut().zip(column.as_materialized_series().rechunk().iter()) {
            row.push(match (cell(value), is_address) {
                (Cell::U(n), true) => Cell::Address(n),
                (cell, _) => cell,
            });
        }
    }
    Ok(rows)
}

fn cell(value: AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(b) => Cell::Bool(b),
        AnyValue::UInt64(n) => Cell::U(n),
        AnyValue::UInt32(n) => Cell::U(n.into()),
        AnyValue::UInt16(n) => Cell::U(n.into()),
        AnyValue::UInt8(n) => Cell::U(n.into()),
        AnyValue::Int64(n) => Cell::I(n),
        AnyValue::Int32(n) => Cell::I(n.into()),
        AnyValue::Int16(n) => Cell::I(n.into()),
        AnyValue::Int8(n) => Cell::I(n.into()),
        AnyValue::Float64(n) => Cell::F(n),
        AnyValue::Float32(n) => Cell::F(n.into()),
        AnyValue::String(text) => Cell::Text(text.to_owned()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string()),
        other => Cell::Text(other.to_string()),
    }
}
