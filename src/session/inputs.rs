//! What came in from outside near a Moment, as text.

use super::{Error, Seat};
use crate::moment::Moment;
use crate::recording::{Event, InputData};
use std::collections::VecDeque;

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
    ///
    /// # Errors
    /// When the file cannot be read. A damaged tail ends the list.
    pub fn inputs(&self, count: usize) -> Result<Inputs, Error> {
        let now = self.position().moment;
        let mut before = VecDeque::new();
        let mut after = Vec::new();
        for event in self.reader.events()? {
            let Ok(event) = event else { break };
            let Event::Input(input) = event else { continue };
            let line = || InputLine { at: input.at, source: input.source().to_string(), what: describe(&input.data) };
            if input.at <= now {
                if before.len() == count {
                    before.pop_front();
                }
                before.push_back(line());
            } else {
                after.push(line());
            }
            if after.len() >= count {
                break;
            }
        }
        before.truncate(count);
        Ok(Inputs { before: before.into(), after })
    }
}

fn describe(data: &InputData) -> String {
    match data {
        InputData::SerialRx { port, bytes } => format!("COM{} {:?}", port + 1, String::from_utf8_lossy(bytes)),
        InputData::HaltAdvance { ns } => format!("halted for {:.3} ms", *ns as f64 / 1e6),
        InputData::WallClock { ns } => format!("the clock starts at {}", crate::text::utc(*ns)),
        InputData::HostEntropy { bytes } => format!("{} random bytes", bytes.len()),
    }
}
