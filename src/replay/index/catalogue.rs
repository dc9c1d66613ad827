//! What a file holds and where: every page by its hash, every slice by its number.

use std::collections::BTreeMap;

use super::Hash;
use super::chunk::zero_hash;
use super::format::HASH_LEN;
use crate::moment::Moment;

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
pub struct ChunkPlace {
    /// Of its record.
    pub offset: u64,
    /// Of the whole record, in bytes.
    pub len: usize,
    /// Number of its first page.
    pub first: u32,
}

/// Where a slice is.
#[derive(Clone, Copy, Debug)]
pub struct SlicePlace {
    /// Its end.
    pub to: Moment,
    /// Of its record.
    pub offset: u64,
    /// Of the whole record, in bytes.
    pub len: usize,
    /// Checksum of the record in front of it.
    pub before: u32,
}

/// The contents of one file. Pages have the numbers 1, 2, ... in the order of the file; 0 is the page of zeros.
#[derive(Clone, Default)]
pub struct Catalogue {
    hashes: Vec<Hash>,
    numbers: BTreeMap<Hash, u32>,
    chunks: Vec<ChunkPlace>,
    slices: Vec<SlicePlace>,
    /// True once the last slice reaches the end of the recording.
    pub is_complete: bool,
    /// Checksum of the last record.
    pub sum: u32,
}

impl Catalogue {
    /// Of a file with nothing but a header.
    pub fn new(header_sum: u32) -> Catalogue {
        Catalogue { sum: header_sum, ..Catalogue::default() }
    }
    /// The number of a page's content.
    pub fn number(&self, hash: &Hash) -> Option<u32> {
        if hash == zero_hash() { Some(0) } else { self.numbers.get(hash).copied() }
    }
    /// The content that a number stands for.
    pub fn content(&self, number: u32) -> Option<Hash> {
        match number.checked_sub(1) {
            None => Some(*zero_hash()),
            Some(at) => self.hashes.get(at as usize).copied(),
        }
    }
    /// Where the page with a number from 1 is: its chunk, and which of the chunk's pages it is.
    pub fn place(&self, number: u32) -> Option<(ChunkPlace, usize)> {
        let after = self.chunks.partition_point(|c| c.first <= number);
        let chunk = *self.chunks.get(after.checked_sub(1)?)?;
        Some((chunk, (number - chunk.first) as usize))
    }
    /// The number that the next page gets; `None` if there are as many as can be counted.
    pub fn next_number(&self) -> Option<u32> {
        u32::try_from(self.hashes.len()).ok()?.checked_add(1)
    }
    /// All slices, in order.
    pub fn slices(&self) -> &[SlicePlace] {
        &self.slices
    }
    /// Where the last slice ends.
    pub fn end(&self) -> Moment {
        self.slices.last().map_or(Moment(0), |s| s.to)
    }
    /// Takes in a chunk whose record of `len` bytes is at `offset`; false if there are too many pages.
    pub fn add_chunk(&mut self, offset: u64, len: usize, hashes: &[[u8; HASH_LEN]]) -> bool {
        for hash in hashes {
            let Some(number) = self.next_number() else { return false };
            self.hashes.push(*hash);
            self.numbers.entry(*hash).or_insert(number);
        }
        let first = (self.hashes.len() - hashes.len() + 1) as u32;
        self.chunks.push(ChunkPlace { offset, len, first });
        true
    }
    /// Takes in a slice.
    pub fn add_slice(&mut self, slice: SlicePlace) {
        self.slices.push(slice);
    }
    /// What stands in front of an offset at which a slice ends.
    pub fn up_to(&self, offset: u64) -> Catalogue {
        let mut part = self.clone();
        part.slices.retain(|s| s.offset < offset);
        let chunks = part.chunks.partition_point(|c| c.offset < offset);
        let pages = part.chunks.get(chunks).map_or(part.hashes.len(), |c| c.first as usize - 1);
        part.go_back(&Mark { pages, chunks, sum: self.sum });
        part.is_complete = false;
        part
    }
    /// How much there is, to go back to.
    pub fn mark(&self) -> Mark {
        Mark { pages: self.hashes.len(), chunks: self.chunks.len(), sum: self.sum }
    }
    /// Forgets the pages that came after a mark.
    pub fn go_back(&mut self, mark: &Mark) {
        for hash in self.hashes.drain(mark.pages..) {
            if self.numbers.get(&hash).is_some_and(|&n| n as usize > mark.pages) {
                self.numbers.remove(&hash);
            }
        }
        self.chunks.truncate(mark.chunks);
        self.sum = mark.sum;
    }
}

/// See [`Catalogue::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pages: usize,
    chunks: usize,
    sum: u32,
}
