//! `reenact export`: a whole table as a file for other tools.

use super::answer::{self, Asked, Destination};
use super::{Failure, Result, size};
use crate::analysis::tables::defaults;
use crate::recording::Reader;
use crate::replay::travel::{Cut, Options};
use std::path::PathBuf;

/// Write a table to a file for other tools.
#[derive(clap::Args)]
pub struct Export {
    /// The recording.
    recording: PathBuf,
    /// Which table; `reenact tables R` lists them.
    #[arg(long)]
    table: String,
    /// The first Moment: an instruction number, a percentage, or end.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    from: Option<size::Place>,
    /// The last Moment.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    to: Option<size::Place>,
    #[command(flatten)]
    destination: Destination,
}

impl Export {
    pub fn execute(self) -> Result {
        self.destination.check()?;
        let length = Reader::open(&self.recording)?.summary()?.last;
        let bound = |place: Option<size::Place>, sign| {
            place.map(|place| format!("moment {sign} {}", place.in_recording(length).0))
        };
        let bounds: Vec<String> = bound(self.from, ">=").into_iter().chain(bound(self.to, "<=")).collect();
        if self.table.contains('"') {
            return Err(Failure::Usage(anyhow::anyhow!("there is no table {:?}", self.table)));
        }
        let asked = Asked::open(&self.recording)?;
        asked.foresee()?.table(&self.table).map_err(answer::failure)?;
        asked.make(defaults(), Cut::AtSnapshots, Options::default())?;
        let tables = asked.tables()?;
        let filter = if bounds.is_empty() { String::new() } else { format!(" WHERE {}", bounds.join(" AND ")) };
        let sql = format!("SELECT * FROM \"{}\"{filter}", self.table);
        self.destination.write(tables.sql(&sql).map_err(answer::failure)?)
    }
}
