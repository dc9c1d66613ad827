//! What came in from outside near a Moment, as text.

use super::Seat;
use crate::moment::Moment;
use crate::recording::{Input, InputData};

/// One Input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputLine {
    /// Delivered after this many instructions.
    pub at: Moment,
    /// Where it came from.
    pub source: String,
    /// What it was, for people.
    pub what: String,
}

/// Inputs around a Moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// At or before it, oldest first.
    pub before: Vec<InputLine>,
    /// After it, oldest first.
    pub after: Vec<InputLine>,
}

impl Seat {
    /// Up to `count` Inputs at or before the current Moment, and as many after it.
    pub fn inputs(&self, count: usize) -> Inputs {
        let inputs = &self.travel.script().inputs;
        let (before, after) = inputs.split_at(inputs.partition_point(|i| i.at <= self.position().moment));
        Inputs {
            before: before.iter().skip(before.len().saturating_sub(count)).map(line).collect(),
            after: after.iter().take(count).map(line).collect(),
        }
    }

    /// The Moments of the Inputs in `from..to`.
    pub fn input_moments(&self, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        let inputs = &self.travel.script().inputs;
        let first = inputs.partition_point(|i| i.at.0 < from);
        inputs.iter().skip(first).map(|i| i.at.0).take_while(move |at| *at < to)
    }
}

fn line(input: &Input) -> InputLine {
    InputLine { at: input.at, source: input.source().to_string(), what: describe(&input.data) }
}

fn describe(data: &InputData) -> String {
    match data {
        InputData::SerialRx { port, bytes } => format!("COM{} {:?}", port + 1, String::from_utf8_lossy(bytes)),
        InputData::HaltAdvance { ns } => format!("halted for {:.3} ms", *ns as f64 / 1e6),
        InputData::WallClock { ns } => format!("the clock starts at {}", crate::text::utc(*ns)),
        InputData::HostEntropy { bytes } => format!("{} random bytes", bytes.len()),
    }
}
