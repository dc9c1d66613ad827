//! A JSON object a line. Addresses are text in hex: many readers of JSON keep only 53 bits of a number.

use super::each_row;
use crate::analysis::query::{Answer, Cell, Error};
use serde_json::{Map, Value};
use std::io::Write;

pub fn write(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    each_row(answer, |columns, row| {
        let object: Map<String, Value> = columns.iter().cloned().zip(row.into_iter().map(value)).collect();
        line(out, &object)
    })
}

/// Writes an object.
pub fn line(out: &mut impl Write, object: &Map<String, Value>) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, object).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
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
