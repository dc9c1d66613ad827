//! What was loaded last, up to a number of bytes: chunks of pages and slices, the least recently used one goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chunk::Chunk;
use super::slice::Slice;

/// The file (by its serial number in this process) and the record's offset in it.
pub type Key = (u64, u64);

/// Something loaded.
#[derive(Clone)]
pub enum Loaded {
    /// Pages.
    Chunk(Arc<Chunk>),
    /// A slice.
    Slice(Arc<Slice>),
}

impl Loaded {
    fn cost(&self) -> usize {
        match self {
            Loaded::Chunk(chunk) => chunk.cost(),
            Loaded::Slice(slice) => slice.cost(),
        }
    }
}

/// The cache. A thing larger than the whole budget is not kept.
pub struct Cache {
    budget: usize,
    used: usize,
    clock: u64,
    entries: BTreeMap<Key, (u64, Loaded)>,
    by_age: BTreeMap<u64, Key>,
}

impl Cache {
    /// With room for so many bytes.
    pub fn new(budget: usize) -> Cache {
        Cache { budget, used: 0, clock: 0, entries: BTreeMap::new(), by_age: BTreeMap::new() }
    }
    /// What is kept there, which is then the most recently used.
    pub fn get(&mut self, key: Key) -> Option<Loaded> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        self.by_age.remove(&entry.0);
        self.by_age.insert(self.clock, key);
        entry.0 = self.clock;
        Some(entry.1.clone())
    }
    /// Keeps something.
    pub fn insert(&mut self, key: Key, loaded: Loaded) {
        let cost = loaded.cost();
        if cost > self.budget || self.get(key).is_some() {
            return;
        }
        while self.used + cost > self.budget && self.drop_oldest() {}
        self.clock += 1;
        self.by_age.insert(self.clock, key);
        self.entries.insert(key, (self.clock, loaded));
        self.used += cost;
    }
    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.by_age.pop_first() else { return false };
        if let Some((_, loaded)) = self.entries.remove(&key) {
            self.used -= loaded.cost();
        }
        true
    }
    /// Bytes kept.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.used
    }
}
