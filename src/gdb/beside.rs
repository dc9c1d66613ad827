//! What gdbstub does not do, done between it and the wire: acknowledgements, refusals that give a reason, the list of
//! threads, bounds on what one packet may ask for.

use super::wire::{LONGEST, checksum, escaped, packet};
use gdbstub::conn::Connection;
use std::io::Write;

/// Why registers stay.
const NO_REGISTERS: &str = "E.a recording cannot be changed: its registers are what they were";
/// Why memory stays.
const NO_MEMORY: &str = "E.a recording cannot be changed: its memory is what it was";
/// Bytes of memory in one reply: two digits each, and room for the frame.
const MOST_MEMORY: u64 = (LONGEST / 2 - 32) as u64;
/// What is supported here and not in gdbstub.
const MORE_FEATURES: &str = ";QStartNoAckMode+;qXfer:threads:read+";

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// gdbstub gets this payload.
    Pass(Vec<u8>),
    /// The reply, without gdbstub.
    Reply(Vec<u8>),
    /// The list of threads is wanted: offset and length.
    Threads(usize, usize),
    /// From now on nothing is acknowledged. The reply is OK.
    NoAck,
}

/// Looks at a payload before gdbstub does.
pub fn judge(payload: Vec<u8>) -> Verdict {
    let is = |prefix: &[u8]| payload.starts_with(prefix);
    match payload.first() {
        Some(b'G') => return Verdict::Reply(NO_REGISTERS.into()),
        Some(b'P') => return Verdict::Reply(NO_REGISTERS.into()),
        Some(b'M' | b'X') => return Verdict::Reply(NO_MEMORY.into()),
        Some(b'm') => return Verdict::Pass(bounded(payload)),
        _ => {}
    }
    if is(b"QStartNoAckMode") {
        return Verdict::NoAck;
    }
    if let Some(range) = payload.strip_prefix(b"qXfer:threads:read::") {
        return match hex_pair(range) {
            Some((offset, len)) => Verdict::Threads(offset as usize, len as usize),
            None => Verdict::Reply(b"E01".to_vec()),
        };
    }
    Verdict::Pass(payload)
}

/// A read of more memory than fits in a reply becomes a read of what fits, which the protocol allows.
fn bounded(payload: Vec<u8>) -> Vec<u8> {
    match payload.get(1..).and_then(hex_pair) {
        Some((address, len)) if len > MOST_MEMORY => format!("m{address:x},{MOST_MEMORY:x}").into_bytes(),
        _ => payload,
    }
}

/// `ADDRESS,LENGTH`.
fn hex_pair(text: &[u8]) -> Option<(u64, u64)> {
    let (a, b) = std::str::from_utf8(text).ok()?.split_once(',')?;
    Some((u64::from_str_radix(a, 16).ok()?, u64::from_str_radix(b, 16).ok()?))
}

/// The part of a document that was asked for: `m` and more, or `l` and the last.
pub fn part(document: &str, offset: usize, len: usize) -> Vec<u8> {
    let rest = document.as_bytes().get(offset..).unwrap_or_default();
    let here = &rest[..rest.len().min(len).min(LONGEST / 2)];
    let mut reply = vec![if here.len() == rest.len() { b'l' } else { b'm' }];
    reply.extend(escaped(here));
    reply
}

/// One processor as a thread. With the multiprocess extension ids have a process in front.
pub fn threads(is_multiprocess: bool, what: &str) -> String {
    let id = if is_multiprocess { "p1.1" } else { "1" };
    format!(
        "<?xml version=\"1.0\"?>\n<threads><thread id=\"{id}\" core=\"0\" name=\"cpu 0\">{what}</thread></threads>\n"
    )
}

/// The way out: collects what gdbstub writes, a packet at a time, and sends it.
pub struct Outbox<W> {
    to: W,
    collected: Vec<u8>,
    last: Vec<u8>,
    acknowledges: bool,
}

impl<W: Write> Outbox<W> {
    /// An outbox that acknowledges until told otherwise.
    pub fn new(to: W) -> Outbox<W> {
        Outbox { to, collected: Vec::new(), last: Vec::new(), acknowledges: true }
    }

    /// Says that a packet came well (or not), if the peer wants to know.
    pub fn acknowledge(&mut self, is_well: bool) -> std::io::Result<()> {
        if !self.acknowledges {
            return Ok(());
        }
        self.to.write_all(if is_well { b"+" } else { b"-" })
    }

    /// No more acknowledgements.
    pub fn stop_acknowledging(&mut self) {
        self.acknowledges = false;
    }

    /// Sends a payload that is already escaped.
    pub fn send(&mut self, payload: &[u8]) -> std::io::Result<()> {
        self.last = packet(payload);
        self.to.write_all(&self.last)
    }

    /// Sends the last packet again.
    pub fn send_again(&mut self) -> std::io::Result<()> {
        self.to.write_all(&self.last)
    }
}

impl<W: Write> Connection for Outbox<W> {
    type Error = std::io::Error;

    fn write(&mut self, byte: u8) -> std::io::Result<()> {
        self.collected.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.collected.extend_from_slice(bytes);
        Ok(())
    }

    /// gdbstub ends every packet with this. Its own acknowledgement, a `+` in front, is dropped.
    fn flush(&mut self) -> std::io::Result<()> {
        let collected = std::mem::take(&mut self.collected);
        let Some(start) = collected.iter().position(|&b| b == b'$') else { return Ok(()) };
        let payload = collected.get(start + 1..collected.len().saturating_sub(3)).unwrap_or_default();
        debug_assert!(collected.ends_with(format!("#{:02x}", checksum(payload)).as_bytes()));
        if payload.starts_with(b"PacketSize=") {
            return self.send(&[payload, MORE_FEATURES.as_bytes()].concat());
        }
        self.send(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(payload: &str) -> Verdict {
        judge(payload.as_bytes().to_vec())
    }

    #[test]
    fn writes_are_refused_with_a_reason() {
        for payload in ["G00", "P10=0000000000000000"] {
            assert_eq!(verdict(payload), Verdict::Reply(NO_REGISTERS.into()));
        }
        for payload in ["M1000,1:00", "X1000,0:"] {
            assert_eq!(verdict(payload), Verdict::Reply(NO_MEMORY.into()));
        }
    }

    #[test]
    fn reads_are_bounded() {
        assert_eq!(verdict("m1000,40"), Verdict::Pass(b"m1000,40".to_vec()));
        assert_eq!(verdict("m1000,ffffffffffffffff"), Verdict::Pass(format!("m1000,{MOST_MEMORY:x}").into_bytes()));
        assert_eq!(verdict("mzz,zz"), Verdict::Pass(b"mzz,zz".to_vec()));
    }

    #[test]
    fn a_document_comes_in_parts_and_says_when_it_is_over() {
        assert_eq!(part("abcdef", 0, 4), b"mabcd");
        assert_eq!(part("abcdef", 4, 4), b"lef");
        assert_eq!(part("abcdef", 6, 4), b"l");
        assert_eq!(part("abcdef", 60, 4), b"l");
    }

    #[test]
    fn what_is_added_to_the_features_has_a_right_checksum() {
        let mut sent = Vec::new();
        let mut outbox = Outbox::new(&mut sent);
        Connection::write_all(&mut outbox, b"+$PacketSize=4000#00").expect("it is collected");
        outbox.collected.truncate(outbox.collected.len() - 2);
        let sum = checksum(b"PacketSize=4000");
        Connection::write_all(&mut outbox, format!("{sum:02x}").as_bytes()).expect("it is collected");
        Connection::flush(&mut outbox).expect("vectors grow");
        assert_eq!(sent, packet(format!("PacketSize=4000{MORE_FEATURES}").as_bytes()));
    }
}
