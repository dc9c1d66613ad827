//! `reenact replay`: shows the console as it happened.

use super::engine::EngineOptions;
use super::{Outcome, Result, size};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::player::{Player, Step};
use std::io::Write;
use std::path::PathBuf;

/// Execute a recording again and show its console as it happened.
#[derive(clap::Args)]
pub struct Replay {
    /// The recording.
    recording: PathBuf,
    /// Stop here: an instruction number, a percentage, or end.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    to: Option<size::Place>,
    #[command(flatten)]
    engine: EngineOptions,
}

/// Instructions between two looks at what the guest sent.
const SLICE: u64 = 1 << 22;

impl Replay {
    pub fn execute(self) -> Result {
        let reader = Reader::open(&self.recording)?;
        let length = reader.summary()?.last;
        let to = self.to.unwrap_or(size::Place::End).in_recording(length);
        let mut player = Player::new(&reader, self.engine.geometry()?, false)?;
        let mut out = std::io::stdout().lock();
        let ends_with_recording = to >= length;
        loop {
            let slice = Moment(player.machine.now().0 + SLICE);
            let step = player.step(if ends_with_recording { slice } else { slice.min(to) })?;
            out.write_all(&std::mem::take(&mut player.console))?;
            out.flush()?;
            match step {
                Step::On if !ends_with_recording && player.machine.now() >= to => break,
                Step::On => {}
                Step::Done => break,
                Step::Different(_) => {
                    eprintln!(
                        "reenact: this replay differs from the recording; run: reenact verify {}",
                        self.recording.display()
                    );
                    return Ok(Outcome::Finding);
                }
            }
        }
        if let Some(damage) = player.damage {
            return Err(damage.into());
        }
        Ok(Outcome::Done)
    }
}
