//! The host's end of the guest's serial console.

use std::time::Duration;

/// What the host side of the console has for the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Bytes for the guest.
    Bytes(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    Closed,
    /// The user asks to end the recording.
    Stop,
}

/// A console. The recorder is its only user.
pub trait Console {
    /// Shows what the guest sent.
    fn show(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    /// True if who types takes real time over it. Otherwise the guest's clock owes nothing to the host's, and
    /// [`Console::typed`] does not wait.
    fn is_live(&self) -> bool;
    /// Takes what was typed, waiting at most this long for something.
    fn typed(&mut self, wait: Duration) -> Typed;
}

/// A console that nobody types at; what the guest sends is kept.
#[derive(Default)]
pub struct Silent {
    /// All output so far.
    pub shown: Vec<u8>,
}

impl Console for Silent {
    fn show(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.shown.extend_from_slice(bytes);
        Ok(())
    }
    fn is_live(&self) -> bool {
        false
    }
    fn typed(&mut self, _: Duration) -> Typed {
        Typed::Closed
    }
}
