//! A table for people: columns as wide as their first rows need, cut off with … where the terminal ends.

use super::{each_row, plain};
use crate::analysis::query::{Answer, Cell, Error};
use std::io::Write;

/// Rows that are looked at for the widths of the columns.
const LOOK: usize = 500;
/// The widest that a column gets where the terminal is too narrow for all.
const NARROW: usize = 12;

pub fn write(answer: Answer, width: Option<usize>, out: &mut impl Write) -> Result<u64, Error> {
    let mut shape: Option<Shape> = None;
    let mut waiting: Vec<Vec<Cell>> = Vec::new();
    let columns = answer.columns();
    let rows = each_row(answer, |columns, row| {
        if let Some(shape) = &shape {
            return Ok(shape.row(out, &row)?);
        }
        waiting.push(row);
        if waiting.len() == LOOK {
            shape = Some(begin(out, columns, &std::mem::take(&mut waiting), width)?);
        }
        Ok(())
    })?;
    if shape.is_none() {
        begin(out, &columns, &waiting, width)?;
    }
    Ok(rows)
}

fn begin(out: &mut impl Write, columns: &[String], rows: &[Vec<Cell>], width: Option<usize>) -> std::io::Result<Shape> {
    let shape = Shape::of(columns, rows, width);
    shape.line(out, columns, &vec![false; columns.len()])?;
    rows.iter().try_for_each(|row| shape.row(out, row))?;
    Ok(shape)
}

/// How wide each column is.
struct Shape {
    widths: Vec<usize>,
}

impl Shape {
    fn of(columns: &[String], rows: &[Vec<Cell>], width: Option<usize>) -> Shape {
        let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|c| count(&shown(c))).max().unwrap_or(0);
        let mut widths: Vec<usize> = columns.iter().enumerate().map(|(at, name)| count(name).max(widest(at))).collect();
        if let Some(width) = width {
            shrink(&mut widths, width);
        }
        Shape { widths }
    }
    fn row(&self, out: &mut impl Write, row: &[Cell]) -> std::io::Result<()> {
        let texts: Vec<String> = row.iter().map(shown).collect();
        let right: Vec<bool> = row.iter().map(|c| !matches!(c, Cell::Text(_) | Cell::Null | Cell::Bool(_))).collect();
        self.line(out, &texts, &right)
    }
    fn line(&self, out: &mut impl Write, texts: &[String], right: &[bool]) -> std::io::Result<()> {
        let mut line = String::new();
        for ((text, width), right) in texts.iter().zip(&self.widths).zip(right) {
            let text = cut(text, *width);
            let space = " ".repeat(width.saturating_sub(count(&text)));
            let (before, behind) = if *right { (space, String::new()) } else { (String::new(), space) };
            line = line + &before + &text + &behind + "  ";
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Takes from the widest columns until the line fits, or no column is wide.
fn shrink(widths: &mut [usize], width: usize) {
    let full = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    while full(widths) > width {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROW => *widest -= 1,
            _ => break,
        }
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        cell => printable(&plain(cell)),
    }
}

/// The guest's bytes must not steer the terminal, nor break the line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn count(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, width: usize) -> String {
    if count(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut_and_numbers_stand_to_the_right() {
        let columns = ["n".to_owned(), "path".to_owned(), "at".to_owned()];
        let row = |n, text: &str| vec![Cell::U(n), Cell::Text(text.to_owned()), Cell::Address(n)];
        let rows = [row(7, "/usr/lib/x86_64-linux-gnu/libc.so.6"), row(1234, "a\tb"), vec![Cell::Null; 3]];
        let mut out = Vec::new();
        begin(&mut out, &columns, &rows, Some(30)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "n     path               at\n   7  /usr/lib/x86_64-…    0x7\n1234  a\u{fffd}b                0x4d2\nNULL  NULL               NULL\n";
        assert_eq!(text.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
        assert!(text.lines().all(|l| l.chars().count() <= 30));
    }
}
