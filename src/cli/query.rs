//! `reenact query`: SQL over what happened inside.

use super::answer::{self, Asked, Destination};
use super::{Failure, Result};
use crate::analysis::tables::defaults;
use crate::replay::travel::{Cut, Options};
use std::path::PathBuf;

/// Ask what happened inside, in SQL over the recording's tables.
///
/// `reenact tables R` lists them. The first question makes them, which replays the recording. Numbers may be written in hex;
/// hex(n), symbol(address), guest_time(moment) and wall_time(moment) tell what a number stands for.
#[derive(clap::Args)]
pub struct Query {
    /// The recording.
    recording: PathBuf,
    /// The question: a SELECT.
    sql: String,
    #[command(flatten)]
    destination: Destination,
}

impl Query {
    pub fn execute(self) -> Result {
        if self.sql.trim().is_empty() {
            return Err(Failure::Usage(anyhow::anyhow!("the query is empty; try \"SHOW TABLES\"")));
        }
        self.destination.check()?;
        // What is wrong with the question is said before anything is replayed for it.
        let asked = Asked::open(&self.recording)?;
        asked.foresee()?.sql(&self.sql).map_err(answer::failure)?;
        asked.make(defaults(), Cut::AtSnapshots, Options::default())?;
        let tables = asked.tables()?;
        self.destination.write(tables.sql(&self.sql).map_err(answer::failure)?)
    }
}
