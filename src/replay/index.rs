//! What is derived from a recording and kept beside it: snapshots, and for each slice between two of them the pages it touched.

use crate::machine::digest::Hash;
use crate::moment::Moment;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// The bytes of a page.
pub type Page = [u8; 4096];

/// Supersets of the pages that a slice touched: (root, linear page number), root 0 for the upper half; RAM page indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSets {
    pub executed: Vec<(u64, u64)>,
    pub read: Vec<(u64, u64)>,
    pub written: Vec<(u64, u64)>,
    pub executed_physical: Vec<u32>,
    pub read_physical: Vec<u32>,
}

/// What one slice adds: everything about (from, to], and the snapshot at `to`.
#[derive(Clone, Debug)]
pub struct Slice {
    pub from: Moment,
    pub to: Moment,
    /// The encoded state at `to`.
    pub state: Vec<u8>,
    /// RAM pages written, ascending, with their content at `to`.
    pub changed: Vec<(u32, Hash)>,
    pub sets: PageSets,
}

#[derive(Debug, thiserror::Error)]
#[error("index: {0}")]
pub struct IndexError(String);

#[derive(Default)]
struct Inner {
    slices: Vec<Arc<Slice>>,
    pages: BTreeMap<Hash, Arc<Page>>,
    is_complete: bool,
}

pub struct Index(RwLock<Inner>);

impl Index {
    pub fn in_memory() -> Index {
        Index(RwLock::default())
    }
    pub fn slices(&self) -> usize {
        self.0.read().unwrap().slices.len()
    }
    pub fn slice(&self, i: usize) -> Arc<Slice> {
        self.0.read().unwrap().slices[i].clone()
    }
    pub fn is_stored(&self, hash: &Hash) -> bool {
        self.0.read().unwrap().pages.contains_key(hash)
    }
    pub fn append(&self, slice: Slice, pages: Vec<(Hash, Box<Page>)>) -> Result<(), IndexError> {
        let mut inner = self.0.write().unwrap();
        inner.slices.push(Arc::new(slice));
        for (hash, page) in pages {
            inner.pages.insert(hash, Arc::from(page));
        }
        Ok(())
    }
    pub fn is_complete(&self) -> bool {
        self.0.read().unwrap().is_complete
    }
    pub fn complete(&self) -> Result<(), IndexError> {
        self.0.write().unwrap().is_complete = true;
        Ok(())
    }
    /// Hands the pages with these hashes out, in any order: the number in `hashes` and the bytes.
    pub fn pages(&self, hashes: &[Hash], each: &mut dyn FnMut(usize, &Page)) -> Result<(), IndexError> {
        let inner = self.0.read().unwrap();
        for (i, hash) in hashes.iter().enumerate() {
            let page = inner.pages.get(hash).ok_or_else(|| IndexError("a page is missing".into()))?;
            each(i, page);
        }
        Ok(())
    }
}
