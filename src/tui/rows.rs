//! Rows of tables for who scrolls through them: what is asked, what comes back, and who answers.
//!
//! Only what is seen is asked for. The tables of a recording answer on a thread of their own, so that neither the screen nor
//! the session waits for them; only the last question counts.

use super::filter::Condition;
use super::lanes::{Lane, Stretch};
use crate::text::grouped;
use std::fmt;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it says.
    pub about: String,
    /// Its values are numbers.
    pub is_number: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// What a row is.
    pub about: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How many rows it has.
    pub rows: u64,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of their types")]
pub enum Cell {
    Null,
    U(u64),
    /// Shown in hex.
    Address(u64),
    I(i64),
    F(f64),
    Bool(bool),
    Text(String),
}

impl Cell {
    /// The whole number that it is.
    pub fn number(&self) -> Option<i128> {
        match self {
            Cell::U(n) | Cell::Address(n) => Some((*n).into()),
            Cell::I(n) => Some((*n).into()),
            _ => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::U(n) => write!(f, "{n}"),
            Cell::Address(n) => write!(f, "{n:#x}"),
            Cell::I(n) => write!(f, "{n}"),
            Cell::F(n) => write!(f, "{n:.3}"),
            Cell::Bool(b) => write!(f, "{b}"),
            Cell::Text(text) => f.write_str(text),
        }
    }
}

/// What rows are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A table.
    Table(String),
    /// The answer to an SQL query.
    Sql(String),
}

/// Which rows, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Of what.
    pub source: Source,
    /// All must be true.
    pub conditions: Vec<Condition>,
    /// By this column; true for the largest first. Else in the order of time.
    pub sort: Option<(String, bool)>,
    /// Which of those, by their numbers from 0.
    pub rows: Range<u64>,
}

/// Rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The columns.
    pub columns: Vec<Column>,
    /// The number of the first one.
    pub first: u64,
    /// The rows; fewer than asked for at the end.
    pub rows: Vec<Vec<Cell>>,
}

impl Page {
    /// A row by its number.
    pub fn row(&self, number: u64) -> Option<&Vec<Cell>> {
        self.rows.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The Moment of a row.
    pub fn moment(&self, number: u64) -> Option<u64> {
        let column = self.columns.iter().position(|column| column.name == "moment")?;
        match self.row(number)?.get(column)? {
            Cell::U(moment) => Some(*moment),
            _ => None,
        }
    }

    /// A value as people read it: Moments with their digits grouped.
    pub fn text(&self, row: &[Cell], column: usize) -> String {
        let is_moment = self.columns.get(column).is_some_and(|column| column.name == "moment");
        match row.get(column) {
            Some(Cell::U(moment)) if is_moment => grouped(*moment),
            Some(cell) => cell.to_string(),
            None => String::new(),
        }
    }
}

/// Who has rows. Errors are sentences.
pub trait Rows: Send {
    /// The tables that are there.
    ///
    /// # Errors
    /// Why there are none.
    fn tables(&self) -> Result<Vec<TableInfo>, String>;
    /// Some rows.
    ///
    /// # Errors
    /// What is wrong with the question.
    fn page(&self, question: &Question) -> Result<Page, String>;
    /// How many rows a question has in all.
    ///
    /// # Errors
    /// What is wrong with the question.
    fn count(&self, question: &Question) -> Result<u64, String>;
    /// How much happened in each column of a stretch, in lanes of [`LANES`].
    ///
    /// # Errors
    /// Why that is not known.
    fn lanes(&self, stretch: Stretch) -> Result<Vec<Lane>, String>;
}

/// The lanes of the time bar that tables know of.
pub const LANES: [&str; 4] = ["kernel", "user", "syscalls", "interrupts"];

/// What is asked of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Which there are.
    Tables,
    /// Rows.
    Page(Question),
    /// How many there are in all.
    Count(Question),
    /// What happened in a stretch.
    Lanes(Stretch),
}

/// What came back.
#[derive(Debug)]
pub enum Told {
    /// To [`Ask::Tables`].
    Tables(Vec<TableInfo>),
    /// To [`Ask::Page`].
    Page(Page),
    /// To [`Ask::Count`].
    Count(u64),
    /// To [`Ask::Lanes`].
    Lanes(Stretch, Vec<Lane>),
}

/// Answers a question.
///
/// # Errors
/// As the tables.
pub fn answer(rows: &dyn Rows, ask: &Ask) -> Result<Told, String> {
    match ask {
        Ask::Tables => rows.tables().map(Told::Tables),
        Ask::Page(question) => rows.page(question).map(Told::Page),
        Ask::Count(question) => rows.count(question).map(Told::Count),
        Ask::Lanes(stretch) => rows.lanes(*stretch).map(|lanes| Told::Lanes(*stretch, lanes)),
    }
}

/// Starts the thread that answers; `told` gets each answer with the number of its question. It ends when the sender of
/// questions is gone.
///
/// # Errors
/// When there is no thread.
pub fn serve(
    rows: Box<dyn Rows>,
    told: impl Fn(u64, Result<Told, String>) + Send + 'static,
) -> std::io::Result<Sender<(u64, Ask)>> {
    let (questions, inbox) = channel();
    let work = move || {
        while let Some(asked) = next(&inbox) {
            for (number, ask) in asked {
                told(number, answer(&*rows, &ask));
            }
        }
    };
    std::thread::Builder::new().name("tables".into()).spawn(work)?;
    Ok(questions)
}

/// Of the questions that wait, the last one of each kind: nobody wants the others any more.
fn next(inbox: &Receiver<(u64, Ask)>) -> Option<Vec<(u64, Ask)>> {
    let mut asked: Vec<(u64, Ask)> = std::iter::once(inbox.recv().ok()?).chain(inbox.try_iter()).collect();
    let kind = |(_, ask): &(u64, Ask)| std::mem::discriminant(ask);
    let kinds: Vec<_> = asked.iter().map(kind).collect();
    let mut at = 0;
    asked.retain(|question| {
        at += 1;
        !kinds[at..].contains(&kind(question))
    });
    Some(asked)
}

/// Why a build has no tables.
pub const NO_TABLES: &str = "this reenact was built without the feature \"query\", and has no tables";

/// In the place of tables, why there are none.
pub struct NoTables(pub String);

impl Rows for NoTables {
    fn tables(&self) -> Result<Vec<TableInfo>, String> {
        Err(self.0.clone())
    }
    fn page(&self, _: &Question) -> Result<Page, String> {
        Err(self.0.clone())
    }
    fn count(&self, _: &Question) -> Result<u64, String> {
        Err(self.0.clone())
    }
    fn lanes(&self, _: Stretch) -> Result<Vec<Lane>, String> {
        Err(self.0.clone())
    }
}
