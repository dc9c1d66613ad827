//! What is read of a program's memory at the entry and at the return of a call, kept as pieces in one row of bytes.
//!
//! A piece: the argument's place, the length (u16; [`UNREADABLE`] where a byte is not mapped), the bytes. What the call takes
//! is read again at its return, for memory that was not mapped yet at its entry. Every read is bounded.

use crate::calls::{Argument, Call, Word};
use reenact_plugin::Scene;

/// The longest path, as the kernel has it.
const PATH: usize = 4096;
/// Bytes of a buffer that are shown.
pub const SHOWN: usize = 32;
/// Elements of a list that are shown.
pub const ELEMENTS: usize = 32;
/// Pointers of an environment that are counted.
const ENVIRONMENT: usize = 4096;

const UNREADABLE: u16 = u16::MAX;

/// Writes pieces.
pub struct Capture<'a> {
    scene: &'a dyn Scene,
    arguments: &'a [u64; 6],
    /// None at the entry.
    result: Option<i64>,
    into: &'a mut Vec<u8>,
}

/// Reads what a call takes and, at its return, what it has filled.
pub fn capture(scene: &dyn Scene, call: &Call, arguments: &[u64; 6], result: Option<i64>, into: &mut Vec<u8>) {
    let mut capture = Capture { scene, arguments, result, into };
    for (place, argument) in call.arguments.iter().enumerate() {
        capture.argument(place, argument);
    }
}

impl Capture<'_> {
    fn argument(&mut self, place: usize, argument: &Argument) {
        let at = self.arguments[place];
        let has_failed = self.result.is_some_and(|r| r < 0);
        if at == 0 && !matches!(argument.word, Word::FutexRest) || argument.is_out && self.result.is_none() {
            return;
        }
        if argument.is_out && has_failed != matches!(argument.word, Word::Remaining) {
            return;
        }
        let count = argument.count.map_or(0, |c| self.arguments[c]);
        match argument.word {
            Word::Path => self.text(place, at, PATH),
            Word::Text => self.text(place, at, SHOWN + 1),
            Word::Bytes | Word::Random => {
                let length = if argument.is_out { self.result.unwrap_or(0) as u64 } else { count };
                self.bytes(place, at, length.min(SHOWN as u64) as usize);
            }
            Word::Shape(shape) => self.bytes(place, at, shape.size),
            Word::LengthAt => self.bytes(place, at, 4),
            Word::Remaining => self.bytes(place, at, 16),
            Word::Strings => self.strings(place, at),
            Word::Environment => self.environment(place, at),
            Word::Sockaddr => self.sockaddr(place, at, argument.is_out, count),
            Word::SockOptionValue => self.bytes(place, at, (self.arguments[4] as usize).min(4)),
            Word::FcntlArgument => self.fcntl(place, at),
            Word::IoctlArgument => self.bytes(place, at, if self.arguments[1] & 0xffff == 0x5413 { 8 } else { 4 }),
            Word::PrctlArgument => self.text(place, at, 16),
            Word::FutexRest => self.bytes(place, self.arguments[3], 16),
            Word::Iovec => self.iovec(place, at, count, argument.is_out),
            Word::Msghdr => self.msghdr(place, at, argument.is_out),
            Word::PollFds => self.bytes(place, at, count.min(ELEMENTS as u64) as usize * 8),
            Word::FdSet => self.bytes(place, at, (count.min(1024) as usize).div_ceil(64) * 8),
            Word::EpollEvents => {
                self.bytes(place, at, (self.result.unwrap_or(0) as u64).min(ELEMENTS as u64) as usize * 12);
            }
            Word::CloneArgs => self.clone_args(place, at),
            _ => {}
        }
    }

    /// Exactly this many bytes, or none.
    fn bytes(&mut self, place: usize, at: u64, length: usize) {
        let start = self.head(place);
        self.into.resize(start + length, 0);
        let got = self.scene.read(at, &mut self.into[start..]);
        self.ends(start, (got == length).then_some(length));
    }

    fn text(&mut self, place: usize, at: u64, longest: usize) {
        let start = self.head(place);
        let length = read_text(self.scene, at, longest, self.into).map(|()| self.into.len() - start);
        self.ends(start, length);
    }

    /// Opens a piece; where its bytes start.
    fn head(&mut self, place: usize) -> usize {
        self.into.extend_from_slice(&[place as u8, 0, 0]);
        self.into.len()
    }

    fn ends(&mut self, start: usize, length: Option<usize>) {
        self.into.truncate(start + length.unwrap_or(0));
        let length = length.map_or(UNREADABLE, |l| l as u16);
        self.into[start - 2..start].copy_from_slice(&length.to_le_bytes());
    }

    /// The bytes of the piece that was written last; empty if it could not be read.
    fn last(&self, start: usize) -> &[u8] {
        &self.into[start..]
    }

    fn u32_at(&self, at: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        (self.scene.read(at, &mut bytes) == 4).then(|| u32::from_le_bytes(bytes))
    }

    /// The pointers up to the null one, then the texts that are shown.
    fn strings(&mut self, place: usize, at: u64) {
        let start = self.head(place);
        let mut pointers = [0; ELEMENTS + 1];
        let mut count = 0;
        let is_whole = loop {
            let Some(pointer) = u64_at(self.scene, at.wrapping_add(count as u64 * 8)) else { break false };
            self.into.extend_from_slice(&pointer.to_le_bytes());
            if pointer == 0 || count == ELEMENTS {
                break true;
            }
            pointers[count] = pointer;
            count += 1;
        };
        let length = is_whole.then(|| self.into.len() - start);
        self.ends(start, length);
        for &pointer in pointers[..count].iter().filter(|_| is_whole) {
            self.text(place, pointer, SHOWN + 1);
        }
    }

    fn environment(&mut self, place: usize, at: u64) {
        let mut count = 0_u32;
        let is_whole = loop {
            match u64_at(self.scene, at.wrapping_add(u64::from(count) * 8)) {
                None => break false,
                Some(0) => break true,
                Some(_) if count as usize == ENVIRONMENT => break false,
                Some(_) => count += 1,
            }
        };
        let start = self.head(place);
        self.into.extend_from_slice(&count.to_le_bytes());
        self.ends(start, is_whole.then_some(4));
    }

    fn sockaddr(&mut self, place: usize, at: u64, is_out: bool, count: u64) {
        let length = if is_out { self.u32_at(count).unwrap_or(0).into() } else { count };
        self.bytes(place, at, length.min(128) as usize);
    }

    fn fcntl(&mut self, place: usize, at: u64) {
        // The commands about locks, old and new, take a structure.
        if matches!(self.arguments[1], 5..=7 | 36..=38) {
            self.bytes(place, at, 32);
        }
    }

    fn iovec(&mut self, place: usize, at: u64, count: u64, is_out: bool) {
        let start = self.head(place);
        let length = count.min(ELEMENTS as u64) as usize * 16;
        self.into.resize(start + length, 0);
        let got = self.scene.read(at, &mut self.into[start..]);
        self.ends(start, (got == length).then_some(length));
        let mut vectors = [0; ELEMENTS * 16];
        let got = self.last(start).len();
        vectors[..got].copy_from_slice(self.last(start));
        let mut left = if is_out { self.result.unwrap_or(0) as u64 } else { u64::MAX };
        for vector in vectors[..got].as_chunks::<16>().0 {
            let (base, length) = pair(vector);
            let length = length.min(left);
            left -= length;
            self.bytes(place, base, length.min(SHOWN as u64) as usize);
        }
    }

    /// The header, the name, the buffers.
    fn msghdr(&mut self, place: usize, at: u64, is_out: bool) {
        let start = self.head(place);
        self.into.resize(start + 56, 0);
        let got = self.scene.read(at, &mut self.into[start..]);
        self.ends(start, (got == 56).then_some(56));
        let Ok(header) = <[u8; 56]>::try_from(self.last(start)) else { return };
        let field = |k: usize| u64::from_le_bytes(header[k..k + 8].try_into().expect("8 bytes"));
        self.bytes(place, field(0), (field(8) as u32).min(128) as usize);
        self.iovec(place, field(16), field(24), is_out);
    }

    /// The structure and, behind the call, the number that it wrote for the parent.
    fn clone_args(&mut self, place: usize, at: u64) {
        let length = (self.arguments[1] as usize).min(88);
        self.bytes(place, at, length);
        let parent = u64_at(self.scene, at.wrapping_add(24)).unwrap_or(0);
        if self.result.is_some_and(|r| r > 0) && parent != 0 {
            self.bytes(place, parent, 4);
        }
    }
}

fn u64_at(scene: &dyn Scene, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (scene.read(at, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
}

fn pair(bytes: &[u8; 16]) -> (u64, u64) {
    let value = u128::from_le_bytes(*bytes);
    (value as u64, (value >> 64) as u64)
}

/// The text up to its NUL or as much as is asked for; none where what is not mapped comes first.
fn read_text(scene: &dyn Scene, at: u64, longest: usize, into: &mut Vec<u8>) -> Option<()> {
    let start = into.len();
    let mut chunk = [0; 64];
    while into.len() - start < longest {
        let done = into.len() - start;
        let from = at.wrapping_add(done as u64);
        // Not over the end of a page: what follows may not be mapped.
        let want = chunk.len().min(longest - done).min(4096 - (from % 4096) as usize);
        let got = scene.read(from, &mut chunk[..want]);
        match chunk[..got].iter().position(|&b| b == 0) {
            Some(end) => {
                into.extend_from_slice(&chunk[..end]);
                return Some(());
            }
            None if got < want => return None,
            None => into.extend_from_slice(&chunk[..got]),
        }
    }
    Some(())
}

/// The pieces of one argument, in their order; `None` for one that could not be read.
pub fn pieces(all: &[u8], place: usize) -> impl Iterator<Item = Option<&[u8]>> + Clone {
    Pieces(all).filter(move |p| p.0 == place).map(|p| p.1)
}

#[derive(Clone)]
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = (usize, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[place, low, high], rest) = self.0.split_first_chunk::<3>()?;
        let length = u16::from_le_bytes([low, high]);
        let (bytes, rest) = match length {
            UNREADABLE => (None, rest),
            length => rest.split_at_checked(length.into()).map(|(b, r)| (Some(b), r))?,
        };
        self.0 = rest;
        Some((place.into(), bytes))
    }
}
