//! `reenact find`: what it prints, and what it refuses.

use crate::command::run;
use crate::guests::trace;
use std::path::PathBuf;
use tempfile::TempDir;

/// A recording in a folder of its own, so that its index does not stay.
fn copy(name: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let path = dir.path().join(format!("{name}.reen"));
    std::fs::copy(trace(name), &path).expect("there is room for temporary files");
    (dir, path)
}

#[test]
fn each_appearance_is_a_line_in_the_order_of_time() {
    let (_dir, path) = copy("heap_overflow");
    let path = path.to_str().expect("it is text");
    let ran = run(["find", path, "--string", "mallory"]).succeeded();
    let text = ran.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((lines[0][0], lines[0][4]), ("0", "(loaded)"), "{text}");
    assert_eq!((lines[1][0], lines[1][2], lines[1][4]), ("2,810,865", "0x10c008", "0x1001d8"), "{text}");
    assert!(ran.err.is_empty(), "{}", ran.err);

    let in_hex = run(["find", path, "--hex", "6d 61 6c 6c 6f 72 79", "--from", "1", "--json"]).succeeded();
    let row: serde_json::Value = serde_json::from_slice(&in_hex.out).expect("one object");
    assert_eq!((row["moment"].as_u64(), row["physical"].as_u64()), (Some(2_810_865), Some(0x10_c008)));
    assert_eq!((row["rip"].as_u64(), row["bytes"].as_str()), (Some(0x10_01d8), Some("6d616c6c6f7279")));
    assert!(row["pid"].is_null(), "there is no Linux: {row}");

    let one = run(["find", path, "--regex", "mal+ory", "--limit", "1"]).succeeded();
    assert_eq!(one.text().lines().count(), 1);
}

#[test]
fn nothing_found_is_no_error_and_says_what_could_be_missed() {
    let (_dir, path) = copy("usermode");
    let ran = run(["find", path.to_str().expect("it is text"), "--string", "nowhere"]).succeeded();
    assert!(ran.out.is_empty());
    assert!(ran.err.contains("--every"), "{}", ran.err);
}

#[test]
fn what_cannot_be_looked_for_is_refused() {
    let (_dir, path) = copy("usermode");
    let path = path.to_str().expect("it is text");
    run(["find", path, "--string", ""]).refused(2, &["at least one byte"]);
    run(["find", path, "--hex", "abc"]).refused(2, &["--hex abc", "even number"]);
    run(["find", path, "--regex", "x*"]).refused(2, &["matches where there is nothing"]);
    run(["find", path, "--string", "x", "--from", "100", "--to", "50"]).refused(2, &["--from 100", "--to 50"]);
    assert_eq!(run(["find", path]).code, Some(2));
    assert_eq!(run(["find", path, "--string", "x", "--hex", "00"]).code, Some(2));
}
