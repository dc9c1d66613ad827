//! Finding pages: in what waits to be written, in the cache, in the file.

use std::ops::Deref;
use std::sync::Arc;

use super::catalogue::ChunkPlace;
use super::chunk::{Chunk, zero_hash};
use super::stored::Stored;
use super::writer::{Job, Shared, State};
use super::{Hash, IndexError, PAGE, Page};

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
        let mut reader = InOrder { shared: self, stored: &stored, last: None };
        numbers.iter().try_for_each(|&(number, i)| reader.page(number, &mut |page| take(i, page)))
    }
}

/// Loads each chunk once, even if the cache has no room for it.
struct InOrder<'a> {
    shared: &'a Shared,
    stored: &'a Stored,
    last: Option<(ChunkPlace, Arc<Chunk>)>,
}

impl InOrder<'_> {
    fn page(&mut self, number: u32, take: &mut dyn FnMut(&Page)) -> Result<(), IndexError> {
        let (place, index) = self.stored.place(number)?;
        let chunk = match self.last.take() {
            Some((last, chunk)) if last.offset == place.offset => chunk,
            _ => self.stored.chunk(&place, &self.shared.cache)?,
        };
        take(chunk.page(index));
        self.last = Some((place, chunk));
        Ok(())
    }
}
