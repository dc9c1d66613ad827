//! The index folder: what was appended comes back, whatever happens to the file in between.

mod contents;
mod damage;
mod full;
mod sharing;
mod thinning;

use std::path::{Path, PathBuf};

use super::{Hash, Index, Limits, Origin, Page, PageSets, Slice};
use crate::moment::Moment;

/// RAM pages of the machine in these tests.
const PAGES: u32 = 100;

fn origin() -> Origin {
    Origin { identity: [7; 32], rule: "a machine".to_owned(), page_count: PAGES }
}

fn folder(temporary: &tempfile::TempDir) -> PathBuf {
    temporary.path().join("a.reen.index")
}

fn opened(path: &Path) -> (Index, Vec<String>) {
    Index::open(path, &origin(), Limits::default()).expect("opens")
}

/// A page that nothing else has: `kind` 0 packs well, others do not.
fn page(number: u64, kind: u64) -> Box<Page> {
    let mut page = Box::new([0; 4096]);
    page[..8].copy_from_slice(&(number + 1).to_le_bytes());
    if kind != 0 {
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut page[8..]);
    }
    page
}

fn hashed(page: Box<Page>) -> (Hash, Box<Page>) {
    (*blake3::hash(&*page).as_bytes(), page)
}

/// The slice with a number, and its pages: some new, one of the slice before, one of zeros.
fn slice(number: u64) -> (Slice, Vec<(Hash, Box<Page>)>) {
    let mut pages: Vec<_> = (0..10).map(|i| hashed(page(100 * number + i, i % 2))).collect();
    if number > 0 {
        pages.push(hashed(page(100 * (number - 1), 0)));
    }
    pages.push(hashed(Box::new([0; 4096])));
    let first = 3 * (number as u32 % 20);
    let changed = pages.iter().enumerate().map(|(i, (hash, _))| (first + 2 * i as u32, *hash)).collect();
    let n = number;
    let sets = PageSets {
        executed: vec![(0, n), (0, u64::MAX), (n + 1, 5), (n + 1, 6), (u64::MAX, 0)],
        read: vec![(0, 0xf_ffff_8000_0000 + n)],
        written: vec![],
        executed_physical: vec![0, n as u32 % PAGES + 1, PAGES - 1].into_iter().filter(|p| *p < PAGES).collect(),
        read_physical: vec![n as u32 % PAGES],
    };
    let mut sets = sets;
    sets.executed_physical.sort_unstable();
    sets.executed_physical.dedup();
    let (from, to) = (Moment(1000 * n), Moment(1000 * (n + 1)));
    (Slice { from, to, state: vec![n as u8; 300], changed, sets }, pages)
}

fn append(index: &Index, number: u64) {
    let (slice, pages) = slice(number);
    let new = pages.into_iter().filter(|(hash, _)| !index.is_stored(hash)).collect();
    index.append(slice, new).expect("fits");
}

/// An index with so many slices, on the disk.
fn built(path: &Path, slices: u64) {
    let (index, notes) = opened(path);
    assert_eq!(notes, [""; 0]);
    (0..slices).for_each(|n| append(&index, n));
    index.complete();
}

/// Whatever an index has must be what was appended.
fn check(index: &Index) {
    for n in 0..index.slices() {
        let (expected, pages) = slice(n as u64);
        assert_eq!(*index.slice(n).expect("is there"), expected);
        for (hash, page) in &pages {
            assert_eq!(*index.page(hash).expect("is there"), **page);
        }
        let hashes: Vec<Hash> = pages.iter().map(|p| p.0).collect();
        let mut seen = vec![0; pages.len()];
        let take = &mut |i: usize, page: &Page| {
            assert_eq!(*page, *pages[i].1);
            seen[i] += 1;
        };
        index.pages(&hashes, take).expect("are there");
        assert!(seen.iter().all(|&n| n == 1), "{seen:?}");
    }
}
