//! A budget that is too small: fewer snapshots, the same history.

use std::collections::BTreeMap;
use std::fs;

use super::super::{Hash, Index, Limits};
use super::{append, folder, origin, slice};
use crate::moment::Moment;

const SMALL: Limits = Limits { memory_bytes: 1 << 20, disk_bytes: 1_500_000 };

/// RAM pages at a Moment, by what was appended.
fn ram_at(to: Moment) -> BTreeMap<u32, Hash> {
    (0..to.0 / 1000).flat_map(|n| slice(n).0.changed).collect()
}

/// Whatever slices there are tell the history of those that were appended.
fn check(index: &Index, appended: u64) {
    let mut ram = BTreeMap::new();
    let mut at = Moment(0);
    for n in 0..index.slices() {
        let found = index.slice(n).unwrap();
        assert_eq!(found.from, at);
        at = found.to;
        ram.extend(found.changed.iter().copied());
        assert_eq!(ram, ram_at(at));
        assert_eq!(found.state, slice(at.0 / 1000 - 1).0.state);
        let contents: Vec<Hash> = found.changed.iter().map(|c| c.1).collect();
        let take = &mut |i: usize, page: &super::Page| assert_eq!(*blake3::hash(page).as_bytes(), contents[i]);
        index.pages(&contents, take).unwrap();
        for n in found.from.0 / 1000..found.to.0 / 1000 {
            let sets = slice(n).0.sets;
            assert!(sets.executed.iter().all(|page| found.sets.executed.binary_search(page).is_ok()));
            assert!(sets.read_physical.iter().all(|page| found.sets.read_physical.binary_search(page).is_ok()));
        }
    }
    assert_eq!(at, Moment(1000 * appended));
}

#[test]
fn an_index_over_its_budget_has_fewer_snapshots_of_the_same_history() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    {
        let (index, _) = Index::open(&path, &origin(), SMALL).unwrap();
        for n in 0..200 {
            append(&index, n);
        }
        index.complete();
        index.flush();
        assert_eq!(index.take_notes(), [""; 0]);
        assert!(index.stride() >= 2, "{}", index.stride());
        assert!(index.slices() <= 100, "{}", index.slices());
        assert!(fs::metadata(path.join("index")).unwrap().len() <= SMALL.disk_bytes);
        check(&index, 200);
    }
    let (index, notes) = Index::open(&path, &origin(), SMALL).unwrap();
    assert_eq!(notes, [""; 0]);
    assert!(index.stride() >= 2 && index.is_complete());
    check(&index, 200);
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_smaller_budget_thins_out_what_is_there() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    {
        let (index, _) = Index::open(&path, &origin(), Limits::default()).unwrap();
        (0..100).for_each(|n| append(&index, n));
        index.complete();
    }
    let large = fs::metadata(path.join("index")).unwrap().len();
    let (index, _) = Index::open(&path, &origin(), SMALL).unwrap();
    assert!(index.is_complete() && index.stored_bytes() <= SMALL.disk_bytes && large > SMALL.disk_bytes);
    check(&index, 100);
}

#[test]
fn a_budget_that_cannot_be_kept_is_said_and_the_history_stays() {
    let limits = Limits { disk_bytes: 1000, ..SMALL };
    let temporary = tempfile::tempdir().unwrap();
    let (index, _) = Index::open(&folder(&temporary), &origin(), limits).unwrap();
    (0..50).for_each(|n| append(&index, n));
    index.flush();
    let notes = index.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("outgrows its budget"), "{notes:?}");
    assert!(index.slices() < 8, "thinned out all the same: {}", index.slices());
    check(&index, 50);
}

#[test]
fn memory_has_a_budget_too() {
    let index = Index::in_memory(&origin(), Limits { memory_bytes: 3_000_000, ..SMALL }).unwrap();
    (0..200).for_each(|n| append(&index, n));
    index.flush();
    assert!(index.stored_bytes() <= 1_500_000);
    check(&index, 200);
}

#[test]
fn pages_that_were_promised_stay_while_it_is_thinned_out() {
    let temporary = tempfile::tempdir().unwrap();
    let (index, _) = Index::open(&folder(&temporary), &origin(), SMALL).unwrap();
    for n in 0..200 {
        // `append` leaves out what `is_stored` says is there, while the writer thins out.
        append(&index, n);
        if n % 7 == 0 {
            index.flush();
        }
        assert!(index.ends().last() == Some(&Moment(1000 * (n + 1))));
    }
    index.flush();
    check(&index, 200);
}

#[test]
fn what_a_second_session_keeps_in_memory_is_thinned_out_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    let (first, _) = Index::open(&path, &origin(), Limits::default()).unwrap();
    (0..50).for_each(|n| append(&first, n));
    first.flush();
    let limits = Limits { memory_bytes: 1_500_000, disk_bytes: 1 };
    let (second, _) = Index::open(&path, &origin(), limits).unwrap();
    (50..250).for_each(|n| append(&second, n));
    second.complete();
    second.flush();
    let in_file = fs::metadata(path.join("index")).unwrap().len();
    assert!(second.stored_bytes() - in_file <= limits.memory_bytes);
    assert!(second.slices() <= 150 && second.ends()[..50] == first.ends()[..], "{}", second.slices());
    assert_eq!(second.take_notes(), [""; 0]);
    check(&second, 250);
    check(&first, 50);
}

#[test]
fn thinning_out_that_fails_changes_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    let (index, _) = Index::open(&path, &origin(), SMALL).unwrap();
    (0..50).for_each(|n| append(&index, n));
    index.flush();
    assert_eq!(index.stride(), 1);
    // No new file can be made in a folder that is gone; the old one is still open.
    fs::remove_dir_all(&path).unwrap();
    (50..150).for_each(|n| append(&index, n));
    index.flush();
    let notes = index.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("cannot be thinned out"), "{notes:?}");
    assert_eq!((index.stride(), index.slices()), (1, 150));
    check(&index, 150);
}
