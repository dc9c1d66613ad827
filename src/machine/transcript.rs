//! What the guest sent out, as Outputs: one a line, at the Moment of its last byte.
//!
//! How bytes are grouped depends on the bytes alone, so that recording and replay group them alike. None of this is
//! machine state: a guest cannot read it back.

use crate::moment::Moment;

/// A line without an end is cut after this many bytes.
const LONGEST: usize = 1024;

/// Bytes that left the machine together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When the last of them left.
    pub at: Moment,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Output waiting to be taken.
#[derive(Debug, Default)]
pub struct Transcript {
    live: Vec<u8>,
    line: Vec<u8>,
    sent: Vec<Sent>,
}

impl Transcript {
    /// Takes in bytes that the guest sends now.
    pub fn push(&mut self, now: u64, bytes: &[u8]) {
        self.live.extend_from_slice(bytes);
        for &b in bytes {
            self.line.push(b);
            if b == b'\n' || self.line.len() == LONGEST {
                self.end(now);
            }
        }
    }
    /// Ends a line that has no end yet. For the end of a run.
    pub fn end(&mut self, now: u64) {
        if !self.line.is_empty() {
            self.sent.push(Sent { at: Moment(now), bytes: std::mem::take(&mut self.line) });
        }
    }
    /// The bytes since the last [`Transcript::take_live`].
    pub fn live(&self) -> &[u8] {
        &self.live
    }
    /// The bytes since the last call, ended or not, for showing.
    pub fn take_live(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.live)
    }
    /// The ended lines since the last call.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }
}
