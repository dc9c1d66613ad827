//! What a recording says happened: values that came in, digests of the machine's state, bytes that went out, the end.
//!
//! The tags and bodies on disk are in `columns.rs`; the types here do not fix the layout, except for `End` and what
//! it contains, which is encoded with postcard (new variants go at the end).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::header::Hash;
use crate::moment::Moment;

/// One thing that happened, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A value crossed from the host into the guest.
    Input(Input),
    /// The state of the machine was hashed.
    Digest(Digest),
    /// The guest sent bytes out.
    Output(Output),
    /// The recorder remarked something. Nothing in a replay depends on it.
    Note(Note),
    /// The recording was closed. Nothing follows.
    End(End),
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> Moment {
        match self {
            Event::Input(input) => input.at,
            Event::Digest(digest) => digest.at,
            Event::Output(output) => output.at,
            Event::Note(note) => note.at,
            Event::End(end) => end.at,
        }
    }
}

/// A value that crossed from the host into the guest. A replay needs these and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Delivered after this many instructions, before the next.
    pub at: Moment,
    /// What came in.
    pub data: InputData,
}

impl Input {
    /// Where the value came from.
    pub fn source(&self) -> InputSource {
        match self.data {
            InputData::SerialRx { .. } => InputSource::Serial,
            InputData::HaltAdvance { .. } => InputSource::Halt,
            InputData::WallClock { .. } => InputSource::WallClock,
            InputData::HostEntropy { .. } => InputSource::Entropy,
        }
    }
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputData {
    /// Bytes arrived at a serial port.
    SerialRx {
        /// Which port, from 0 (COM1).
        port: u8,
        /// At most [`MAX_RECORD_BYTES`](super::format::MAX_RECORD_BYTES).
        bytes: Vec<u8>,
    },
    /// The virtual clock moved on while the CPU was halted.
    HaltAdvance {
        /// By how much.
        ns: u64,
    },
    /// The host's wall clock as the guest's real-time clock got it.
    WallClock {
        /// Since 1970-01-01 00:00:00 UTC.
        ns: u64,
    },
    /// Random bytes drawn from the host.
    HostEntropy {
        /// At most [`MAX_RECORD_BYTES`](super::format::MAX_RECORD_BYTES).
        bytes: Vec<u8>,
    },
}

/// Where Inputs come from, for counting and filtering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputSource {
    /// Serial ports.
    Serial,
    /// The clock of a halted CPU.
    Halt,
    /// The host's wall clock.
    WallClock,
    /// The host's random generator.
    Entropy,
}

impl fmt::Display for InputSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            InputSource::Serial => "serial",
            InputSource::Halt => "halt",
            InputSource::WallClock => "wall-clock",
            InputSource::Entropy => "entropy",
        })
    }
}

/// Hash over the whole state of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Taken after this many instructions.
    pub at: Moment,
    /// The hash, as the machine room defines it.
    pub digest: Hash,
}

/// Bytes that the guest sent out. Compared on replay, never sent anywhere again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Sent by the instruction after this many.
    pub at: Moment,
    /// Which serial port, from 0 (COM1).
    pub port: u8,
    /// What was sent; at most [`MAX_RECORD_BYTES`](super::format::MAX_RECORD_BYTES).
    pub bytes: Vec<u8>,
}

/// A remark of the recorder for people, for instance that the guest used an instruction that is not implemented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it was made.
    pub at: Moment,
    /// One sentence.
    pub text: String,
}

/// How a recording was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Instructions retired in the whole recording.
    pub at: Moment,
    /// Digest of the final state.
    pub digest: Hash,
    /// Why the machine stopped.
    pub reason: ExitReason,
    /// The wait status of the recorded program, as waitpid gives it, if the guest reported one.
    pub program_status: Option<u32>,
    /// What the file holds. The writer fills this in, and the reader checks it.
    pub counts: Counts,
}

/// Why the machine stopped. The order of the variants is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// The guest switched the machine off.
    PowerOff,
    /// The guest reset the machine.
    Reset {
        /// By which of the PC's ways.
        how: ResetHow,
    },
    /// A fault during the delivery of a double fault shut the CPU down.
    TripleFault,
    /// The guest wrote to the debug-exit port.
    DebugExit {
        /// What it wrote.
        code: u32,
    },
    /// The CPU halted with interrupts off; nothing can wake it.
    HaltedForever,
    /// The user stopped the recording.
    Stopped,
    /// The number of instructions that the user asked for was reached.
    LimitReached,
    /// The recorder had to give up.
    Failed {
        /// Why, as a sentence.
        message: String,
    },
}

/// The PC's ways to reset itself. The order of the variants is part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetHow {
    /// The keyboard controller's pulse command (port 0x64).
    KeyboardController,
    /// System control port A (port 0x92).
    Port92,
    /// The chipset's reset control register (port 0xcf9).
    PortCf9,
    /// The reset register that ACPI announces.
    Acpi,
}

impl fmt::Display for ResetHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResetHow::KeyboardController => "the keyboard controller",
            ResetHow::Port92 => "port 0x92",
            ResetHow::PortCf9 => "port 0xcf9",
            ResetHow::Acpi => "the ACPI reset register",
        })
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::PowerOff => f.write_str("powered off"),
            ExitReason::Reset { how } => write!(f, "reset through {how}"),
            ExitReason::TripleFault => f.write_str("triple fault"),
            ExitReason::DebugExit { code } => write!(f, "debug exit with code {code}"),
            ExitReason::HaltedForever => f.write_str("halted with interrupts off"),
            ExitReason::Stopped => f.write_str("stopped by the user"),
            ExitReason::LimitReached => f.write_str("instruction limit reached"),
            ExitReason::Failed { message } => write!(f, "recorder failed: {message}"),
        }
    }
}

/// How many records of each type a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Input records.
    pub inputs: u64,
    /// Digest records, without the one in `End`.
    pub digests: u64,
    /// Output records.
    pub outputs: u64,
    /// Bytes in all Output records.
    pub console_bytes: u64,
    /// Note records.
    pub notes: u64,
}

impl Counts {
    /// Counts one more event; `End` counts for nothing.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Input(_) => self.inputs += 1,
            Event::Digest(_) => self.digests += 1,
            Event::Output(output) => {
                self.outputs += 1;
                self.console_bytes += output.bytes.len() as u64;
            }
            Event::Note(_) => self.notes += 1,
            Event::End(_) => {}
        }
    }
}
