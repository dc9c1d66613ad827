//! What the verbs that ask tables share: tables that are there, formats, and the way of an answer to its reader.

use super::{Failure, Outcome, Result, output, progress, terminal};
use crate::analysis::query::output::{Format, write};
use crate::analysis::query::{Answer, Error, Tables};
use crate::analysis::tables::{Ensure, Ensured, Evidence, Stage, Wanted, ensure};
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Cut, Options};
use std::path::{Path, PathBuf};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// Aligned, for people.
    Table,
    /// A line of names, then a line a row.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// A timeline for Timesketch: JSON lines, or CSV in a file that ends in .csv.
    Timesketch,
    /// Executed blocks for Lighthouse, of table coverage.
    Drcov,
}

/// Where an answer goes and how.
#[derive(clap::Args)]
pub struct Destination {
    /// How it is written; by default as the file's name ends, and as a table on the terminal.
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Write to a file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
}

impl Destination {
    /// True if nothing was said about it.
    pub fn is_default(&self) -> bool {
        self.format.is_none() && self.output.is_none()
    }
    /// What cannot be written is said before anything is computed: a format that is not told, a file that is there already and must
    /// stay.
    pub fn check(&self) -> Result<()> {
        self.format()?;
        match &self.output {
            Some(path) if !self.force && path.symlink_metadata().is_ok() => Err(anyhow::anyhow!(
                "{}: the file is there already; give another name, or --force to replace it",
                path.display()
            )
            .into()),
            _ => Ok(()),
        }
    }
    fn format(&self) -> Result<Format> {
        let ending = self.output.as_deref().and_then(Path::extension).and_then(|e| e.to_str());
        let name = match (self.format, ending) {
            (Some(name), _) => name,
            (None, None) if self.output.is_none() => FormatName::Table,
            (None, Some("csv")) => FormatName::Csv,
            (None, Some("jsonl" | "json")) => FormatName::Jsonl,
            (None, Some("parquet")) => FormatName::Parquet,
            (None, Some("txt")) => FormatName::Table,
            _ => {
                let what =
                    "the file's name tells no format; end it in .csv, .jsonl, .parquet or .txt, or give --format";
                return Err(Failure::Usage(anyhow::anyhow!(what)));
            }
        };
        Ok(match name {
            FormatName::Table => Format::Table(if self.output.is_none() { terminal::width() } else { None }),
            FormatName::Csv => Format::Csv,
            FormatName::Jsonl => Format::Jsonl,
            FormatName::Parquet => Format::Parquet,
            FormatName::Timesketch if ending == Some("csv") => Format::TimesketchCsv,
            FormatName::Timesketch => Format::TimesketchJsonl,
            FormatName::Drcov => Format::Drcov,
        })
    }
    /// Writes an answer.
    pub fn write(&self, answer: Answer) -> Result {
        for note in &answer.notes {
            eprintln!("reenact: {note}");
        }
        let format = self.format()?;
        let rows =
            output::to(self.output.as_deref(), self.force, |mut out| write(answer, format, &mut out).map_err(failure))?;
        if let Some(path) = &self.output {
            eprintln!("reenact: {}: {} rows", path.display(), super::text::grouped(rows));
        }
        Ok(Outcome::Done)
    }
}

/// A question that cannot be answered is the user's; the rest is trouble with files.
pub fn failure(error: Error) -> Failure {
    match error {
        Error::Tables(_) | Error::Output(_) => Failure::Input(error.into()),
        error => Failure::Usage(error.into()),
    }
}

/// A recording that is asked, and what it is known by.
pub struct Asked {
    of: Evidence,
    started_ns: u64,
}

impl Asked {
    /// Reads the whole recording once, to know which tables are its own.
    pub fn open(recording: &Path) -> Result<Asked> {
        let reader = Reader::open(recording)?;
        Ok(Asked { of: Evidence::of(&reader)?, started_ns: reader.header().wall_clock_start_ns })
    }
    /// Makes what is missing of some tables, with a progress bar.
    pub fn make(&self, wanted: Vec<Wanted>, cut: Cut, options: Options) -> Result<Ensured> {
        let bars = progress::Stages::default();
        let show = |stage, at, of| {
            bars.show(if stage == Stage::Index { "making the index " } else { "making tables " }, at, of);
        };
        let how = Ensure { options, cut, progress: &show, cancel: &Cancel::default() };
        let ensured = ensure(&self.of, wanted, &how).map_err(|e| anyhow::anyhow!(e))?;
        bars.clear();
        for note in &ensured.notes {
            eprintln!("reenact: {note}");
        }
        Ok(ensured)
    }
    /// The tables as they will be, still without rows.
    pub fn foresee(&self) -> Result<Tables> {
        Tables::foresee(&self.of).map_err(failure)
    }
    /// The tables as they are.
    pub fn tables(&self) -> Result<Tables> {
        Tables::open(&self.of, self.started_ns).map_err(failure)
    }
}
