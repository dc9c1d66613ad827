//! The payload of an Events frame: a list of records, stored as four columns so that zstd sees like beside like.
//!
//! ```text
//! payload := tags_len deltas_len numbers_len | tags | deltas | numbers | bytes      (lengths: LEB128)
//! tags     one byte per record
//! deltas   LEB128 per record: instructions since the record before it (0 for the first: the frame has its moment)
//! numbers  LEB128, as many per record as its tag takes
//! bytes    byte strings, one after another; their lengths are in `numbers`
//!
//! tag   record        numbers       bytes
//! 0x01  Digest        -             32
//! 0x02  Output        port, n       n
//! 0x03  Note          n             n (UTF-8)
//! 0x10  SerialRx      port, n       n
//! 0x11  HaltAdvance   ns            -
//! 0x12  WallClock     ns            -
//! 0x13  HostEntropy   n             n
//! ```
//!
//! A decoded list uses up every column exactly; anything else is refused. Moments cannot run backwards in it.

use super::event::{Digest, Event, Input, InputData, Note, Output};
use super::format::{EVENTS_FRAME_TARGET, MAX_RECORD_BYTES, MAX_RECORDS};
use crate::moment::Moment;

const TAG_DIGEST: u8 = 0x01;
const TAG_OUTPUT: u8 = 0x02;
const TAG_NOTE: u8 = 0x03;
const TAG_SERIAL_RX: u8 = 0x10;
const TAG_HALT_ADVANCE: u8 = 0x11;
const TAG_WALL_CLOCK: u8 = 0x12;
const TAG_HOST_ENTROPY: u8 = 0x13;

/// Most that one record adds to the columns beside its byte string: tag, delta, two numbers.
const RECORD_OVERHEAD: usize = 1 + 3 * 10;

/// Most that the three column lengths take.
const LENGTHS: usize = 3 * 10;

/// Why a payload is not a list of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes are not such an encoding.
    Payload(&'static str),
    /// The encoding is sound, but format 1 has no such tag.
    UnknownTag(u8),
}

/// Collects records until they are cut into a frame.
#[derive(Debug, Default)]
pub struct Columns {
    first: Moment,
    last: Moment,
    tags: Vec<u8>,
    deltas: Vec<u8>,
    numbers: Vec<u8>,
    bytes: Vec<u8>,
}

impl Columns {
    /// True when there is nothing to cut.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The Moment of the first record, which the frame header carries.
    pub fn first(&self) -> Moment {
        self.first
    }

    /// True when a record with `bytes` bytes still fits.
    pub fn has_room(&self, bytes: usize) -> bool {
        let used = self.tags.len() + self.deltas.len() + self.numbers.len() + self.bytes.len();
        self.tags.len() < MAX_RECORDS && used + bytes + RECORD_OVERHEAD + LENGTHS <= EVENTS_FRAME_TARGET
    }

    /// Adds one input.
    pub fn input(&mut self, input: &Input) {
        match &input.data {
            InputData::SerialRx { port, bytes } => self.push(TAG_SERIAL_RX, input.at, &[(*port).into()], bytes),
            InputData::HaltAdvance { ns } => self.plain(TAG_HALT_ADVANCE, input.at, *ns),
            InputData::WallClock { ns } => self.plain(TAG_WALL_CLOCK, input.at, *ns),
            InputData::HostEntropy { bytes } => self.push(TAG_HOST_ENTROPY, input.at, &[], bytes),
        }
    }

    /// Adds one digest.
    pub fn digest(&mut self, digest: &Digest) {
        self.begin(TAG_DIGEST, digest.at);
        self.bytes.extend_from_slice(&digest.digest);
    }

    /// Adds one output.
    pub fn output(&mut self, at: Moment, port: u8, bytes: &[u8]) {
        self.push(TAG_OUTPUT, at, &[port.into()], bytes);
    }

    /// Adds one note.
    pub fn note(&mut self, at: Moment, text: &str) {
        self.push(TAG_NOTE, at, &[], text.as_bytes());
    }

    /// The payload of everything added so far; starts anew.
    pub fn cut(&mut self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(LENGTHS + self.tags.len() + self.deltas.len() + self.bytes.len());
        for column in [&self.tags, &self.deltas, &self.numbers] {
            write_number(&mut payload, column.len() as u64);
        }
        for column in [&mut self.tags, &mut self.deltas, &mut self.numbers, &mut self.bytes] {
            payload.append(column);
        }
        payload
    }

    fn begin(&mut self, tag: u8, at: Moment) {
        if self.tags.is_empty() {
            self.first = at;
            self.last = at;
        }
        let delta = at.checked_since(self.last).expect("the writer has refused moments that run backwards");
        self.tags.push(tag);
        write_number(&mut self.deltas, delta);
        self.last = at;
    }

    fn plain(&mut self, tag: u8, at: Moment, number: u64) {
        self.begin(tag, at);
        write_number(&mut self.numbers, number);
    }

    fn push(&mut self, tag: u8, at: Moment, numbers: &[u64], bytes: &[u8]) {
        self.begin(tag, at);
        for &number in numbers {
            write_number(&mut self.numbers, number);
        }
        write_number(&mut self.numbers, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Reads the payload of an Events frame whose first record is at `first`.
pub fn decode(payload: &[u8], first: Moment) -> Result<Vec<Event>, Malformed> {
    let mut rest = Cursor(payload);
    let lengths = [rest.length()?, rest.length()?, rest.length()?];
    let tags = rest.take(lengths[0])?;
    let mut columns = Reading { deltas: rest.column(lengths[1])?, numbers: rest.column(lengths[2])?, bytes: rest };
    if tags.is_empty() {
        return Err(Malformed::Payload("it holds no records"));
    }
    if tags.len() > MAX_RECORDS {
        return Err(Malformed::Payload("it holds more records than a frame may"));
    }
    let mut events = Vec::with_capacity(tags.len());
    let mut at = first;
    for (index, &tag) in tags.iter().enumerate() {
        let delta = columns.deltas.number()?;
        if index == 0 && delta != 0 {
            return Err(Malformed::Payload("its first record is not at the moment of the frame"));
        }
        at = at.checked_add(delta).ok_or(Malformed::Payload("a moment overflows"))?;
        events.push(columns.record(tag, at)?);
    }
    columns.finish()?;
    Ok(events)
}

struct Reading<'a> {
    deltas: Cursor<'a>,
    numbers: Cursor<'a>,
    bytes: Cursor<'a>,
}

impl Reading<'_> {
    fn record(&mut self, tag: u8, at: Moment) -> Result<Event, Malformed> {
        let data = match tag {
            TAG_DIGEST => {
                let digest = self.bytes.take(32)?.try_into().expect("took 32 bytes");
                return Ok(Event::Digest(Digest { at, digest }));
            }
            TAG_OUTPUT => {
                return Ok(Event::Output(Output { at, port: self.port()?, bytes: self.string()? }));
            }
            TAG_NOTE => {
                let text = String::from_utf8(self.string()?).map_err(|_| Malformed::Payload("a note is not UTF-8"))?;
                return Ok(Event::Note(Note { at, text }));
            }
            TAG_SERIAL_RX => InputData::SerialRx { port: self.port()?, bytes: self.string()? },
            TAG_HALT_ADVANCE => InputData::HaltAdvance { ns: self.numbers.number()? },
            TAG_WALL_CLOCK => InputData::WallClock { ns: self.numbers.number()? },
            TAG_HOST_ENTROPY => InputData::HostEntropy { bytes: self.string()? },
            _ => return Err(Malformed::UnknownTag(tag)),
        };
        Ok(Event::Input(Input { at, data }))
    }

    fn port(&mut self) -> Result<u8, Malformed> {
        let port = self.numbers.number()?;
        u8::try_from(port).map_err(|_| Malformed::Payload("a port number is too large"))
    }

    fn string(&mut self) -> Result<Vec<u8>, Malformed> {
        let len = self.numbers.length()?;
        if len > MAX_RECORD_BYTES {
            return Err(Malformed::Payload("a byte string is longer than a record may hold"));
        }
        Ok(self.bytes.take(len)?.to_vec())
    }

    fn finish(&self) -> Result<(), Malformed> {
        if self.deltas.0.is_empty() && self.numbers.0.is_empty() && self.bytes.0.is_empty() {
            return Ok(());
        }
        Err(Malformed::Payload("bytes are left over after the last record"))
    }
}

/// What is left of a column.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Malformed::Payload("a column is too short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn column(&mut self, len: usize) -> Result<Cursor<'a>, Malformed> {
        self.take(len).map(Cursor)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed::Payload("a length is too large"))
    }

    /// LEB128. Only the shortest form is accepted, so that a list of records has one encoding.
    fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else {
                return Err(Malformed::Payload("a column is too short"));
            };
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift != 0 {
                    return Err(Malformed::Payload("a number is not in its shortest form"));
                }
                return Ok(value);
            }
        }
        Err(Malformed::Payload("a number is larger than 64 bits"))
    }
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(number: u64) {
            let mut out = Vec::new();
            write_number(&mut out, number);
            let mut cursor = Cursor(&out);
            prop_assert_eq!(cursor.number(), Ok(number));
            prop_assert!(cursor.0.is_empty());
        }

        #[test]
        fn garbage_is_refused_or_decoded_but_never_panics(bytes: Vec<u8>, first: u64) {
            let _ = decode(&bytes, Moment(first));
        }
    }

    #[test]
    fn numbers_beyond_64_bits_and_padded_numbers_are_refused() {
        assert!(Cursor(&[0xff; 11]).number().is_err());
        assert!(Cursor(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).number().is_err());
        assert!(Cursor(&[0x80, 0x00]).number().is_err());
        assert!(Cursor(&[0x80]).number().is_err());
    }

    #[test]
    fn unknown_tag_is_named() {
        assert_eq!(decode(&[1, 1, 0, 0x7e, 0], Moment::ZERO), Err(Malformed::UnknownTag(0x7e)));
    }

    #[test]
    fn left_over_bytes_are_refused() {
        assert!(decode(&[1, 1, 1, 0x11, 0, 9], Moment::ZERO).is_ok());
        assert!(decode(&[1, 1, 1, 0x11, 0, 9, 0], Moment::ZERO).is_err());
        assert!(decode(&[0, 0, 0], Moment::ZERO).is_err());
    }

    #[test]
    fn moment_overflow_is_refused() {
        assert!(decode(&[2, 2, 2, 0x11, 0x11, 0, 1, 9, 9], Moment::MAX).is_err());
    }
}
