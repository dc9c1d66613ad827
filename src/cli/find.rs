//! `reenact find`: where and when bytes came to stand in the guest's memory.

use super::{Failure, Outcome, Result, progress, size, text};
use crate::analysis::find::{Appearance, EVERY, Pattern, Query, find};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Options, Travel};
use anyhow::anyhow;
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Find every appearance of some bytes in the guest's memory: when, where, and the instruction that completed them.
///
/// An appearance is a place in physical memory where the bytes did not stand right before. Memory is searched behind each 65,536
/// instructions (see --every): bytes that come and go in between are not found. Exit code 0, also when nothing is found.
#[derive(clap::Args)]
pub struct Find {
    /// The recording.
    recording: PathBuf,
    #[command(flatten)]
    what: What,
    /// From this Moment on: an instruction number, a percentage, or end.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    from: Option<size::Place>,
    /// Up to this Moment.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    to: Option<size::Place>,
    /// Search memory behind every so many instructions: less is slower and misses less.
    #[arg(long, value_name = "INSTRUCTIONS", default_value_t = EVERY, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Stop behind so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// These characters, in UTF-8.
    #[arg(long, value_name = "TEXT")]
    string: Option<String>,
    /// These bytes, in hex.
    #[arg(long, value_name = "BYTES")]
    hex: Option<String>,
    /// What this regular expression matches (the syntax of Rust's regex crate, over bytes).
    #[arg(long, value_name = "EXPRESSION")]
    regex: Option<String>,
}

impl What {
    fn pattern(&self) -> Result<Pattern> {
        let pattern = match (&self.string, &self.hex, &self.regex) {
            (Some(string), _, _) => Pattern::bytes(string.as_bytes()),
            (_, Some(hex), _) => Pattern::bytes(&bytes_of(hex)?),
            (_, _, Some(regex)) => Pattern::regex(regex),
            // Only the parser of arguments could let this through; it has its own sentence.
            (None, None, None) => Pattern::bytes(&[]),
        };
        pattern.map_err(|e| Failure::Usage(e.into()))
    }
}

fn bytes_of(hex: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b" :".contains(b)).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    let bytes = is_hex.then(|| digits.chunks(2).map(pair).collect()).flatten();
    bytes.ok_or_else(|| {
        Failure::Usage(anyhow!("--hex {hex}: write an even number of hex digits, such as deadbeef or \"de ad be ef\""))
    })
}

impl Find {
    pub fn execute(self) -> Result {
        let pattern = self.what.pattern()?;
        let mut travel = Travel::open(Reader::open(&self.recording)?, Options::default())?;
        let end = travel.end();
        let during = self.during(end)?;
        let pass = travel.first_pass();
        progress::while_indexing(&pass, end, || travel.finish_index(&Cancel::default(), &|_| {}))?;
        for note in travel.take_notes() {
            eprintln!("reenact: {note}");
        }
        let bar = progress::bar(end);
        let mut count = 0;
        let mut failure = None;
        let query = Query { pattern, during, every: self.every };
        find(&travel, &query, &Cancel::default(), &|at| bar.set_position(at.0), &mut |appearance| {
            if self.limit.is_some_and(|limit| count >= limit) {
                return ControlFlow::Break(());
            }
            count += 1;
            let line = if self.json { json(&appearance) } else { line(&appearance) };
            let said = bar.suspend(|| writeln!(std::io::stdout(), "{line}"));
            said.map_or_else(
                |e| {
                    failure = Some(e);
                    ControlFlow::Break(())
                },
                ControlFlow::Continue,
            )
        })?;
        bar.finish_and_clear();
        if let Some(e) = failure {
            return Err(anyhow!("cannot write what was found: {e}").into());
        }
        if count == 0 {
            eprintln!(
                "reenact: not found; bytes that come and go within {} instructions are missed: --every makes that less",
                text::grouped(self.every)
            );
        }
        Ok(Outcome::Done)
    }

    fn during(&self, end: Moment) -> Result<std::ops::Range<Moment>> {
        let from = self.from.map_or(Moment::ZERO, |place| place.in_recording(end));
        let to = self.to.map_or(end, |place| place.in_recording(end)).min(end);
        if from > to {
            let (from, to) = (text::moment(from), text::moment(to));
            return Err(Failure::Usage(anyhow!("--from {from} is behind --to {to}, or behind the recording's end")));
        }
        Ok(from..to)
    }
}

fn line(a: &Appearance) -> String {
    let linear = a.linear.map_or_else(|| "-".to_owned(), |at| format!("{at:#x}"));
    let who = match &a.task {
        Some(task) => format!("{} {}", task.pid, printable(task.comm.as_bytes())),
        None => "-".to_owned(),
    };
    let by = match (a.rip, &a.symbol) {
        (Some(rip), Some(symbol)) => format!("{rip:#x} {symbol}"),
        (Some(rip), None) => format!("{rip:#x}"),
        (None, _) if a.moment == Moment::ZERO => "(loaded)".to_owned(),
        (None, _) => "(no single write)".to_owned(),
    };
    let at = text::moment(a.moment);
    format!("{at:>15}  {:#012x}  {linear:<18}  {who:<22}  {by:<48}  {}", a.physical, printable(&a.bytes))
}

/// The guest's bytes must not steer the terminal.
fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn json(a: &Appearance) -> String {
    json!({
        "moment": a.moment.0,
        "physical": a.physical,
        "linear": a.linear,
        "bytes": text::hex(&a.bytes),
        "rip": a.rip,
        "symbol": a.symbol,
        "pid": a.task.as_ref().map(|t| t.pid),
        "tid": a.task.as_ref().map(|t| t.tid),
        "comm": a.task.as_ref().map(|t| t.comm.as_str()),
    })
    .to_string()
}
