//! What goes in comes out: slices, pages, and nothing that does not fit.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::cache::{Cache, Loaded};
use super::super::{Index, IndexError, Limits, Slice};
use super::{append, built, check, folder, hashed, opened, origin, page, slice};
use crate::moment::Moment;

#[test]
fn slices_and_pages_come_back_before_and_after_they_are_written() {
    let temporary = tempfile::tempdir().unwrap();
    let (index, _) = opened(&folder(&temporary));
    for n in 0..30 {
        append(&index, n);
        assert_eq!(index.slices() as u64, n + 1);
        check(&index);
    }
    index.flush();
    check(&index);
    assert_eq!(index.ends().last(), Some(&Moment(30_000)));
    assert!(!index.is_complete());
}

#[test]
fn a_closed_index_opens_as_it_was_and_goes_on() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    {
        let (index, _) = opened(&path);
        (0..5).for_each(|n| append(&index, n));
    }
    {
        let (index, notes) = opened(&path);
        assert_eq!((index.slices(), notes), (5, vec![]));
        check(&index);
        (5..9).for_each(|n| append(&index, n));
        index.complete();
    }
    let (index, notes) = opened(&path);
    assert_eq!((index.slices(), index.is_complete(), notes), (9, true, vec![]));
    check(&index);
    let (next, pages) = slice(9);
    assert!(matches!(index.append(next, pages), Err(IndexError::Complete)));
}

#[test]
fn an_index_in_memory_does_the_same() {
    let index = Index::in_memory(&origin(), Limits::default()).unwrap();
    (0..20).for_each(|n| append(&index, n));
    index.flush();
    check(&index);
    assert_eq!(index.slices(), 20);
}

#[test]
fn a_page_is_stored_once() {
    let index = Index::in_memory(&origin(), Limits::default()).unwrap();
    append(&index, 0);
    index.flush();
    let before = index.stored_bytes();
    let (mut again, pages) = slice(0);
    (again.from, again.to) = (Moment(1000), Moment(2000));
    index.append(again, pages).unwrap();
    index.flush();
    let slice_alone = index.stored_bytes() - before;
    assert!(slice_alone < 400, "{slice_alone} bytes more");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let index = Index::in_memory(&origin(), Limits::default()).unwrap();
    append(&index, 0);
    let refuse = |change: &dyn Fn(&mut Slice)| {
        let (mut bad, pages) = slice(1);
        change(&mut bad);
        index.append(bad, pages).unwrap_err()
    };
    assert!(matches!(refuse(&|s| s.from = Moment(999)), IndexError::OutOfOrder { .. }));
    assert!(matches!(refuse(&|s| s.to = Moment(1000)), IndexError::OutOfOrder { .. }));
    assert!(matches!(refuse(&|s| s.changed[0].1 = [1; 32]), IndexError::Misfit { .. }));
    assert!(matches!(refuse(&|s| s.changed.reverse()), IndexError::Misfit { .. }));
    assert!(matches!(refuse(&|s| s.changed.last_mut().unwrap().0 = 100), IndexError::Misfit { .. }));
    assert!(matches!(refuse(&|s| s.sets.read_physical = vec![100]), IndexError::Misfit { .. }));
    assert!(matches!(refuse(&|s| s.sets.read = vec![(1, 1), (1, 1)]), IndexError::Misfit { .. }));
    append(&index, 1);
    index.flush();
    assert_eq!(index.slices(), 2);
    check(&index);
}

#[test]
fn what_is_not_there_is_said() {
    let index = Index::in_memory(&origin(), Limits::default()).unwrap();
    append(&index, 0);
    assert!(matches!(index.slice(1), Err(IndexError::NoSlice { number: 1, count: 1 })));
    assert!(matches!(index.page(&[9; 32]), Err(IndexError::UnknownPage { .. })));
    assert!(!index.is_stored(&[9; 32]));
}

#[test]
fn many_threads_read_while_one_appends() {
    let temporary = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes: 100_000, ..Limits::default() };
    let (index, _) = Index::open(&folder(&temporary), &origin(), limits).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while index.slices() < 60 {
                    check(&index);
                }
            });
        }
        (0..60).for_each(|n| append(&index, n));
    });
    check(&index);
}

#[test]
fn a_cache_without_room_still_loads() {
    let temporary = tempfile::tempdir().unwrap();
    built(&folder(&temporary), 3);
    let limits = Limits { memory_bytes: 0, ..Limits::default() };
    let (index, _) = Index::open(&folder(&temporary), &origin(), limits).unwrap();
    check(&index);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a plain map: any order of pages, repeated at will, with any cache.
    #[test]
    fn contents_are_those_of_a_plain_map(
        slices in prop::collection::vec(prop::collection::btree_map(0u32..100, 0u64..40, 0..30), 1..12),
        memory_bytes in 0u64..200_000,
        reopens in any::<bool>(),
    ) {
        let temporary = tempfile::tempdir().unwrap();
        let path = folder(&temporary);
        let limits = Limits { memory_bytes, ..Limits::default() };
        let (mut index, _) = Index::open(&path, &origin(), limits).unwrap();
        let mut model: Vec<Slice> = Vec::new();
        let mut contents = BTreeMap::new();
        for (n, changes) in slices.iter().enumerate() {
            let pages: Vec<_> = changes.values().map(|&c| hashed(page(c, c % 2))).collect();
            let changed = changes.keys().zip(&pages).map(|(&at, p)| (at, p.0)).collect();
            contents.extend(pages.iter().cloned());
            let (from, to) = (Moment(n as u64), Moment(n as u64 + 1));
            let slice = Slice { from, to, changed, ..Slice::default() };
            model.push(slice.clone());
            index.append(slice, pages.into_iter().filter(|p| !index.is_stored(&p.0)).collect()).unwrap();
        }
        if reopens {
            drop(index);
            index = Index::open(&path, &origin(), limits).unwrap().0;
        }
        prop_assert_eq!(index.slices(), model.len());
        for (n, expected) in model.iter().enumerate() {
            let found = index.slice(n).unwrap();
            prop_assert_eq!(&*found, expected);
        }
        for (hash, expected) in &contents {
            prop_assert_eq!(&*index.page(hash).unwrap(), &**expected);
        }
    }

    #[test]
    fn a_cache_keeps_what_was_used_last_within_its_budget(
        steps in prop::collection::vec((0u64..12, 0usize..4000), 1..200),
        budget in 0usize..20_000,
    ) {
        let mut cache = Cache::new(budget);
        // Keys with their costs, the least recently used first.
        let mut model: Vec<(u64, usize)> = Vec::new();
        for (key, size) in steps {
            let slice = Slice { state: vec![0; size], ..Slice::default() };
            let cost = slice.cost();
            let found = model.iter().position(|m| m.0 == key);
            prop_assert_eq!(cache.get((0, key)).is_some(), found.is_some());
            match found {
                Some(at) => {
                    let used = model.remove(at);
                    model.push(used);
                }
                None if cost <= budget => {
                    while model.iter().map(|m| m.1).sum::<usize>() + cost > budget {
                        model.remove(0);
                    }
                    model.push((key, cost));
                }
                None => {}
            }
            cache.insert((0, key), Loaded::Slice(slice.into()));
            prop_assert_eq!(cache.used(), model.iter().map(|m| m.1).sum::<usize>());
            prop_assert!(cache.used() <= budget);
        }
    }
}
