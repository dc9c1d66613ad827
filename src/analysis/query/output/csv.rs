//! CSV as in RFC 4180: a line of names, quotes where they are needed, empty for null. Addresses are in hex.

use super::{each_row, plain};
use crate::analysis::query::{Answer, Error};
use std::io::Write;

pub fn write(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    line(out, answer.columns().iter().map(String::as_str))?;
    each_row(answer, |_, row| {
        let texts: Vec<String> = row.iter().map(plain).collect();
        Ok(line(out, texts.iter().map(String::as_str))?)
    })
}

/// Writes a line.
pub fn line<'a>(out: &mut impl Write, fields: impl Iterator<Item = &'a str>) -> std::io::Result<()> {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        if field.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", field.replace('"', "\"\""))?;
        } else {
            out.write_all(field.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}
