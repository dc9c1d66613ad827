//! `reenact run`: runs one analysis over a recording.

use super::{Failure, Outcome, Result, progress};
use crate::analysis::collected::Collected;
use crate::analysis::host::{Job, Plan, run};
use crate::analysis::registry;
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Cut, Options, Travel};
use reenact_plugin::Arguments;
use std::io::Write;
use std::path::PathBuf;

/// Run one analysis over a recording and print its rows as JSON lines.
#[derive(clap::Args)]
pub struct Run {
    /// The recording.
    recording: PathBuf,
    /// Which analysis.
    plugin: String,
    /// What it takes: key=value.
    arguments: Vec<String>,
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
            let text = format!("there is no analysis {:?}; there are: {}", self.plugin, names.join(", "));
            return Err(Failure::Usage(anyhow::anyhow!(text)));
        };
        let about = plugin.about();
        let usage = |e: reenact_plugin::ArgumentError| Failure::Usage(anyhow::anyhow!("{}: {e}", about.name));
        let arguments = Arguments::parse(&self.arguments, about.arguments).map_err(usage)?;
        let analysis = plugin.prepare(&arguments).map_err(usage)?;
        let options = Options::default();
        let workers = self.workers.unwrap_or(options.workers);
        let mut travel = Travel::open(Reader::open(&self.recording)?, Options { workers, ..options })?;
        let (pass, end) = (travel.first_pass(), travel.end());
        progress::while_indexing(&pass, end, || travel.finish_index(&Cancel::default(), &|_| {}))?;
        for note in travel.take_notes() {
            eprintln!("reenact: {note}");
        }
        let rows = Collected::new(about.tables);
        let bar = progress::bar(end);
        let plan = Plan {
            cut: self.parts.map_or(Cut::AtSnapshots, Cut::Parts),
            workers,
            progress: &|at, total| {
                bar.set_length(total.0);
                bar.set_position(at.0);
            },
            cancel: &Cancel::default(),
        };
        let outcome = run(&travel, &[Job { name: about.name, tables: about.tables.len(), analysis }], &rows, &plan)?;
        bar.finish_and_clear();
        for (name, why) in &outcome.left_out {
            eprintln!("reenact: {name} was not run: {why}");
        }
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for line in rows.json_lines() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}
