//! Two sessions on one recording: the second neither disturbs the first nor fails.

use super::{append, built, check, folder, opened};

#[test]
fn the_second_reads_what_is_there_and_keeps_the_rest_in_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    let (first, _) = opened(&path);
    (0..4).for_each(|n| append(&first, n));
    first.flush();

    let (second, notes) = opened(&path);
    assert!(notes.len() == 1 && notes[0].contains("another reenact is building"), "{notes:?}");
    assert_eq!(second.slices(), 4);
    (4..8).for_each(|n| append(&second, n));
    second.complete();
    (4..6).for_each(|n| append(&first, n));
    check(&first);
    check(&second);
    drop(second);
    drop(first);

    let (index, notes) = opened(&path);
    assert_eq!((index.slices(), index.is_complete(), notes), (6, false, vec![]));
    check(&index);
}

#[test]
fn a_complete_index_is_shared_without_a_word() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    built(&path, 3);
    let (first, _) = opened(&path);
    let (second, notes) = opened(&path);
    assert_eq!(notes, [""; 0]);
    check(&first);
    check(&second);
}

#[test]
fn the_second_sees_no_damage_in_what_the_first_is_writing() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    let (first, _) = opened(&path);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (0..60).for_each(|n| append(&first, n)));
        while !writing.is_finished() {
            let (second, notes) = opened(&path);
            assert!(notes.iter().all(|n| n.contains("another reenact is building")), "{notes:?}");
            check(&second);
        }
    });
    check(&first);
}
