//! Flipped bits and cut files: each is found, named by file and offset, and never believed.
//!
//! The library's own tests flip every bit; here a sample goes through the binary.

use crate::command::{Ran, run};
use crate::guests::trace;
use reenact::recording::Reader;
use std::ffi::OsStr;
use std::path::Path;

fn ask(verb: &str, file: &Path) -> Ran {
    run([OsStr::new(verb), file.as_os_str()])
}

/// Damage is one line with the file's name and an offset; a file without signature is no recording at all.
#[track_caller]
fn assert_is_found(verb: &str, file: &Path, what: &str) {
    let ran = ask(verb, file);
    assert_eq!(ran.code, Some(3), "{verb}, {what}: {}{}", ran.text(), ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{verb}, {what}: {}", ran.err);
    assert!(ran.err.contains(&file.display().to_string()), "{verb}, {what}: {}", ran.err);
    assert!(ran.err.contains("offset") || ran.err.contains("is not a recording"), "{verb}, {what}: {}", ran.err);
}

#[test]
fn a_flipped_bit_is_found() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("flipped.reen");
    for name in ["usermode", "heap_overflow"] {
        let whole = std::fs::read(trace(name)).expect("the trace is there");
        let bits = whole.len() * 8;
        for i in 0..60 {
            // A stride that is odd visits all bits of a byte.
            let bit = ((i * (bits / 60)) | 1) + i % 8;
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &bytes).expect("there is room");
            assert_is_found("info", &file, &format!("{name} bit {bit}"));
            if i % 6 == 0 {
                assert_is_found("verify", &file, &format!("{name} bit {bit}"));
                assert_is_found("replay", &file, &format!("{name} bit {bit}"));
            }
        }
    }
}

#[test]
fn every_byte_of_the_superblock_and_the_first_frame_header_counts() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("flipped.reen");
    let whole = std::fs::read(trace("usermode")).expect("the trace is there");
    for byte in 0..84 {
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        std::fs::write(&file, &bytes).expect("there is room");
        assert_is_found("info", &file, &format!("byte {byte}"));
    }
}

#[test]
fn a_cut_file_is_found_or_reads_as_not_closed() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("cut.reen");
    let whole = std::fs::read(trace("heap_overflow")).expect("the trace is there");
    let mut lengths: Vec<usize> = (0..80).map(|i| i * whole.len() / 80).collect();
    lengths.extend(whole.len() - 12..whole.len());
    for length in lengths {
        std::fs::write(&file, &whole[..length]).expect("there is room");
        let is_between_frames = Reader::open(&file).is_ok_and(|r| r.summary().is_ok_and(|s| s.damage.is_none()));
        if is_between_frames {
            let ran = ask("info", &file).succeeded();
            assert!(ran.text().contains("not closed"), "{length}: {}", ran.text());
        } else {
            assert_is_found("info", &file, &format!("{length} bytes"));
            assert_is_found("verify", &file, &format!("{length} bytes"));
        }
    }
}

#[test]
fn what_comes_before_damage_is_still_verified() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("tail.reen");
    let mut bytes = std::fs::read(trace("heap_overflow")).expect("the trace is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).expect("there is room");
    let ran = ask("verify", &file);
    ran.refused(3, &["tail.reen is damaged", "offset", "what comes before is verified"]);
    assert!(ran.text().contains("bit-exact up to instruction 4,"), "{}", ran.text());
}

#[test]
fn bytes_behind_the_end_are_damage() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("more.reen");
    let mut bytes = std::fs::read(trace("usermode")).expect("the trace is there");
    bytes.extend_from_slice(b"more");
    std::fs::write(&file, &bytes).expect("there is room");
    for verb in ["info", "verify", "replay"] {
        assert_is_found(verb, &file, "appended bytes");
    }
}
