//! One file of the index, or its likeness in memory: adding slices with their pages, and loading them again.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::cache::{Cache, Key, Loaded};
use super::catalogue::{Catalogue, ChunkPlace, SlicePlace};
use super::chunk::{self, Chunk, zero_hash};
use super::format::{self, CHUNK_PAGES, Kind, RECORD_LEN, RecordHead};
use super::slice::{Slice, Written};
use super::storage::Storage;
use super::{Hash, IndexError, Page};

/// zstd's level for slices, which are small.
const SLICE_LEVEL: i32 = 3;

/// A file's records with what is known about them. One thread adds; any number reads.
pub struct Stored {
    serial: u64,
    storage: Storage,
    catalogue: RwLock<Catalogue>,
    page_count: u32,
}

/// Records that are in the file and not yet in the catalogue.
pub struct Added {
    chunks: Vec<(u64, usize, Vec<Hash>)>,
    slice: Option<SlicePlace>,
    completes: bool,
    sum: u32,
    /// Why they are in memory instead, said once.
    pub trouble: Option<io::Error>,
}

impl Stored {
    /// With the records that a catalogue lists.
    pub fn new(storage: Storage, catalogue: Catalogue, page_count: u32) -> Stored {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Stored { serial, storage, catalogue: RwLock::new(catalogue), page_count }
    }
    /// Where the records are kept.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }
    /// What there is.
    pub fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        // Whoever panicked while it wrote had not begun to.
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn catalogue_mut(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.catalogue.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes pages that are not there yet, and then a slice if one is given.
    pub fn write(&self, pages: &[(Hash, &Page)], slice: Option<&Slice>) -> Added {
        let (new, mut sum, next) = {
            let catalogue = self.catalogue();
            (absent(pages, &catalogue), catalogue.sum, catalogue.next_number())
        };
        let mut records = Vec::new();
        let mut chunks = Vec::new();
        for group in new.chunks(CHUNK_PAGES) {
            let (record, next_sum) = format::record(sum, Kind::Pages, &chunk::pack(group));
            sum = next_sum;
            chunks.push((0, record.len(), group.iter().map(|p| p.0).collect()));
            records.push(record);
        }
        let before = sum;
        if let Some(slice) = slice {
            let (record, next_sum) = format::record(sum, Kind::Slice, &self.pack_slice(slice, &new, next));
            sum = next_sum;
            records.push(record);
        }
        let (offsets, trouble) = self.storage.append(&records);
        for (chunk, offset) in chunks.iter_mut().zip(&offsets) {
            chunk.0 = *offset;
        }
        let place = |slice: &Slice| {
            let (offset, record) = offsets.last().zip(records.last())?;
            Some(SlicePlace { to: slice.to, offset: *offset, len: record.len(), before })
        };
        Added { chunks, slice: slice.and_then(place), completes: false, sum, trouble }
    }
    fn pack_slice(&self, slice: &Slice, new: &[(Hash, &Page)], next: Option<u32>) -> Vec<u8> {
        let mut order: Vec<(Hash, u32)> = new.iter().map(|p| p.0).zip(next.unwrap_or(u32::MAX)..).collect();
        order.sort_unstable();
        let catalogue = self.catalogue();
        let among_new = |hash: &Hash| order.binary_search_by_key(hash, |o| o.0).ok().map(|at| order[at].1);
        let number = |hash: &Hash| catalogue.number(hash).or_else(|| among_new(hash));
        // Appending has refused slices whose pages are neither there nor given.
        let written = Written::new(slice, |hash| number(hash).expect("every page of an accepted slice is known"));
        let raw = postcard::to_stdvec(&written).expect("plain data encodes");
        let mut payload = (raw.len() as u32).to_le_bytes().to_vec();
        payload.extend(chunk::compress(&raw, SLICE_LEVEL));
        payload
    }
    /// Writes that the last slice reaches the end.
    pub fn write_complete(&self) -> Added {
        let (record, sum) = format::record(self.catalogue().sum, Kind::Complete, &[]);
        let (_, trouble) = self.storage.append(&[record]);
        Added { chunks: Vec::new(), slice: None, completes: true, sum, trouble }
    }
    /// Makes written records known.
    pub fn commit(&self, added: Added) {
        let mut catalogue = self.catalogue_mut();
        for (offset, len, hashes) in &added.chunks {
            catalogue.add_chunk(*offset, *len, hashes);
        }
        if let Some(slice) = added.slice {
            catalogue.add_slice(slice);
        }
        catalogue.is_complete |= added.completes;
        catalogue.sum = added.sum;
    }

    /// A slice, from the cache or the file.
    pub fn slice(&self, number: usize, cache: &Mutex<Cache>) -> Result<Arc<Slice>, IndexError> {
        let (place, count) = {
            let catalogue = self.catalogue();
            (catalogue.slices().get(number).copied(), catalogue.slices().len())
        };
        let place = place.ok_or(IndexError::NoSlice { number, count })?;
        let key = (self.serial, place.offset);
        if let Some(Loaded::Slice(slice)) = lock(cache).get(key) {
            return Ok(slice);
        }
        let record = self.storage.read(place.offset, place.len)?;
        let slice = self.read_slice(&record, &place).map_err(|what| self.damaged(place.offset, what))?;
        lock(cache).insert(key, Loaded::Slice(slice.clone()));
        Ok(slice)
    }
    fn read_slice(&self, record: &[u8], place: &SlicePlace) -> Result<Arc<Slice>, &'static str> {
        let (head, payload) = record.split_first_chunk::<RECORD_LEN>().ok_or("the record ends too early")?;
        let head = RecordHead::read(head).ok_or("no record begins here")?;
        if !head.seals(place.before, payload) {
            return Err("the slice does not match its checksum");
        }
        unpack_slice(payload, &self.catalogue(), self.page_count).map(Arc::new)
    }

    /// The page with a number from 1, as one of a chunk's.
    pub fn page(&self, number: u32, cache: &Mutex<Cache>) -> Result<(Arc<Chunk>, usize), IndexError> {
        let (place, index) = self.place(number)?;
        Ok((self.chunk(&place, cache)?, index))
    }
    /// The chunk that has the page with a number from 1, and which of its pages it is.
    pub fn place(&self, number: u32) -> Result<(ChunkPlace, usize), IndexError> {
        self.catalogue().place(number).ok_or_else(|| self.damaged(0, "a page number is too high"))
    }
    /// A chunk, from the cache or the file.
    pub fn chunk(&self, place: &ChunkPlace, cache: &Mutex<Cache>) -> Result<Arc<Chunk>, IndexError> {
        let key: Key = (self.serial, place.offset);
        if let Some(Loaded::Chunk(chunk)) = lock(cache).get(key) {
            return Ok(chunk);
        }
        let record = self.storage.read(place.offset, place.len)?;
        let chunk = Arc::new(Chunk::read(&record).map_err(|what| self.damaged(place.offset, what))?);
        lock(cache).insert(key, Loaded::Chunk(chunk.clone()));
        Ok(chunk)
    }
    fn damaged(&self, offset: u64, what: &'static str) -> IndexError {
        let path: PathBuf = self.storage.path().to_path_buf();
        IndexError::Damaged { path, offset, what }
    }
}

/// The slice in a record's payload, whose pages the catalogue has.
pub fn unpack_slice(payload: &[u8], catalogue: &Catalogue, page_count: u32) -> Result<Slice, &'static str> {
    let (len, packed) = format::read_packed(payload).ok_or("the slice is malformed")?;
    let raw = chunk::unpack(packed, len).ok_or("the slice does not decompress")?;
    let written: Written = postcard::from_bytes(&raw).map_err(|_| "the slice is malformed")?;
    written.read(page_count, |number| catalogue.content(number)).ok_or("the slice does not fit this machine")
}

/// The pages that have to be written, each once.
fn absent<'a>(pages: &[(Hash, &'a Page)], catalogue: &Catalogue) -> Vec<(Hash, &'a Page)> {
    let mut seen = BTreeSet::new();
    let is_new = |hash: &Hash| hash != zero_hash() && catalogue.number(hash).is_none();
    pages.iter().copied().filter(|(hash, _)| is_new(hash) && seen.insert(*hash)).collect()
}

/// The cache, for a moment.
pub fn lock(cache: &Mutex<Cache>) -> std::sync::MutexGuard<'_, Cache> {
    // A cache that lost track of its size is still right about contents.
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}
