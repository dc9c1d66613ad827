//! A disk that fills up while recording: before the start nothing is left, later everything up to then is kept.
//!
//! The disk is played by a limit on the size of files, which any user can set and which fails at the same call.

use crate::command::{Ran, run, verify};
use crate::guests::Bench;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn with_room_for(command: &mut Command, bytes: u64) -> &mut Command {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let set = move || {
        // SAFETY: setrlimit may be called between fork and exec, and reads only the structure it is given.
        match unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(set) }
}

#[test]
fn no_room_for_the_images_leaves_nothing() {
    let bench = Bench::with("timers");
    let before = bench.files();
    for room in [0, 10, 100, 700, 1200] {
        let ran =
            Ran::from_output(with_room_for(&mut bench.record("r.reen"), room).output().expect("the binary starts"));
        ran.refused(3, &["cannot write the recording", "r.reen"]);
        assert_eq!(bench.files(), before, "{room} bytes");
    }
}

#[test]
fn a_disk_that_fills_up_later_keeps_what_was_recorded() {
    let bench = Bench::with("timers");
    let whole = std::fs::metadata(bench.recorded("whole.reen")).expect("it is there").len();
    let room = whole - 1000;
    let ran = Ran::from_output(with_room_for(&mut bench.record("r.reen"), room).output().expect("the binary starts"));
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("cannot write the recording"), "{}", ran.err);
    let recording = bench.path("r.reen");
    assert!(std::fs::metadata(&recording).expect("it is kept").len() <= room);
    assert!(verify(&recording).text().contains("not closed"));
    run(["info".as_ref(), recording.as_os_str()]).succeeded();
}
