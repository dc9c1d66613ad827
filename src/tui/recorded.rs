//! The tables of a recording's index as rows for the screen.

use super::filter::{accepts, sql};
use super::lanes::{Lane, Stretch};
use super::rows::{Cell, Column, LANES, Page, Question, Rows, Source, TableInfo};
use crate::analysis::query::{self, Tables};
use reenact_plugin::Kind;
use std::cell::RefCell;

/// Opens the tables as they are now.
pub type Open = Box<dyn Fn() -> Result<Tables, String> + Send>;

/// The tables of one recording.
pub struct Recorded {
    open: Open,
    tables: RefCell<Option<Tables>>,
    /// The last SQL query and what it gave, which is scrolled through without being asked again.
    answer: RefCell<Option<(String, Answer)>>,
}

struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Rows of an SQL answer that are kept.
const MOST_ROWS: u64 = 100_000;
/// Instructions of a row of table `activity`.
const ACTIVITY: u64 = 1 << 16;
/// Rows of it that are read one by one; of more the sums are asked for.
const FEW_ROWS: u64 = 4096;
/// Up to so many of them system calls and interrupts are placed by their own Moments.
const VERY_FEW_ROWS: u64 = 64;

impl Recorded {
    /// Tables that are opened when they are asked for.
    pub fn new(open: Open) -> Recorded {
        Recorded { open, tables: RefCell::default(), answer: RefCell::default() }
    }

    fn with<T>(&self, ask: impl FnOnce(&Tables) -> Result<T, String>) -> Result<T, String> {
        let mut tables = self.tables.borrow_mut();
        if tables.is_none() {
            *tables = Some((self.open)()?);
        }
        ask(tables.as_ref().expect("they were opened just now"))
    }

    /// Rows of the answer to an SQL query, filtered and sorted here.
    fn of_sql(&self, text: &str, question: &Question) -> Result<Page, String> {
        let mut answer = self.answer.borrow_mut();
        if answer.as_ref().is_none_or(|(asked, _)| asked != text) {
            *answer = Some((text.to_owned(), self.with(|tables| ask(tables, text))?));
        }
        let (_, answer) = answer.as_ref().expect("it was asked just now");
        let mut rows: Vec<&Vec<Cell>> =
            answer.rows.iter().filter(|row| accepts(&question.conditions, &answer.columns, row)).collect();
        if let Some((name, is_descending)) = &question.sort
            && let Some(column) = answer.columns.iter().position(|column| column.name == *name)
        {
            rows.sort_by(|a, b| order(a.get(column), b.get(column)));
            if *is_descending {
                rows.reverse();
            }
        }
        let first = question.rows.start;
        let count = question.rows.end.saturating_sub(first) as usize;
        let rows = rows.into_iter().skip(first as usize).take(count).cloned().collect();
        Ok(Page { columns: answer.columns.clone(), first, rows })
    }
}

fn ask(tables: &Tables, text: &str) -> Result<Answer, String> {
    let answer = tables.sql(text).map_err(|e| e.to_string())?;
    let page = answer.first(MOST_ROWS).map_err(|e| e.to_string())?;
    let rows: Vec<Vec<Cell>> = page.rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
    let is_number = |i: usize| {
        let mut values = rows.iter().filter_map(|row| row.get(i)).filter(|cell| **cell != Cell::Null);
        values.next().is_some_and(|cell| matches!(cell, Cell::U(_) | Cell::I(_) | Cell::F(_) | Cell::Address(_)))
    };
    let column = |(i, name): (usize, String)| Column { name, about: String::new(), is_number: is_number(i) };
    Ok(Answer { columns: page.columns.into_iter().enumerate().map(column).collect(), rows })
}

fn order(a: Option<&Cell>, b: Option<&Cell>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(Cell::F(a)), Some(Cell::F(b))) => a.total_cmp(b),
        (Some(a), Some(b)) => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.to_string().cmp(&b.to_string()),
        },
        _ => std::cmp::Ordering::Equal,
    }
}

impl From<query::Cell> for Cell {
    fn from(cell: query::Cell) -> Cell {
        match cell {
            query::Cell::Null => Cell::Null,
            query::Cell::U(n) => Cell::U(n),
            query::Cell::Address(n) => Cell::Address(n),
            query::Cell::I(n) => Cell::I(n),
            query::Cell::F(n) => Cell::F(n),
            query::Cell::Bool(b) => Cell::Bool(b),
            query::Cell::Text(text) => Cell::Text(text),
        }
    }
}

fn info(table: &query::TableInfo) -> TableInfo {
    let column = |column: &query::ColumnInfo| Column {
        name: column.name.clone(),
        about: column.about.to_owned(),
        is_number: !matches!(column.kind, Kind::Bool | Kind::Text | Kind::Name),
    };
    TableInfo {
        name: table.name.clone(),
        about: table.about.to_owned(),
        columns: table.columns.iter().map(column).collect(),
        rows: table.rows(),
    }
}

impl Rows for Recorded {
    fn tables(&self) -> Result<Vec<TableInfo>, String> {
        // They may have been made since.
        self.tables.take();
        self.answer.take();
        let all: Vec<TableInfo> = self.with(|tables| Ok(tables.all().map(info).collect()))?;
        match all.is_empty() {
            true => Err("there are no tables yet; M makes them, which replays the recording once".to_owned()),
            false => Ok(all),
        }
    }

    fn page(&self, question: &Question) -> Result<Page, String> {
        let name = match &question.source {
            Source::Sql(text) => return self.of_sql(text, question),
            Source::Table(name) => name,
        };
        self.with(|tables| {
            let columns = info(tables.table(name).map_err(|e| e.to_string())?).columns;
            let filter = sql(&question.conditions, &columns);
            let sort = question.sort.as_ref().map(|(column, is_descending)| {
                format!("\"{}\"{}", column.replace('"', ""), if *is_descending { " DESC" } else { "" })
            });
            let page = tables.rows(name, question.rows.clone(), &[], filter.as_deref(), sort.as_deref());
            let page = page.map_err(|e| e.to_string())?;
            let rows = page.rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
            Ok(Page { columns, first: question.rows.start, rows })
        })
    }

    fn count(&self, question: &Question) -> Result<u64, String> {
        match &question.source {
            Source::Sql(text) => {
                let all = Question { rows: 0..MOST_ROWS, ..question.clone() };
                Ok(self.of_sql(text, &all)?.rows.len() as u64)
            }
            Source::Table(name) => self.with(|tables| {
                let columns = info(tables.table(name).map_err(|e| e.to_string())?).columns;
                let filter = sql(&question.conditions, &columns);
                tables.count(name, filter.as_deref()).map_err(|e| e.to_string())
            }),
        }
    }

    fn lanes(&self, stretch: Stretch) -> Result<Vec<Lane>, String> {
        self.with(|tables| lanes(tables, stretch).map_err(|e| e.to_string()))
    }
}

const COUNTS: &str = "kernel_instructions, user_instructions, syscalls, interrupts";

fn lanes(tables: &Tables, stretch: Stretch) -> Result<Vec<Lane>, query::Error> {
    let mut lanes = LANES.map(|name| Lane { name, counts: vec![0; stretch.columns] });
    let length = stretch.to - stretch.from;
    let first = stretch.from / ACTIVITY * ACTIVITY;
    let inside = format!("moment >= {first} AND moment < {}", stretch.to);
    let number = |row: &[query::Cell], i: usize| match row.get(i) {
        Some(query::Cell::U(n)) => *n,
        Some(query::Cell::I(n)) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    if length / ACTIVITY > FEW_ROWS {
        let width = (length as f64 / stretch.columns.max(1) as f64).max(1.0);
        let sums = COUNTS.split(", ").map(|name| format!("SUM({name}) AS {name}")).collect::<Vec<_>>().join(", ");
        let column = format!("CAST((moment - {first}) / {width:.3} AS BIGINT)");
        let sql = format!("SELECT {column} AS part, {sums} FROM activity WHERE {inside} GROUP BY part");
        for row in tables.sql(&sql)?.page()?.rows {
            let column = number(&row, 0) as usize;
            for (i, lane) in lanes.iter_mut().enumerate() {
                if let Some(count) = lane.counts.get_mut(column) {
                    *count += number(&row, i + 1);
                }
            }
        }
        return Ok(lanes.into());
    }
    for row in tables.sql(&format!("SELECT moment, {COUNTS} FROM activity WHERE {inside}"))?.page()?.rows {
        let from = number(&row, 0);
        for (i, lane) in lanes.iter_mut().enumerate() {
            spread(lane, &stretch, from, number(&row, i + 1));
        }
    }
    if length / ACTIVITY <= VERY_FEW_ROWS {
        for name in ["syscalls", "interrupts"] {
            let Some(lane) = lanes.iter_mut().find(|lane| lane.name == name) else { continue };
            lane.counts.fill(0);
            let sql = format!("SELECT moment FROM {name} WHERE moment >= {} AND moment < {}", stretch.from, stretch.to);
            for row in tables.sql(&sql)?.page()?.rows {
                lane.add(&stretch, number(&row, 0));
            }
        }
    }
    Ok(lanes.into())
}

/// Spreads what happened in a row of `activity` evenly over the columns that it is in.
fn spread(lane: &mut Lane, stretch: &Stretch, from: u64, count: u64) {
    let (start, end) = (from.max(stretch.from), (from + ACTIVITY).min(stretch.to));
    let (Some(first), Some(last)) = (stretch.column(start), stretch.column(end.saturating_sub(1))) else { return };
    if count == 0 || start >= end {
        return;
    }
    for column in first..=last {
        let (a, b) = (stretch.moment(column).max(start), stretch.moment(column + 1).min(end));
        let part = u128::from(count) * u128::from(b.saturating_sub(a)) / u128::from(ACTIVITY);
        if let Some(sum) = lane.counts.get_mut(column) {
            // Something in a column is never shown as nothing.
            *sum += (part as u64).max(u64::from(b > a));
        }
    }
}
