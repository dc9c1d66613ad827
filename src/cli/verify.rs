//! `reenact verify`: proves that a recording replays bit-exactly.

use super::engine::EngineOptions;
use super::{Outcome, Result, progress, text};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::player::Difference;
use crate::replay::verify::{Report, verify};
use std::path::PathBuf;
use std::time::Instant;

/// Execute a recording again and compare every digest and every output.
///
/// Exit code 0: bit-exact. 1: it diverged, and where. 3: the file is damaged or cannot be replayed.
#[derive(clap::Args)]
pub struct Verify {
    /// The recording.
    recording: PathBuf,
    #[command(flatten)]
    engine: EngineOptions,
}

impl Verify {
    pub fn execute(self) -> Result {
        let reader = Reader::open(&self.recording)?;
        let summary = reader.summary()?;
        #[expect(clippy::disallowed_methods, reason = "the host edge: reports how long the verification took")]
        let started = Instant::now();
        let bar = progress::bar(summary.last);
        let report = verify(&reader, self.engine.geometry()?, &mut |at| bar.set_position(at.0))?;
        bar.finish_and_clear();
        let wall = started.elapsed().as_secs_f64();
        let path = self.recording.display().to_string();
        if let Some(difference) = &report.difference {
            println!("{path}: DIVERGED {}", describe(difference));
            println!("equal up to instruction {}", text::moment(report.proven));
            culprit(&report);
            return Ok(Outcome::Finding);
        }
        println!("{path}: bit-exact up to instruction {}", text::moment(report.proven));
        println!(
            "{} digests and {} outputs ({}) equal, {wall:.2} s ({:.0} MIPS)",
            summary.counts.digests + u64::from(summary.is_closed()),
            summary.counts.outputs,
            text::size(summary.counts.console_bytes),
            report.proven.0 as f64 / wall / 1e6
        );
        match report.damage {
            Some(damage) => {
                Err(anyhow::anyhow!("{damage}; what comes before is verified, what comes after is lost").into())
            }
            None if !summary.is_closed() => {
                println!("the recording was not closed: it ends with its last whole frame");
                Ok(Outcome::Done)
            }
            None => {
                if let Some(identity) = summary.identity() {
                    println!("identity {identity}");
                }
                Ok(Outcome::Done)
            }
        }
    }
}

fn culprit(report: &Report) {
    match &report.culprit {
        Some(c) => println!(
            "first instruction that two ways of execution disagree on: number {} at {:#x}, bytes {}",
            text::moment(Moment(c.at.0)),
            c.rip,
            text::hex(&c.bytes)
        ),
        None => println!(
            "the replay agrees with itself in every way of execution, so the recording was made by a machine that behaves otherwise, or its file was made up; compare the versions that `reenact info` shows"
        ),
    }
}

fn describe(difference: &Difference) -> String {
    match difference {
        Difference::Digest { from, to, recorded, replayed } => {
            format!(
                "between instructions {} and {}: digest {} recorded, {} replayed",
                text::moment(*from),
                text::moment(*to),
                text::hex(&recorded[..8]),
                text::hex(&replayed[..8])
            )
        }
        Difference::Output { from, recorded, replayed } => {
            let show = |s: &Option<crate::machine::transcript::Sent>| match s {
                Some(s) => format!("{:?} at {}", String::from_utf8_lossy(&s.bytes), text::moment(s.at)),
                None => "nothing".to_owned(),
            };
            format!(
                "after instruction {}: the guest sent {} when recorded, {} in the replay",
                text::moment(*from),
                show(recorded),
                show(replayed)
            )
        }
        Difference::End { from, at, recorded, replayed } => {
            let show = |r: &Option<crate::recording::ExitReason>| {
                r.as_ref().map_or("it went on".to_owned(), ToString::to_string)
            };
            format!(
                "after instruction {}: at {} the end was \"{}\" when recorded, \"{}\" in the replay",
                text::moment(*from),
                text::moment(*at),
                show(recorded),
                show(replayed)
            )
        }
    }
}
