//! Walking through a file that was found: everything up to the last whole slice is taken, nothing after it.

use std::fs::File;
use std::io::{self, BufReader, Read};

use super::Origin;
use super::catalogue::{Catalogue, SlicePlace};
use super::format::{self, Foreign, HEADER_LEN, Kind, RECORD_LEN, RecordHead};
use super::stored::unpack_slice;

/// What a file of this recording holds.
pub struct Walked {
    /// Its slices and their pages.
    pub catalogue: Catalogue,
    /// See `Index::stride`.
    pub stride: u32,
    /// Where the last whole slice ends.
    pub end: u64,
    /// Where and why the walk ended, if not at the end of the file.
    pub stopped: Option<(u64, &'static str)>,
}

/// Reads all of a file. The inner error is about whose file it is.
pub fn walk(file: &File, of: &Origin) -> io::Result<Result<Walked, Foreign>> {
    let len = file.metadata()?.len();
    let mut input = BufReader::with_capacity(1 << 18, file);
    let mut header = [0; HEADER_LEN];
    if len < HEADER_LEN as u64 {
        return Ok(Err(Foreign::Damaged));
    }
    input.read_exact(&mut header)?;
    let stride = match format::check_header(&header, of) {
        Ok(stride) => stride,
        Err(foreign) => return Ok(Err(foreign)),
    };
    let catalogue = Catalogue::new(format::header_sum(&header));
    let mut walker = Walker { of, catalogue, at: HEADER_LEN as u64, end: HEADER_LEN as u64, payload: Vec::new() };
    let stopped = walker.records(&mut input, len)?;
    Ok(Ok(Walked { catalogue: walker.catalogue, stride, end: walker.end, stopped }))
}

struct Walker<'a> {
    of: &'a Origin,
    catalogue: Catalogue,
    at: u64,
    end: u64,
    payload: Vec<u8>,
}

impl Walker<'_> {
    fn records(&mut self, input: &mut impl Read, len: u64) -> io::Result<Option<(u64, &'static str)>> {
        let mut mark = self.catalogue.mark();
        let stopped = loop {
            if self.at == len {
                break (self.end < len).then_some("the last slice is not whole");
            }
            match self.record(input, len - self.at)? {
                Ok(Kind::Pages) => {}
                Ok(_) => {
                    mark = self.catalogue.mark();
                    self.end = self.at;
                }
                Err(what) => break Some(what),
            }
        };
        self.catalogue.go_back(&mark);
        Ok(stopped.map(|what| (self.at, what)))
    }
    /// One record, with `left` bytes in the file.
    fn record(&mut self, input: &mut impl Read, left: u64) -> io::Result<Result<Kind, &'static str>> {
        if left < RECORD_LEN as u64 {
            return Ok(Err("the file ends inside a record"));
        }
        let mut head = [0; RECORD_LEN];
        input.read_exact(&mut head)?;
        let Some(head) = RecordHead::read(&head) else { return Ok(Err("no record begins here")) };
        if left - (RECORD_LEN as u64) < head.len as u64 {
            return Ok(Err("the file ends inside a record"));
        }
        self.payload.resize(head.len, 0);
        input.read_exact(&mut self.payload)?;
        Ok(self.take(&head))
    }
    fn take(&mut self, head: &RecordHead) -> Result<Kind, &'static str> {
        if !head.seals(self.catalogue.sum, &self.payload) {
            return Err("a record does not match its checksum");
        }
        if self.catalogue.is_complete {
            return Err("a record follows the end");
        }
        let len = RECORD_LEN + head.len;
        match head.kind {
            Kind::Pages => self.chunk()?,
            Kind::Slice => self.slice(len)?,
            Kind::Complete => self.catalogue.is_complete = true,
        }
        self.catalogue.sum = head.sum;
        self.at += len as u64;
        Ok(head.kind)
    }
    fn chunk(&mut self) -> Result<(), &'static str> {
        let (hashes, _) = format::read_chunk(&self.payload).ok_or("a chunk is malformed")?;
        let is_counted = self.catalogue.add_chunk(self.at, RECORD_LEN + self.payload.len(), hashes);
        is_counted.then_some(()).ok_or("there are too many pages")
    }
    fn slice(&mut self, len: usize) -> Result<(), &'static str> {
        let slice = unpack_slice(&self.payload, &self.catalogue, self.of.page_count)?;
        if slice.from != self.catalogue.end() {
            return Err("a slice does not follow the one before it");
        }
        let before = self.catalogue.sum;
        self.catalogue.add_slice(SlicePlace { to: slice.to, offset: self.at, len, before });
        Ok(())
    }
}
