//! A disk that takes no more, a folder that cannot be written or is gone: the session goes on in memory and says so.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::folder::{Access, Folder};
use super::super::storage::Storage;
use super::super::stored::Stored;
use super::super::writer::{Shared, State};
use super::super::{Index, Limits, load};
use super::{append, built, check, folder, opened, origin};

/// The index of a folder on a disk that takes nothing more: its file is open for reading only.
fn on_full_disk(path: &std::path::Path) -> Index {
    let file = File::open(path.join("index")).unwrap();
    let walked = load::walk(&file, &origin()).unwrap().unwrap();
    let storage = Storage::on_file(&path.join("index"), file, walked.end, true);
    let state = State::new(Stored::new(storage, walked.catalogue, origin().page_count), 1, vec![]);
    let folder = Folder::open(path).unwrap();
    Index::start(Shared::new(origin(), Some(folder), Limits::default(), state)).unwrap()
}

#[test]
fn a_failed_write_is_said_once_and_costs_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    {
        let (index, _) = opened(&path);
        (0..3).for_each(|n| append(&index, n));
    }
    {
        let index = on_full_disk(&path);
        (3..9).for_each(|n| append(&index, n));
        index.complete();
        index.flush();
        let notes = index.take_notes();
        assert!(notes.len() == 1 && notes[0].contains("a.reen.index/index"), "{notes:?}");
        assert_eq!((index.slices(), index.is_complete()), (9, true));
        check(&index);
    }
    let (index, notes) = opened(&path);
    assert_eq!((index.slices(), notes), (3, vec![]));
    check(&index);
}

#[test]
fn a_folder_that_is_deleted_while_in_use_does_no_harm() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    {
        let (index, _) = opened(&path);
        (0..3).for_each(|n| append(&index, n));
        index.flush();
        fs::remove_dir_all(&path).unwrap();
        (3..6).for_each(|n| append(&index, n));
        check(&index);
        // Somebody else makes it anew meanwhile.
        built(&path, 2);
        append(&index, 6);
        check(&index);
    }
    let (index, notes) = opened(&path);
    assert_eq!((index.slices(), notes), (2, vec![]));
}

#[test]
fn a_folder_that_cannot_be_written_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let path = folder(&temporary);
    built(&path, 3);
    // Permissions do not bind the superuser, a lock that is a folder does.
    fs::remove_file(path.join("lock")).unwrap();
    fs::create_dir(path.join("lock")).unwrap();
    assert!(matches!(Folder::open(&path).unwrap().access, Access::ReadOnly(_)));
    let (index, notes) = opened(&path);
    assert_eq!((index.slices(), notes), (3, vec![]), "nothing has to be written");
    check(&index);
    drop(index);

    fs::remove_file(path.join("index")).unwrap();
    let (index, notes) = opened(&path);
    assert!(notes.len() == 1 && notes[0].contains("cannot be written"), "{notes:?}");
    (0..3).for_each(|n| append(&index, n));
    index.flush();
    check(&index);
    assert!(!path.join("index").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_name() {
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o500)).unwrap();
    let below_a_file = temporary.path().join("file");
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o700)).unwrap();
    fs::write(&below_a_file, "").unwrap();
    let error = Index::open(&below_a_file.join("index"), &origin(), Limits::default()).err().expect("no folder");
    assert!(error.to_string().contains("file/index"), "{error}");
}
