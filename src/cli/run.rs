//! `reenact run`: runs one analysis over a recording and keeps its tables.

use super::answer::{self, Asked, Destination};
use super::{Failure, Outcome, Result, text};
use crate::analysis::query::nearest;
use crate::analysis::registry;
use crate::analysis::tables::Wanted;
use crate::replay::travel::{Cut, Options};
use reenact_plugin::Arguments;
use std::path::PathBuf;

/// Run one analysis over a recording and keep its tables, for queries.
///
/// `reenact plugins` lists them with what they take. With -o or --format the rows of its first table are written as well.
#[derive(clap::Args)]
pub struct Run {
    /// The recording.
    recording: PathBuf,
    /// Which analysis.
    plugin: String,
    /// What it takes: key=value.
    arguments: Vec<String>,
    /// Which of its tables to write.
    #[arg(long)]
    table: Option<String>,
    #[command(flatten)]
    destination: Destination,
    /// Cut history into so many parts of equal length, instead of at the index's snapshots.
    #[arg(long, value_name = "N", hide = true)]
    parts: Option<usize>,
    /// Machines that work at once.
    #[arg(long, value_name = "N", hide = true)]
    workers: Option<usize>,
}

impl Run {
    pub fn execute(self) -> Result {
        let Some(plugin) = registry::find(&self.plugin) else {
            let names: Vec<&str> = registry::PLUGINS.iter().map(|p| p.about().name).collect();
            let meant = nearest(&self.plugin, names.iter().copied()).map(|n| format!(" (did you mean {n:?}?)"));
            let meant = meant.unwrap_or_default();
            let text = format!("there is no analysis {:?}{meant}; there are {}", self.plugin, names.join(", "));
            return Err(Failure::Usage(anyhow::anyhow!(text)));
        };
        let about = plugin.about();
        let usage = |e: reenact_plugin::ArgumentError| Failure::Usage(anyhow::anyhow!("{}: {e}", about.name));
        let arguments = Arguments::parse(&self.arguments, about.arguments).map_err(usage)?;
        // What is wrong with arguments is said before anything is replayed.
        plugin.prepare(&arguments).map_err(usage)?;
        let table = self.table.as_deref().or(about.tables.first().map(|t| t.name)).unwrap_or_default();
        if !about.tables.iter().any(|t| t.name == table) {
            return Err(Failure::Usage(anyhow::anyhow!("{} does not make a table {table:?}", about.name)));
        }
        self.destination.check()?;
        let options = Options::default();
        let options = Options { workers: self.workers.unwrap_or(options.workers), ..options };
        let cut = self.parts.map_or(Cut::AtSnapshots, Cut::Parts);
        let asked = Asked::open(&self.recording)?;
        asked.make(vec![Wanted { plugin, arguments }], cut, options)?;
        let tables = asked.tables()?;
        if !self.destination.is_default() {
            return self.destination.write(tables.sql(&format!("SELECT * FROM \"{table}\"")).map_err(answer::failure)?);
        }
        for table in about.tables {
            println!(
                "{}: {} rows",
                table.name,
                text::grouped(tables.table(table.name).map_err(answer::failure)?.rows())
            );
        }
        Ok(Outcome::Done)
    }
}
