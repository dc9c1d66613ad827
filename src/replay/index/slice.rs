//! What one slice adds, and how it is written: ascending numbers as their distances, packed.

use serde::{Deserialize, Serialize};

use super::Hash;
use super::format::MAX_SLICE;
use crate::moment::Moment;

/// What one slice adds: everything about the instructions in `from..to`, and the snapshot at `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Where the slice before it ends; Moment 0 for the first.
    pub from: Moment,
    /// Where it ends; later than `from`.
    pub to: Moment,
    /// `machine::MachineState` at `to`, in postcard's encoding.
    pub state: Vec<u8>,
    /// RAM pages written in this slice, ascending, with their contents at `to`.
    pub changed: Vec<(u32, Hash)>,
    /// What it touched.
    pub sets: PageSets,
}

/// Supersets of the pages that a slice touched, each in ascending order without repeats.
///
/// A linear page is (address space, linear page number). The address space 0 is the upper half, which counts for every
/// address space; any other number is CR3's page frame number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSets {
    /// Linear pages that code was fetched from.
    pub executed: Vec<(u64, u64)>,
    /// Linear pages read.
    pub read: Vec<(u64, u64)>,
    /// Linear pages written.
    pub written: Vec<(u64, u64)>,
    /// RAM page indices that code was fetched from.
    pub executed_physical: Vec<u32>,
    /// RAM page indices read. Those written are the slice's `changed`.
    pub read_physical: Vec<u32>,
}

impl PageSets {
    /// Everything that one of the two touched.
    pub fn union(&self, other: &PageSets) -> PageSets {
        PageSets {
            executed: merge(&self.executed, &other.executed),
            read: merge(&self.read, &other.read),
            written: merge(&self.written, &other.written),
            executed_physical: merge(&self.executed_physical, &other.executed_physical),
            read_physical: merge(&self.read_physical, &other.read_physical),
        }
    }
    fn linear(&self) -> [&Vec<(u64, u64)>; 3] {
        [&self.executed, &self.read, &self.written]
    }
    fn physical(&self) -> [&Vec<u32>; 2] {
        [&self.executed_physical, &self.read_physical]
    }
}

fn merge<T: Ord + Copy>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

impl Slice {
    /// This slice and the one that follows it as one slice.
    pub fn joined(&self, next: &Slice) -> Slice {
        let later = |page: u32| next.changed.binary_search_by_key(&page, |c| c.0).is_ok();
        let mut changed: Vec<_> = self.changed.iter().copied().filter(|c| !later(c.0)).collect();
        changed.extend_from_slice(&next.changed);
        changed.sort_unstable_by_key(|c| c.0);
        Slice { from: self.from, to: next.to, state: next.state.clone(), changed, sets: self.sets.union(&next.sets) }
    }
    /// What makes it unfit to be written, if something does.
    pub fn misfit(&self, page_count: u32) -> Option<&'static str> {
        let sets = &self.sets;
        if !self.changed.is_sorted_by(|a, b| a.0 < b.0) || self.changed.last().is_some_and(|c| c.0 >= page_count) {
            return Some("its changed pages are not ascending page indices of the RAM");
        }
        if sets.linear().iter().any(|set| !set.is_sorted_by(|a, b| a < b)) {
            return Some("a set of linear pages is not ascending");
        }
        if sets.physical().iter().any(|set| !is_ascending_below(set, page_count)) {
            return Some("a set of RAM pages is not ascending page indices of the RAM");
        }
        (self.largest_encoding() > MAX_SLICE).then_some("it is larger than the 64 MiB that a slice may have")
    }
    /// Bytes that its encoding cannot exceed.
    fn largest_encoding(&self) -> usize {
        let linear: usize = self.sets.linear().iter().map(|set| set.len()).sum();
        let physical: usize = self.sets.physical().iter().map(|set| set.len()).sum();
        // Varints: 10 bytes for a u64, 5 for a u32. A linear page alone in its address space also has a list's length.
        self.state.len() + 25 * linear + 10 * (physical + self.changed.len()) + 256
    }
    /// Bytes that it takes in memory, about.
    pub fn cost(&self) -> usize {
        let linear: usize = self.sets.linear().iter().map(|set| set.len()).sum();
        let physical: usize = self.sets.physical().iter().map(|set| set.len()).sum();
        size_of::<Slice>() + self.state.len() + 36 * self.changed.len() + 16 * linear + 4 * physical
    }
}

fn is_ascending_below(set: &[u32], limit: u32) -> bool {
    set.is_sorted_by(|a, b| a < b) && set.last().is_none_or(|last| *last < limit)
}

/// One address space and the distances of its pages.
type Space = (u64, Vec<u64>);

/// A slice as it is written: contents by their number in the file (0 for the zero page), numbers as distances.
#[derive(Serialize, Deserialize)]
pub struct Written {
    pub from: Moment,
    pub to: Moment,
    state: Vec<u8>,
    changed: Vec<u64>,
    contents: Vec<u32>,
    linear: [Vec<Space>; 3],
    physical: [Vec<u64>; 2],
}

impl Written {
    /// With the number of each changed page's content.
    pub fn new(slice: &Slice, number: impl Fn(&Hash) -> u32) -> Written {
        Written {
            from: slice.from,
            to: slice.to,
            state: slice.state.clone(),
            changed: distances(slice.changed.iter().map(|c| c.0.into())),
            contents: slice.changed.iter().map(|c| number(&c.1)).collect(),
            linear: slice.sets.linear().map(|set| spaces(set)),
            physical: slice.sets.physical().map(|set| distances(set.iter().map(|&p| p.into()))),
        }
    }
    /// The slice again; `None` where a number has no content, or the bytes were never a slice of this RAM.
    pub fn read(self, page_count: u32, content: impl Fn(u32) -> Option<Hash>) -> Option<Slice> {
        if self.changed.len() != self.contents.len() {
            return None;
        }
        let pages = page_indices(&self.changed)?;
        let contents: Option<Vec<Hash>> = self.contents.iter().map(|&n| content(n)).collect();
        let [executed, read, written] = self.linear;
        let [executed_physical, read_physical] = &self.physical;
        let sets = PageSets {
            executed: linear_pages(&executed)?,
            read: linear_pages(&read)?,
            written: linear_pages(&written)?,
            executed_physical: page_indices(executed_physical)?,
            read_physical: page_indices(read_physical)?,
        };
        let changed = pages.into_iter().zip(contents?).collect();
        let slice = Slice { from: self.from, to: self.to, state: self.state, changed, sets };
        (slice.from < slice.to && slice.misfit(page_count).is_none()).then_some(slice)
    }
}

fn spaces(set: &[(u64, u64)]) -> Vec<Space> {
    set.chunk_by(|a, b| a.0 == b.0).map(|pages| (pages[0].0, distances(pages.iter().map(|p| p.1)))).collect()
}

fn linear_pages(spaces: &[Space]) -> Option<Vec<(u64, u64)>> {
    let mut all = Vec::new();
    for (root, pages) in spaces {
        all.extend(sums(pages)?.into_iter().map(|page| (*root, page)));
    }
    Some(all)
}

fn page_indices(distances: &[u64]) -> Option<Vec<u32>> {
    sums(distances)?.into_iter().map(|n| u32::try_from(n).ok()).collect()
}

/// Of strictly ascending numbers: the first, then how many are left out in between.
fn distances(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut due = 0;
    numbers.map(|n| n - std::mem::replace(&mut due, n.wrapping_add(1))).collect()
}

fn sums(distances: &[u64]) -> Option<Vec<u64>> {
    let mut due = Some(0u64);
    let mut next = |d: &u64| {
        let n = due?.checked_add(*d)?;
        due = n.checked_add(1);
        Some(n)
    };
    distances.iter().map(&mut next).collect()
}
