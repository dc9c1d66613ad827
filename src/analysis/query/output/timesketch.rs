//! Timesketch's import formats: a line an event with `message`, `datetime`, `timestamp` and `timestamp_desc`, and the columns.
//!
//! The date is that of the Moment: the recording's start and the guest time since. Rows without a Moment are refused.

use super::{each_row, jsonl, plain};
use crate::analysis::query::functions::{Functions, iso};
use crate::analysis::query::{Answer, Cell, Error};
use serde_json::Value;
use std::io::Write;

/// What Timesketch reads of every event.
const OWN: [&str; 4] = ["message", "datetime", "timestamp", "timestamp_desc"];

pub fn jsonl(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    let names: Vec<String> = answer.columns().iter().map(|name| own_name(name)).collect();
    events(answer, |_, event, row| {
        let [message, datetime, _, description] = event.fields().map(Value::from);
        let own = OWN.into_iter().zip([message, datetime, event.timestamp_us.into(), description]);
        jsonl::line(out, own.chain(names.iter().map(String::as_str).zip(row.into_iter().map(jsonl::value))))
    })
}

pub fn csv(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    let names: Vec<String> = answer.columns().iter().map(|name| own_name(name)).collect();
    super::csv::line(out, OWN.iter().copied().chain(names.iter().map(String::as_str)))?;
    events(answer, |_, event, row| {
        let fields: Vec<String> = event.fields().into_iter().chain(row.iter().map(plain)).collect();
        Ok(super::csv::line(out, fields.iter().map(String::as_str))?)
    })
}

/// A column that is called like one of Timesketch's gets a name beside it.
fn own_name(name: &str) -> String {
    if OWN.contains(&name) { format!("row_{name}") } else { name.to_owned() }
}

struct Event {
    message: String,
    datetime: String,
    timestamp_us: u64,
    description: String,
}

impl Event {
    fn fields(&self) -> [String; 4] {
        [self.message.clone(), self.datetime.clone(), self.timestamp_us.to_string(), self.description.clone()]
    }
    fn of(functions: &Functions, title: &str, moment: u64, columns: &[String], row: &[Cell]) -> Result<Event, Error> {
        let ns = functions.started_ns.saturating_add(functions.clock.get()?.at(moment));
        let told = columns.iter().zip(row).filter(|(name, cell)| **cell != Cell::Null && *name != "moment");
        let told: Vec<String> = told.map(|(name, cell)| format!("{name}={}", plain(cell))).collect();
        Ok(Event {
            message: format!("{title}: {}", told.join(" ")),
            datetime: iso(ns),
            timestamp_us: ns / 1000,
            description: format!("Guest {title}"),
        })
    }
}

fn events(
    answer: Answer,
    mut each: impl FnMut(&[String], Event, Vec<Cell>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let Some(at) = answer.columns().iter().position(|c| c == "moment") else {
        return Err(Error::Shape("a timeline needs the column \"moment\"; add it to the SELECT".to_owned()));
    };
    let (functions, title) = (answer.functions.clone(), answer.title.clone());
    each_row(answer, |columns, row| {
        let Some(Cell::U(moment)) = row.get(at) else {
            return Err(Error::Shape(
                "a row has no Moment; leave such rows out with WHERE moment IS NOT NULL".to_owned(),
            ));
        };
        each(columns, Event::of(&functions, &title, *moment, columns, &row)?, row)
    })
}
