//! The Digest: one BLAKE3 hash over all of the machine's state.
//!
//! ```text
//! digest = H(group 0 .. group n | state bytes)     group = H(128 page hashes)     page hash = H(4096 bytes)
//! ```
//! Only pages written since the last Digest are hashed anew, and only their groups. The state bytes are the saved
//! state of CPU and devices, by name, in postcard's encoding.

use crate::cpu::phys::PhysMemory;

const GROUP: usize = 128;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// The hashes of all pages, as of the last Digest.
pub struct PageHashes {
    pages: Vec<Hash>,
    groups: Vec<Hash>,
}

impl PageHashes {
    /// For RAM that is all zero.
    pub fn of_zeros(page_count: usize) -> PageHashes {
        let zero = *blake3::hash(&[0; 4096]).as_bytes();
        let pages = vec![zero; page_count];
        let groups = pages.chunks(GROUP).map(hash_group).collect();
        PageHashes { pages, groups }
    }
    /// The hash of one page.
    pub fn page(&self, index: usize) -> &Hash {
        &self.pages[index]
    }
    /// Takes in the pages that changed (ascending page indices).
    pub fn update(&mut self, phys: &PhysMemory, changed: &[u32]) {
        let mut stale = None;
        for &i in changed {
            let i = i as usize;
            self.pages[i] = *blake3::hash(phys.page_bytes(i)).as_bytes();
            if stale.is_some_and(|g| g != i / GROUP) {
                self.refresh(stale);
            }
            stale = Some(i / GROUP);
        }
        self.refresh(stale);
    }
    fn refresh(&mut self, group: Option<usize>) {
        if let Some(g) = group {
            let end = self.pages.len().min((g + 1) * GROUP);
            self.groups[g] = hash_group(&self.pages[g * GROUP..end]);
        }
    }
    /// The Digest, given the bytes of all other state.
    pub fn digest(&self, state: &[u8]) -> Hash {
        let mut h = blake3::Hasher::new();
        h.update(self.groups.as_flattened());
        h.update(state);
        *h.finalize().as_bytes()
    }
}

/// A set of RAM pages, by index.
pub struct PageSet {
    has: Vec<bool>,
    list: Vec<u32>,
}

impl PageSet {
    /// An empty set for a machine with this many pages.
    pub fn new(page_count: usize) -> PageSet {
        PageSet { has: vec![false; page_count], list: Vec::new() }
    }
    /// Adds a page.
    pub fn add(&mut self, page: u32) {
        if !std::mem::replace(&mut self.has[page as usize], true) {
            self.list.push(page);
        }
    }
    /// Empties the set: its pages in ascending order.
    pub fn take(&mut self) -> Vec<u32> {
        let mut list = std::mem::take(&mut self.list);
        list.iter().for_each(|&page| self.has[page as usize] = false);
        list.sort_unstable();
        list
    }
}

fn hash_group(pages: &[Hash]) -> Hash {
    *blake3::hash(pages.as_flattened()).as_bytes()
}
