//! Finds the kernel's own symbol table (kallsyms) in its image, by shape alone: no version number is asked.
//!
//! ```text
//! until 6.3    offsets u32[n] | relative_base u64 | num_syms u32 | names | markers u32[n/256] | (3-byte order) | token_table | token_index u16[256]
//! since 6.4    num_syms u32 | names | markers | token_table | token_index | offsets | (relative_base) | (3-byte order)
//! ```
//! Each part starts at a multiple of 8. A name is a length (one byte, or two with bit 7 of the first set) and that many
//! token numbers; a token is a piece of text; the first character of an expanded name is its type. Markers give the
//! offset of every 256th name. Source: scripts/kallsyms.c and kernel/kallsyms.c of several versions, and images.
//!
//! The way in is the token table: the tokens of the ten digits stand for themselves, so it holds "0\0" to "9\0".

use super::absent::{Known, Why};
use super::image::{Image, Run};
use super::memory::{le_u16, le_u32, le_u64};
use super::symbols::{Symbol, Symbols};

const TOKENS: usize = 256;
/// Names between two markers.
const STRIDE: usize = 256;
/// A smaller table is taken to be something else.
const FEWEST_MARKERS: usize = 64;
/// How far before the tokens the markers may be: the 3-byte order of all names lies between.
const FARTHEST_MARKERS: usize = 8 << 20;
/// Least and greatest bytes that 256 names take.
const STEP: std::ops::RangeInclusive<u32> = 256..=32768;

/// The symbols of the kernel in `image`.
pub fn find(image: &Image) -> Known<Symbols> {
    let tables = image.runs.iter().flat_map(|run| anchors(&run.bytes).map(move |at| (run, at)));
    let symbols = tables.filter_map(|(run, at)| Tokens::around(&run.bytes, at)?.symbols(run, image)).next();
    let clue = "no kallsyms token table in the kernel image".to_owned();
    symbols.ok_or_else(|| Why::NotLinux { clue }.for_fact("kernel symbols"))
}

/// Where the ten digits stand for themselves.
fn anchors(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    const DIGITS: &[u8; 20] = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0";
    memchr::memmem::find_iter(bytes, DIGITS)
}

const fn aligned(at: usize) -> usize {
    at.next_multiple_of(8)
}

/// The token table and its index.
struct Tokens<'i> {
    bytes: &'i [u8],
    /// Offset of the token table in the run.
    start: usize,
    /// One past the index.
    end: usize,
    tokens: Vec<&'i [u8]>,
}

impl<'i> Tokens<'i> {
    /// The table whose token 0x30 is at `digit_zero`. Where token 0 starts is known only to lie on a multiple of 8; the
    /// index, which repeats all offsets, decides.
    fn around(bytes: &'i [u8], digit_zero: usize) -> Option<Tokens<'i>> {
        const LONGEST_TOKEN: usize = 64;
        let before = bytes.get(..digit_zero)?;
        let ends = before.iter().enumerate().rev().filter(|(_, b)| **b == 0).map(|(at, _)| at);
        let first_end = ends.take(0x30).last()?;
        let earliest = first_end.saturating_sub(LONGEST_TOKEN);
        (earliest..=first_end).filter(|at| at % 8 == 0).find_map(|start| Tokens::at(bytes, start))
    }

    fn at(bytes: &'i [u8], start: usize) -> Option<Tokens<'i>> {
        let mut tokens = Vec::with_capacity(TOKENS);
        let mut offsets = Vec::with_capacity(TOKENS);
        let mut at = start;
        for _ in 0..TOKENS {
            let length = bytes.get(at..)?.iter().take(1024).position(|&b| b == 0)?;
            offsets.push(at - start);
            tokens.push(&bytes[at..at + length]);
            at += length + 1;
        }
        let index = aligned(at);
        let is_index = |(i, offset): (usize, &usize)| {
            bytes.get(index + 2 * i..).and_then(le_u16).is_some_and(|o| usize::from(o) == *offset)
        };
        let is_table = offsets.iter().enumerate().all(is_index);
        is_table.then_some(Tokens { bytes, start, end: index + 2 * TOKENS, tokens })
    }

    fn symbols(&self, run: &Run, image: &Image) -> Option<Symbols> {
        let (at, markers) = self.markers()?;
        let (start, count) = self.names(at, &markers)?;
        let names = self.expand(start, count, at)?;
        let text = names.iter().position(|(_, name)| name == "_text")?;
        let addresses = self.addresses(run, start, count);
        let addresses = addresses.into_iter().flatten().find(|a| a.get(text) == Some(&image.base()))?;
        Some(Symbols::new(names.into_iter().zip(addresses).map(|((kind, name), address)| Symbol {
            address,
            kind,
            name,
        })))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        le_u32(self.bytes.get(at..)?)
    }

    /// Offset and values of the markers: a 0 and then ever more, searched backwards from the tokens.
    fn markers(&self) -> Option<(usize, Vec<u32>)> {
        let earliest = self.start.saturating_sub(FARTHEST_MARKERS).next_multiple_of(8);
        let is_zero = |at: &usize| self.u32(*at) == Some(0);
        let found = |at: usize| Some((at, self.markers_at(at))).filter(|(_, m)| m.len() > FEWEST_MARKERS);
        (earliest..self.start).step_by(8).rev().filter(is_zero).find_map(found)
    }

    fn markers_at(&self, at: usize) -> Vec<u32> {
        let mut markers = vec![0];
        let mut last = 0u32;
        for place in (at + 4..self.start).step_by(4) {
            let Some(next) = self.u32(place).filter(|m| m.checked_sub(last).is_some_and(|s| STEP.contains(&s))) else {
                break;
            };
            markers.push(next);
            last = next;
        }
        markers
    }

    /// Offset of the first name, and how many there are: the names end where the markers begin, and the first two
    /// markers are where a walk over the names comes by.
    fn names(&self, markers_at: usize, markers: &[u32]) -> Option<(usize, usize)> {
        let last = *markers.last()? as usize;
        let latest = markers_at.checked_sub(*markers.get(markers.len().checked_sub(3)?)? as usize)?;
        let earliest = markers_at.saturating_sub(last + 2 * *STEP.end() as usize).next_multiple_of(8);
        (earliest..latest + 1).step_by(8).rev().find_map(|start| {
            let count = self.u32(start.checked_sub(8)?)? as usize;
            // What follows the markers may look like one more.
            let is_count = (markers.len() - 1..=markers.len()).contains(&count.div_ceil(STRIDE));
            let first = self.skip(start, STRIDE).filter(|_| is_count)?;
            let second = self.skip(first, STRIDE).filter(|_| first - start == markers[1] as usize)?;
            (second - start == markers[2] as usize).then_some((start, count))
        })
    }

    /// Where the name `count` names later starts.
    fn skip(&self, at: usize, count: usize) -> Option<usize> {
        (0..count).try_fold(at, |at, _| self.name(at).map(|(_, next)| next))
    }

    /// The token numbers of the name at an offset, and where the next is.
    fn name(&self, at: usize) -> Option<(&'i [u8], usize)> {
        let first = usize::from(*self.bytes.get(at)?);
        let (length, start) = if first & 0x80 == 0 {
            (first, at + 1)
        } else {
            (first & 0x7f | usize::from(*self.bytes.get(at + 1)?) << 7, at + 2)
        };
        Some((self.bytes.get(start..start + length)?, start + length))
    }

    /// All types and names. They must end where the markers begin.
    fn expand(&self, start: usize, count: usize, markers_at: usize) -> Option<Vec<(u8, String)>> {
        let mut at = start;
        let mut names = Vec::with_capacity(count.min(self.bytes.len()));
        let mut whole = Vec::new();
        for _ in 0..count {
            let (numbers, next) = self.name(at).filter(|(_, next)| *next <= markers_at)?;
            whole.clear();
            numbers.iter().for_each(|&n| whole.extend_from_slice(self.tokens[usize::from(n)]));
            let (kind, name) = whole.split_first().filter(|(_, name)| !name.is_empty())?;
            names.push((*kind, String::from_utf8_lossy(name).into_owned()));
            at = next;
        }
        (aligned(at) == markers_at).then_some(names)
    }

    /// The addresses, read in every way that some kernel writes them.
    fn addresses(&self, run: &Run, names: usize, count: usize) -> [Option<Vec<u64>>; 3] {
        let table = |at: usize| {
            let bytes = self.bytes.get(at..at.checked_add(4 * count)?)?;
            Some(bytes.chunks_exact(4).filter_map(le_u32).collect::<Vec<u32>>())
        };
        let base = |at: usize| le_u64(self.bytes.get(at..)?);
        let before = names.checked_sub(16).and_then(|base_at| {
            let at = base_at.checked_sub(aligned(4 * count))?;
            Some(relative(&table(at)?, base(base_at)?))
        });
        let behind_at = aligned(self.end);
        let behind = table(behind_at);
        let behind_relative =
            behind.as_ref().and_then(|offsets| Some(relative(offsets, base(behind_at + aligned(4 * count))?)));
        let pc_relative = behind.map(|offsets| {
            let place = |i: usize| run.va + (behind_at + 4 * i) as u64;
            offsets.iter().enumerate().map(|(i, &o)| place(i).wrapping_add_signed(i64::from(o as i32))).collect()
        });
        [before, behind_relative, pc_relative]
    }
}

/// Offsets to addresses. Where most are negative, the kernel was built with absolute per-CPU symbols: those that are not
/// negative are values, the others count down from the base.
fn relative(offsets: &[u32], base: u64) -> Vec<u64> {
    let negative = offsets.iter().filter(|o| (**o as i32) < 0).count();
    let has_absolute = negative > offsets.len() / 2;
    let address = |&offset: &u32| match offset as i32 {
        value if has_absolute && value >= 0 => u64::from(offset),
        value if has_absolute => base.wrapping_sub(1).wrapping_sub(i64::from(value) as u64),
        _ => base.wrapping_add(u64::from(offset)),
    };
    offsets.iter().map(address).collect()
}
