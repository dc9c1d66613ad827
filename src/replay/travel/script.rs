//! What a recording says, held in memory: the Inputs by their Moments, the Digests, and where it ends.

use crate::moment::Moment;
use crate::recording::{self, Digest, Event, Input, InputData, Output, Reader};
use crate::replay::Error;
use crate::replay::player::advance;

/// The events of a recording.
pub struct Script {
    /// In order of their Moments; several at one Moment are delivered in this order.
    pub inputs: Vec<Input>,
    /// What the machine's state is known to be.
    pub digests: Vec<Digest>,
    /// What the guest sent.
    pub outputs: Vec<Output>,
    /// Where history ends.
    pub end: Moment,
    /// Head of the hash chain: the identity of a closed recording, and of what can be read of another.
    pub identity: [u8; 32],
    /// What stopped the reading, when the recording is damaged or was cut off.
    pub damage: Option<recording::Error>,
}

impl Script {
    /// Reads the events of a recording.
    pub fn read(reader: &Reader) -> Result<Script, Error> {
        let mut events = reader.events()?;
        let mut script = Script {
            inputs: Vec::new(),
            digests: Vec::new(),
            outputs: Vec::new(),
            end: Moment::ZERO,
            identity: [0; 32],
            damage: None,
        };
        while let Some(event) = advance(&mut events, &mut script.damage)? {
            script.end = script.end.max(event.at());
            match event {
                Event::Input(input) => script.inputs.push(input),
                // A state that an Input has already changed is no place that can be gone to.
                Event::Digest(d) if script.inputs.last().is_some_and(|i| i.at == d.at) => {}
                Event::Digest(digest) => script.digests.push(digest),
                Event::Output(output) => script.outputs.push(output),
                // The last Digest is of the state behind the end, which is no place in history either.
                Event::End(_) | Event::Note(_) => {}
            }
        }
        script.identity = events.chain_head().0;
        Ok(script)
    }
    /// What the guest's clock starts at, ns since 1970, if the recording says.
    pub fn wall_clock_ns(&self) -> Option<u64> {
        match self.inputs.first()?.data {
            InputData::WallClock { ns } => Some(ns),
            _ => None,
        }
    }
    /// The number of the first Input at or after a Moment.
    pub fn input_at(&self, at: Moment) -> usize {
        self.inputs.partition_point(|i| i.at < at)
    }
    /// The Moments at which the state is known, ascending.
    pub fn proofs(&self) -> impl Iterator<Item = Moment> + '_ {
        self.digests.iter().map(|d| d.at)
    }
    /// The Digest at a Moment, if there is one.
    pub fn digest_at(&self, at: Moment) -> Option<&Digest> {
        let i = self.digests.partition_point(|d| d.at < at);
        self.digests.get(i).filter(|d| d.at == at)
    }
}
