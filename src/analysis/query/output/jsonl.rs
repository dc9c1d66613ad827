//! A JSON object a line. Addresses are text in hex: many readers of JSON keep only 53 bits of a number.

use super::each_row;
use crate::analysis::query::{Answer, Cell, Error};
use serde_json::Value;
use std::io::Write;

pub fn write(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    each_row(answer, |columns, row| line(out, columns.iter().map(String::as_str).zip(row.into_iter().map(value))))
}

/// Writes an object, its members in this order.
pub fn line<'a>(out: &mut impl Write, members: impl Iterator<Item = (&'a str, Value)>) -> Result<(), Error> {
    for (at, (name, value)) in members.enumerate() {
        let mark = if at == 0 { "{" } else { "," };
        write!(out, "{mark}{}:{value}", Value::from(name))?;
    }
    Ok(out.write_all(b"}\n")?)
}

/// A value in JSON; what JSON has no number for is null.
pub fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::U(n) => n.into(),
        Cell::Address(n) => format!("{n:#x}").into(),
        Cell::I(n) => n.into(),
        Cell::F(n) => n.into(),
        Cell::Bool(b) => b.into(),
        Cell::Text(text) => text.into(),
    }
}
