//! The final name holds either nothing or a recording.

use std::fs;
use std::path::PathBuf;

use super::*;

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.reen");
    (directory, path)
}

fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).expect("list");
    entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn dropped_draft_leaves_nothing() {
    let (directory, path) = directory();
    let draft = Draft::create(&path, false, header(), &[KERNEL]).expect("draft");
    assert_eq!(names(&directory), [format!(".a.reen.partial-{}", std::process::id())]);
    drop(draft);
    assert!(names(&directory).is_empty());
}

#[test]
fn published_recording_stands_alone_and_opens_at_once() {
    let (directory, path) = directory();
    let writer = Writer::create(&path, false, header(), &[KERNEL]).expect("create");
    assert_eq!(names(&directory), ["a.reen"]);
    assert!(!Reader::open(&path).expect("opens").summary().expect("summary").is_closed());
    writer.finish(Moment(1), [0; 32], ExitReason::Stopped, None).expect("finish");
}

#[test]
fn existing_file_is_kept_unless_overwriting_is_asked_for() {
    let (directory, path) = directory();
    fs::write(&path, "precious").expect("write");
    let error = Writer::create(&path, false, header(), &[]).err().expect("refused");
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).expect("read"), b"precious");
    let draft = Draft::create(&path, true, header(), &[]).expect("draft");
    assert_eq!(fs::read(&path).expect("read"), b"precious", "kept until the new one is complete");
    drop(draft.publish().expect("publish"));
    Reader::open(&path).expect("a recording now");
    assert_eq!(names(&directory), ["a.reen"]);
}

#[test]
fn name_taken_between_draft_and_publishing_is_kept() {
    let (directory, path) = directory();
    let first = Draft::create(&path, false, header(), &[]).expect("draft");
    let second = Draft::create(&path, false, header(), &[KERNEL]).expect("two drafts have two names");
    drop(first.publish().expect("publish"));
    assert!(matches!(second.publish(), Err(Error::Exists { .. })));
    assert_eq!(names(&directory), ["a.reen"]);
    assert!(Reader::open(&path).expect("opens").images().is_empty());
}

#[test]
fn directories_links_and_nameless_paths_are_never_replaced() {
    let (directory, path) = directory();
    std::os::unix::fs::symlink("/dev/null", &path).expect("symlink");
    assert!(matches!(Draft::create(&path, true, header(), &[]), Err(Error::NotAFile { .. })));
    assert!(matches!(Draft::create(directory.path(), true, header(), &[]), Err(Error::NotAFile { .. })));
    assert!(matches!(Draft::create("", false, header(), &[]), Err(Error::NoFileName { .. })));
    let nowhere = directory.path().join("missing/a.reen");
    assert!(matches!(Draft::create(nowhere, false, header(), &[]), Err(Error::Create { .. })));
}

#[test]
fn images_with_the_same_role_are_refused_before_anything_is_written() {
    let (directory, path) = directory();
    let twice = Draft::create(&path, false, header(), &[KERNEL, KERNEL]);
    assert!(matches!(twice, Err(Error::DuplicateImage { .. })));
    assert!(names(&directory).is_empty());
}

#[test]
fn overlong_header_is_refused_and_leaves_nothing() {
    let (directory, path) = directory();
    let header = Header { command_line: vec!["x".repeat(2 << 20)], ..header() };
    let error = Draft::create(&path, false, header, &[]).err().expect("refused");
    assert!(matches!(error, Error::TooLarge { what: "the header", .. }), "{error}");
    assert!(names(&directory).is_empty());
}
