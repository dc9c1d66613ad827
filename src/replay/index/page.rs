//! Finding pages: in what waits to be written, in the cache, in the file.

use std::ops::Deref;
use std::sync::Arc;

use rayon::prelude::*;

use super::catalogue::ChunkPlace;
use super::chunk::{Chunk, zero_hash};
use super::stored::Stored;
use super::writer::{Job, Shared, State};
use super::{Hash, IndexError, PAGE, Page};

/// Chunks loaded before their pages are given away: 2 MiB.
const WINDOW: usize = 64;
/// Chunks that are loaded faster than another thread is woken.
const FEWEST: usize = 4;

static ZERO: Page = [0; PAGE];

/// A page that was found. It keeps its neighbours in memory, so it should not be kept for long.
pub struct PageRef(Found);

enum Found {
    Zero,
    Waiting(Arc<Job>, usize),
    Loaded(Arc<Chunk>, usize),
}

impl Deref for PageRef {
    type Target = Page;
    fn deref(&self) -> &Page {
        match &self.0 {
            Found::Zero => &ZERO,
            Found::Waiting(job, at) => &job.pages[*at].1,
            Found::Loaded(chunk, at) => chunk.page(*at),
        }
    }
}

/// Where a page is.
enum Place {
    Found(Found),
    /// By its number in the file.
    Stored(u32),
}

impl State {
    fn find(&self, hash: &Hash) -> Result<Place, IndexError> {
        if hash == zero_hash() {
            return Ok(Place::Found(Found::Zero));
        }
        if let Some((job, at)) = self.waiting.get(hash) {
            return Ok(Place::Found(Found::Waiting(job.clone(), *at)));
        }
        let number = self.stored.catalogue().number(hash);
        number.map(Place::Stored).ok_or_else(|| unknown(hash))
    }
}

fn unknown(hash: &Hash) -> IndexError {
    IndexError::UnknownPage { hash: blake3::Hash::from_bytes(*hash).to_hex().to_string() }
}

impl Shared {
    /// See `Index::page`.
    pub fn page(&self, hash: &Hash) -> Result<PageRef, IndexError> {
        let (place, stored) = {
            let state = self.state();
            (state.find(hash)?, state.stored.clone())
        };
        match place {
            Place::Found(found) => Ok(PageRef(found)),
            Place::Stored(number) => {
                let (chunk, at) = stored.page(number, &self.cache)?;
                Ok(PageRef(Found::Loaded(chunk, at)))
            }
        }
    }
    /// See `Index::pages`.
    pub fn pages(&self, hashes: &[Hash], take: &mut dyn FnMut(usize, &Page)) -> Result<(), IndexError> {
        let mut numbers = Vec::with_capacity(hashes.len());
        let mut found = Vec::new();
        let stored = {
            let state = self.state();
            for (i, hash) in hashes.iter().enumerate() {
                match state.find(hash)? {
                    Place::Found(page) => found.push((i, PageRef(page))),
                    Place::Stored(number) => numbers.push((number, i)),
                }
            }
            state.stored.clone()
        };
        for (i, page) in found {
            take(i, &page);
        }
        numbers.sort_unstable();
        for window in by_chunk(&stored, &numbers)?.chunks(WINDOW) {
            let load = |(place, _): &(ChunkPlace, Vec<_>)| stored.chunk(place, &self.cache);
            let chunks: Result<Vec<_>, IndexError> = window.par_iter().with_min_len(FEWEST).map(load).collect();
            for ((_, wanted), chunk) in window.iter().zip(chunks?) {
                wanted.iter().for_each(|&(at, i)| take(i, chunk.page(at)));
            }
        }
        Ok(())
    }
}

/// A chunk, and of each page wanted: which of the chunk's it is, and its place among all that are wanted.
type Wanted = (ChunkPlace, Vec<(usize, usize)>);

/// Page numbers in ascending order, with their places, by the chunk that has them.
fn by_chunk(stored: &Stored, numbers: &[(u32, usize)]) -> Result<Vec<Wanted>, IndexError> {
    let mut all: Vec<Wanted> = Vec::new();
    for &(number, i) in numbers {
        let (place, at) = stored.place(number)?;
        match all.last_mut() {
            Some((last, wanted)) if last.offset == place.offset => wanted.push((at, i)),
            _ => all.push((place, vec![(at, i)])),
        }
    }
    Ok(all)
}
