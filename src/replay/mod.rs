//! Record (host edge -> Inputs -> machine and file) and replay (file -> machine, compared as it goes).
//!
//! Both sides drive a [`Machine`] by the same few calls, so that the machine cannot tell which of them it is.

pub mod console;
pub mod index;
pub mod player;
pub mod record;
pub mod travel;
pub mod verify;

use crate::machine::pc::{self, PcExit};
use crate::machine::{CPU_MODEL, CPU_MODEL_VERSION, Exit, Machine, MachineError};
use crate::moment::Moment;
use crate::recording::{self, ExitReason, InputData, ResetHow};

/// The rule by which instructions are counted (docs/determinism.md).
pub const COUNTING_RULE: &str =
    "retired-1: one per retired instruction, one per REP iteration, none for faults and deliveries";
/// The machine type that this build has.
pub const MACHINE: &str = "pc-1";

/// What can go wrong outside the guest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error(transparent)]
    Recording(#[from] recording::Error),
    /// The machine could not be made.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// Made by another machine, model or counting rule.
    #[error(
        "{path}: recorded with {what} \"{found}\", but this reenact has \"{expected}\"; replay it with the reenact {version} that made it"
    )]
    Unsupported {
        /// The file.
        path: String,
        /// Which part.
        what: &'static str,
        /// What the recording says.
        found: String,
        /// What this build has.
        expected: String,
        /// The version that recorded.
        version: String,
    },
    /// No kernel image inside.
    #[error("{path}: the recording holds no kernel image, so it cannot be replayed")]
    NoKernel {
        /// The file.
        path: String,
    },
    /// The machine ended, or stands still, where history goes on.
    #[error("the replay ends at instruction {at} on its way to {to}: it parts from the recording; run: reenact verify")]
    Parted {
        /// Where it ended.
        at: Moment,
        /// Where it was to go.
        to: Moment,
    },
    /// A Digest differs.
    #[error("the replay differs from the recording at instruction {at}; run: reenact verify")]
    Diverged {
        /// The Moment of the Digest.
        at: Moment,
    },
    /// Fewer deliveries than that.
    #[error("there is no delivery number {} at instruction {}", .to.deliveries, .to.moment)]
    NoSuchPosition {
        /// What was asked for.
        to: travel::Position,
    },
    /// The index holds a state that cannot be read.
    #[error("the index's state at instruction {at} cannot be read; delete the index, it is made anew")]
    State {
        /// The Moment of the snapshot.
        at: Moment,
    },
    /// The index holds a state that cannot be.
    #[error("the index holds a state that cannot be; delete the index, it is made anew")]
    Saved(#[source] pc::PcError),
    /// The index.
    #[error(transparent)]
    Index(#[from] index::IndexError),
    /// The terminal or a pipe.
    #[error("cannot write the guest's console output: {0}")]
    Console(#[source] std::io::Error),
}

/// Gives an Input to the machine at its Moment.
fn deliver(machine: &mut Machine, input: &InputData) {
    match input {
        InputData::SerialRx { bytes, .. } => machine.pc.serial_rx(bytes),
        InputData::HaltAdvance { ns } => machine.advance_halted(*ns),
        // These are part of the initial state.
        InputData::WallClock { .. } | InputData::HostEntropy { .. } => {}
    }
}

/// How an ended run is written down; `None` while it goes on.
fn reason(exit: &Exit) -> Option<ExitReason> {
    Some(match exit {
        Exit::Limit | Exit::Halted { .. } | Exit::Observed => return None,
        Exit::Pc(PcExit::PowerOff) => ExitReason::PowerOff,
        Exit::Pc(PcExit::DebugExit { code }) => ExitReason::DebugExit { code: *code },
        Exit::Pc(PcExit::Reset { how }) => ExitReason::Reset {
            how: match how {
                pc::ResetHow::Keyboard => ResetHow::KeyboardController,
                pc::ResetHow::Port92 => ResetHow::Port92,
                pc::ResetHow::Cf9 => ResetHow::PortCf9,
            },
        },
        Exit::Shutdown => ExitReason::TripleFault,
        Exit::Dead => ExitReason::HaltedForever,
    })
}

/// The next multiple of `interval` after `now`; never, for an interval of 0.
fn next_digest(now: Moment, interval: u64) -> Moment {
    match now.0.checked_div(interval) {
        Some(n) => Moment((n + 1) * interval),
        None => Moment(u64::MAX),
    }
}
