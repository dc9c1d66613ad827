//! A sink that keeps rows in memory, in the order of their Moments: for tests, and for rows that are only printed.

use super::sink::{Failure, RowSink, Sink};
use reenact_plugin::{Kind, Rows, Table, Value};
use serde_json::json;
use std::sync::Mutex;

/// A value that owns its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// Null.
    Null,
    /// Unsigned.
    U(u64),
    /// Signed.
    I(i64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Owned {
        match value {
            Value::Null => Owned::Null,
            Value::U(v) => Owned::U(v),
            Value::I(v) => Owned::I(v),
            Value::Bool(v) => Owned::Bool(v),
            Value::Text(v) => Owned::Text(v.to_owned()),
        }
    }
}

/// A row, and the number of its table.
pub type Row = (usize, Vec<Owned>);

/// Rows of several tables.
pub struct Collected {
    tables: Vec<Table>,
    /// By slice; those that are joined come last. A table is in one of the two only.
    rows: Mutex<Vec<(usize, Vec<Row>)>>,
}

impl Collected {
    /// For the tables of a run, in their order.
    pub fn new(tables: &[Table]) -> Collected {
        Collected { tables: tables.to_vec(), rows: Mutex::default() }
    }
    /// The rows of a table, in the order of their Moments.
    ///
    /// # Panics
    /// When a row has more or fewer values than its table has columns, or a value is of another kind: the analysis is wrong.
    pub fn rows(&self, table: usize) -> Vec<Vec<Owned>> {
        let mut parts = self.rows.lock().expect("no holder panics").clone();
        parts.sort_by_key(|(slice, _)| *slice);
        let rows = parts.into_iter().flat_map(|(_, rows)| rows).filter(|(number, _)| *number == table);
        let mut rows: Vec<Vec<Owned>> = rows.map(|(_, row)| row).collect();
        rows.iter().for_each(|row| check(&self.tables[table], row));
        rows.sort_by_key(|row| match row.first() {
            Some(Owned::U(moment)) => *moment,
            _ => u64::MAX,
        });
        rows
    }
    /// All rows as JSON, table by table, with the table's name in `table`. Addresses are text in hex.
    pub fn json_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.tables.iter().enumerate().flat_map(|(number, table)| {
            self.rows(number).into_iter().map(move |row| {
                let columns = table.columns.iter().zip(&row).map(|(c, v)| (c.name.to_owned(), json(c.kind, v)));
                let name = ("table".to_owned(), json!(table.name));
                serde_json::Value::Object(std::iter::once(name).chain(columns).collect()).to_string()
            })
        })
    }
}

fn json(kind: Kind, value: &Owned) -> serde_json::Value {
    match value {
        Owned::Null => serde_json::Value::Null,
        Owned::U(v) if kind == Kind::Address => json!(format!("{v:#x}")),
        Owned::U(v) => json!(v),
        Owned::I(v) => json!(v),
        Owned::Bool(v) => json!(v),
        Owned::Text(v) => json!(v),
    }
}

fn check(table: &Table, row: &[Owned]) {
    assert_eq!(row.len(), table.columns.len(), "values of a row of table {}", table.name);
    for (i, (column, value)) in table.columns.iter().zip(row).enumerate() {
        let fits = match (column.kind, value) {
            (_, Owned::Null) => i > 0,
            (Kind::Moment | Kind::Address | Kind::U64, Owned::U(_)) | (Kind::I64, Owned::I(_)) => true,
            (Kind::U32, Owned::U(v)) => u32::try_from(*v).is_ok(),
            (Kind::U8, Owned::U(v)) => u8::try_from(*v).is_ok(),
            (Kind::I32, Owned::I(v)) => i32::try_from(*v).is_ok(),
            (Kind::Bool, Owned::Bool(_)) | (Kind::Text | Kind::Name, Owned::Text(_)) => true,
            _ => false,
        };
        assert!(fits, "{value:?} in column {} of table {}, which is {:?}", column.name, table.name, column.kind);
    }
}

impl Sink for Collected {
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a> {
        Box::new(Part { of: self, slice: usize::MAX, rows: Vec::new() })
    }
    fn slice<'a>(&'a self, number: usize, _: u64, _: u64) -> Box<dyn RowSink + 'a> {
        Box::new(Part { of: self, slice: number, rows: Vec::new() })
    }
}

struct Part<'a> {
    of: &'a Collected,
    slice: usize,
    rows: Vec<Row>,
}

impl Rows for Part<'_> {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        self.rows.push((table, row.iter().map(|&v| v.into()).collect()));
    }
}

impl RowSink for Part<'_> {
    fn failed(&self) -> bool {
        false
    }
    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.of.rows.lock().expect("no holder panics").push((self.slice, self.rows));
        Ok(())
    }
}
