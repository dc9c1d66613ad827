//! Bytes that nobody wrote: cut off, flipped, foreign, or made up with right checksums.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::{Index, IndexError, Limits, Origin, format};
use super::{append, built, check, folder, opened, origin};

/// Slices in the index that is damaged.
const SLICES: u64 = 3;

/// What opens must be right; then it takes the rest, and is whole the next time.
fn opens_and_mends(path: &Path) -> usize {
    let usable = {
        let (index, notes) = opened(path);
        check(&index);
        let usable = index.slices();
        assert!(usable as u64 == SLICES || !notes.is_empty() || index.slices() == 0 || !index.is_complete());
        if !index.is_complete() {
            (usable as u64..SLICES).for_each(|n| append(&index, n));
            index.complete();
        }
        check(&index);
        usable
    };
    let (index, notes) = opened(path);
    assert_eq!((index.slices() as u64, index.is_complete(), notes), (SLICES, true, vec![]));
    check(&index);
    usable
}

/// Damages the file at many places, and opens it each time. Most of its bytes are pages, where one place is like the next.
fn each_place(damage: impl Fn(&mut Vec<u8>, usize)) -> Vec<usize> {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    built(&path, SLICES);
    let whole = fs::read(path.join("index")).unwrap();
    let is_taken = |at: &usize| at.is_multiple_of(97) || *at < 200 || at + 700 > whole.len();
    let places: Vec<usize> = (0..whole.len()).filter(is_taken).collect();
    let opened = places.iter().map(|&at| {
        let mut bytes = whole.clone();
        damage(&mut bytes, at);
        fs::write(path.join("index"), bytes).unwrap();
        opens_and_mends(&path)
    });
    opened.collect()
}

#[test]
fn a_cut_off_file_is_used_up_to_its_last_whole_slice() {
    let usable = each_place(|bytes, at| bytes.truncate(at));
    assert!(usable.is_sorted(), "{usable:?}");
    assert_eq!((usable.first(), usable.last()), (Some(&0), Some(&(SLICES as usize))));
}

#[test]
fn a_flipped_bit_costs_what_follows_it() {
    let usable = each_place(|bytes, at| bytes[at] ^= 1 << (at % 8));
    assert!(usable.is_sorted(), "{usable:?}");
    assert!(usable.contains(&1));
}

#[test]
fn damage_is_named_with_its_place() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    built(&path, SLICES);
    let mut bytes = fs::read(path.join("index")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path.join("index"), bytes).unwrap();
    let (_, notes) = opened(&path);
    let [note] = &notes[..] else { panic!("{notes:?}") };
    for part in ["a.reen.index/index", "usable up to moment 1000 (1 slices)", "does not match its checksum"] {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn an_index_of_something_else_is_built_anew() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    let others = [
        (Origin { identity: [8; 32], ..origin() }, "belongs to another recording"),
        (Origin { page_count: 99, ..origin() }, "belongs to another recording"),
        (Origin { rule: "another machine".to_owned(), ..origin() }, "was made by another version"),
    ];
    for (other, expected) in others {
        built_fresh(&path);
        let (index, notes) = Index::open(&path, &other, Limits::default()).unwrap();
        assert!(notes.len() == 1 && notes[0].contains(expected), "{notes:?}");
        assert_eq!(index.slices(), 0);
        drop(index);
        // It has taken the place of the other.
        let (_, notes) = Index::open(&path, &other, Limits::default()).unwrap();
        assert_eq!(notes, [""; 0]);
    }
}

fn built_fresh(path: &Path) {
    let _ = fs::remove_dir_all(path);
    built(path, 1);
}

#[test]
fn damage_that_comes_while_it_is_open_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    built(&path, SLICES);
    let (index, _) = opened(&path);
    let len = fs::metadata(path.join("index")).unwrap().len() as usize;
    fs::write(path.join("index"), vec![0x55; len]).unwrap();
    let (hash, _) = super::slice(0).1.remove(0);
    assert!(matches!(index.page(&hash), Err(IndexError::Damaged { .. })));
    assert!(matches!(index.slice(0), Err(IndexError::Damaged { .. })));
    fs::write(path.join("index"), []).unwrap();
    assert!(matches!(index.page(&hash), Err(IndexError::Read { .. })));
}

#[test]
fn what_is_no_file_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    fs::create_dir_all(path.join("index")).unwrap();
    assert!(matches!(Index::open(&path, &origin(), Limits::default()), Err(IndexError::NotAFile { .. })));
    let file = temporary.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    assert!(matches!(Index::open(&file, &origin(), Limits::default()), Err(IndexError::Open { .. })));
}

/// A file with a right header and records of any payload, all with right checksums.
fn forged(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let header = format::header(&origin(), 1);
    let mut sum = format::header_sum(&header);
    let mut bytes = header.to_vec();
    for (kind, payload) in records {
        let kind = match kind % 3 {
            0 => format::Kind::Pages,
            1 => format::Kind::Slice,
            _ => format::Kind::Complete,
        };
        let (record, next) = format::record(sum, kind, payload);
        bytes.extend(record);
        sum = next;
    }
    bytes
}

/// A slice's payload with any contents.
fn packed(raw: &[u8], stated: u32) -> Vec<u8> {
    let mut payload = stated.to_le_bytes().to_vec();
    payload.extend(zstd::bulk::compress(raw, 1).unwrap());
    payload
}

#[test]
fn a_stated_length_beyond_all_bounds_is_not_allocated() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    for stated in [0, 1 << 26, (1 << 26) + 1, u32::MAX] {
        built_fresh(&path);
        // Eleven zero bytes are a whole slice that does not move; a list that claims 2^60 elements is none.
        for raw in [vec![0; 11], [vec![0, 1], vec![0xff; 8], vec![0x0f]].concat(), vec![0; 1 << 20]] {
            fs::write(path.join("index"), forged(&[(1, packed(&raw, stated))])).unwrap();
            let (index, notes) = opened(&path);
            assert_eq!((index.slices(), notes.len()), (0, 1), "{notes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Checksums that fit do not make contents fit. Nothing panics, and no page has another's hash.
    #[test]
    fn forged_records_never_panic(
        records in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 0..4),
        raw in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x80), any::<u8>()], 0..40),
        count in 0u32..12,
    ) {
        let temporary = tempfile::tempdir().unwrap();
        let path = folder(&temporary);
        fs::create_dir_all(&path).unwrap();
        let chunk = [count.to_le_bytes().to_vec(), vec![3; 32 * count as usize], packed(&raw, 0)[4..].to_vec()].concat();
        let mut all = vec![(0, chunk), (1, packed(&raw, raw.len() as u32))];
        all.extend(records);
        fs::write(path.join("index"), forged(&all)).unwrap();
        let (index, _) = opened(&path);
        for n in 0..index.slices() {
            let slice = index.slice(n).unwrap();
            prop_assert!(slice.from < slice.to);
        }
        prop_assert!(index.page(&[3; 32]).is_err());
    }
}
