//! Packets as they are on the wire: `$payload#checksum`, acknowledged by `+` or asked for again by `-`, and the byte
//! 0x03 between packets, which interrupts.
//!
//! Everything here comes from an untrusted peer. A packet that is too long or whose checksum is wrong is dropped and
//! asked for again; bytes between packets that mean nothing are passed over. Payloads are kept as they came, escapes
//! included.

/// Longest payload that is accepted; gdb is told so and keeps to it.
pub const LONGEST: usize = 0x4000;

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A payload with a right checksum.
    Packet(Vec<u8>),
    /// Ctrl-C.
    Interrupt,
    /// The peer did not understand the last packet.
    Nack,
    /// A packet that has to be sent again.
    Damaged,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    Payload,
    FirstDigit,
    SecondDigit(u8),
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    payload: Vec<u8>,
    is_too_long: bool,
}

impl Framer {
    /// Takes the next byte; a frame if it ends one.
    pub fn push(&mut self, byte: u8) -> Option<Frame> {
        match self.state {
            State::Between => return self.between(byte),
            State::Payload => match byte {
                b'#' => self.state = State::FirstDigit,
                // The rest of the packet before never came.
                b'$' => self.begin(),
                _ if self.payload.len() < LONGEST => self.payload.push(byte),
                _ => self.is_too_long = true,
            },
            State::FirstDigit => self.state = State::SecondDigit(byte),
            State::SecondDigit(first) => {
                self.state = State::Between;
                return Some(self.finish(first, byte));
            }
        }
        None
    }

    fn between(&mut self, byte: u8) -> Option<Frame> {
        match byte {
            b'$' => self.begin(),
            0x03 => return Some(Frame::Interrupt),
            b'-' => return Some(Frame::Nack),
            _ => {}
        }
        None
    }

    fn begin(&mut self) {
        self.payload.clear();
        self.is_too_long = false;
        self.state = State::Payload;
    }

    fn finish(&mut self, first: u8, second: u8) -> Frame {
        let digit = |d: u8| char::from(d).to_digit(16);
        let said = digit(first).zip(digit(second)).map(|(high, low)| (high * 16 + low) as u8);
        let payload = std::mem::take(&mut self.payload);
        if self.is_too_long || said != Some(checksum(&payload)) {
            return Frame::Damaged;
        }
        Frame::Packet(payload)
    }
}

/// The sum of all bytes.
pub fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// A whole packet. The payload must already be escaped.
pub fn packet(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 4);
    out.push(b'$');
    out.extend_from_slice(payload);
    out.extend_from_slice(format!("#{:02x}", checksum(payload)).as_bytes());
    out
}

/// Binary data as a payload may have it: `#`, `$`, `}` and `*` stand behind `}`, changed in bit 5.
pub fn escaped(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for &byte in data {
        if matches!(byte, b'#' | b'$' | b'}' | b'*') {
            out.extend_from_slice(&[b'}', byte ^ 0x20]);
        } else {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        let mut framer = Framer::default();
        bytes.iter().filter_map(|&b| framer.push(b)).collect()
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        assert_eq!(frames(b"+$g#67"), [Frame::Packet(b"g".to_vec())]);
        assert_eq!(frames(&packet(b"m0,4")), [Frame::Packet(b"m0,4".to_vec())]);
        assert_eq!(frames(b"$#00"), [Frame::Packet(Vec::new())]);
    }

    #[test]
    fn interrupts_count_only_between_packets() {
        assert_eq!(frames(b"\x03"), [Frame::Interrupt]);
        assert_eq!(frames(b"$\x03#03"), [Frame::Packet(vec![3])]);
    }

    #[test]
    fn damage_is_found_and_what_follows_is_understood() {
        assert_eq!(frames(b"$g#66$g#67"), [Frame::Damaged, Frame::Packet(b"g".to_vec())]);
        assert_eq!(frames(b"$g#zz$g#67"), [Frame::Damaged, Frame::Packet(b"g".to_vec())]);
        assert_eq!(frames(b"$half$g#67"), [Frame::Packet(b"g".to_vec())]);
        assert_eq!(frames(b"noise\xff\x00-$g#67"), [Frame::Nack, Frame::Packet(b"g".to_vec())]);
    }

    #[test]
    fn a_packet_without_an_end_takes_no_more_memory_than_the_longest() {
        let mut framer = Framer::default();
        assert_eq!(framer.push(b'$'), None);
        for _ in 0..4 * LONGEST {
            assert_eq!(framer.push(b'a'), None);
        }
        assert!(framer.payload.len() <= LONGEST);
        assert_eq!(frames_of(&mut framer, b"#00"), [Frame::Damaged]);
        assert_eq!(frames_of(&mut framer, b"$g#67"), [Frame::Packet(b"g".to_vec())]);
    }

    fn frames_of(framer: &mut Framer, bytes: &[u8]) -> Vec<Frame> {
        bytes.iter().filter_map(|&b| framer.push(b)).collect()
    }

    #[test]
    fn escaping_leaves_nothing_that_ends_a_packet() {
        assert_eq!(escaped(b"a#b$c}d*"), b"a}\x03b}\x04c}]d}\n");
    }
}
