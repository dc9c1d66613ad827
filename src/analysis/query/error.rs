//! What is wrong with a question, as a sentence with the place in its text.

use crate::analysis::tables;
use polars::error::PolarsError;

/// A place in the text of a query, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Character in the line.
    pub column: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            1 => write!(f, "column {}", self.column),
            line => write!(f, "line {line}, column {}", self.column),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error("the query is no SQL that is understood: {0}")]
    Syntax(String),
    #[error("the query is empty")]
    Empty,
    #[error("only a SELECT can be asked, and one at a time")]
    NotOneSelect,
    #[error("{at}there is no table {name:?}{meant}; the tables are {known}", at = before(*at), meant = meant(nearest.as_deref()))]
    NoTable { name: String, at: Option<Place>, nearest: Option<String>, known: String },
    #[error("table {table} is not made yet; make it with: reenact run RECORDING {plugin}")]
    NotMade { table: String, plugin: &'static str },
    #[error("{at}there is no column {name:?}{meant}; the columns are {known}", at = before(*at), meant = meant(nearest.as_deref()))]
    NoColumn { name: String, at: Option<Place>, nearest: Option<String>, known: String },
    #[error("{at}there is no function {name:?}{meant}", at = before(*at), meant = meant(nearest.as_deref()))]
    NoFunction { name: String, at: Option<Place>, nearest: Option<String> },
    #[error("function {name} cannot be used in a subquery of WHERE; use it in a WITH query instead")]
    FunctionInside { name: String },
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Tables(#[from] tables::Error),
    #[error("cannot write the result")]
    Output(#[from] std::io::Error),
    #[error("{0}")]
    Shape(String),
}

fn before(place: Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!("{place}: "))
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Error {
        // Plans are printed under the message; they tell a user nothing.
        let said = error.to_string();
        let said = said.split("\n\nResolved plan until failure").next().unwrap_or_default();
        Error::Refused(said.trim().to_owned())
    }
}
