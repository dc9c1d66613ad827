//! A recording that tells something else than its guest does: sound in form, and found out by `verify` with exit code 1.

use crate::command::{Ran, run};
use crate::guests::trace;
use reenact::moment::Moment;
use reenact::recording::{Digest, Event, ExitReason, Image, Output, Reader, Writer};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Writes the trace `name` anew, with `forge` in between. The file is whole and closed.
fn forged(dir: &TempDir, name: &str, mut forge: impl FnMut(usize, &mut Event)) -> PathBuf {
    let reader = Reader::open(trace(name)).expect("the trace opens");
    let path = dir.path().join("forged.reen");
    let contents: Vec<_> =
        reader.images().iter().map(|i| reader.load_image(i.role).expect("it is whole").expect("it is there")).collect();
    let images: Vec<_> =
        reader.images().iter().zip(&contents).map(|(i, bytes)| Image { role: i.role, name: &i.name, bytes }).collect();
    let mut writer = Writer::create(&path, true, reader.header().clone(), &images).expect("there is room");
    let mut end = None;
    for (i, event) in reader.events().expect("it is whole").enumerate() {
        let mut event = event.expect("it is whole");
        forge(i, &mut event);
        match event {
            Event::Input(input) => writer.input(&input),
            Event::Digest(digest) => writer.digest(&digest),
            Event::Output(output) => writer.output(output.at, output.port, &output.bytes),
            Event::Note(_) => Ok(()),
            Event::End(e) => {
                end = Some(e);
                Ok(())
            }
        }
        .expect("there is room");
    }
    let end = end.expect("the trace is closed");
    writer.finish(end.at, end.digest, end.reason, end.program_status).expect("there is room");
    path
}

fn verify(path: &Path) -> Ran {
    run(["verify".as_ref(), path.as_os_str()])
}

#[track_caller]
fn assert_diverges(path: &Path, words: &[&str]) {
    let ran = verify(path);
    assert_eq!(ran.code, Some(1), "{}{}", ran.text(), ran.err);
    for word in words.iter().chain(&["DIVERGED"]) {
        assert!(ran.text().contains(word), "{word:?} is not in: {}", ran.text());
    }
}

#[test]
fn a_faithful_copy_verifies() {
    let dir = tempfile::tempdir().expect("there is room");
    verify(&forged(&dir, "heap_overflow", |_, _| {})).succeeded();
}

#[test]
fn another_digest_is_a_divergence_in_its_interval() {
    let dir = tempfile::tempdir().expect("there is room");
    let forged = forged(&dir, "heap_overflow", |_, event| {
        if let Event::Digest(Digest { at: Moment(655_360), digest }) = event {
            digest[0] ^= 1;
        }
    });
    assert_diverges(&forged, &["between instructions 589,824 and 655,360", "equal up to instruction 589,824"]);
}

#[test]
fn another_output_is_a_divergence() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut is_first = true;
    let forged = forged(&dir, "heap_overflow", |_, event| {
        if let Event::Output(Output { bytes, .. }) = event
            && std::mem::take(&mut is_first)
        {
            bytes[0] = b'C';
        }
    });
    assert_diverges(&forged, &["Copied a name", "copied a name"]);
}

#[test]
fn another_end_is_a_divergence() {
    let dir = tempfile::tempdir().expect("there is room");
    let forged = forged(&dir, "usermode", |_, event| {
        if let Event::End(end) = event {
            end.reason = ExitReason::PowerOff;
        }
    });
    assert_diverges(&forged, &["powered off", "debug exit with code 0"]);
}

#[test]
fn another_final_digest_is_a_divergence() {
    let dir = tempfile::tempdir().expect("there is room");
    let forged = forged(&dir, "usermode", |_, event| {
        if let Event::End(end) = event {
            end.digest[31] ^= 0x80;
        }
    });
    assert_diverges(&forged, &["digest"]);
}

#[test]
fn other_typing_is_a_divergence() {
    let dir = tempfile::tempdir().expect("there is room");
    let forged = forged(&dir, "monitor", |_, event| {
        if let Event::Input(reenact::recording::Input {
            data: reenact::recording::InputData::SerialRx { bytes, .. },
            ..
        }) = event
        {
            bytes[0] = b'j';
        }
    });
    assert_diverges(&forged, &["HELLO, MONITOR", "JELLO, MONITOR"]);
}
