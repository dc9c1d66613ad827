//! A recorder that is killed leaves a recording that opens, verifies up to its last whole frame, and says so.

use crate::command::{Ran, Typist, reenact, run};
use crate::guests::Bench;
use std::path::Path;
use std::time::Duration;

fn about(recording: &Path) -> (Ran, serde_json::Value) {
    let ran = Ran::from_output(reenact().args(["info", "--json"]).arg(recording).output().expect("the binary starts"));
    let json = serde_json::from_slice(&ran.out).expect("info --json prints JSON");
    (ran, json)
}

#[test]
fn a_killed_recording_verifies_up_to_its_last_frame() {
    let bench = Bench::with("monitor");
    let mut longest = 0;
    for (round, delay_ms) in [1, 40, 130, 270, 410, 650].into_iter().enumerate() {
        let name = format!("{round}.reen");
        let mut typist = Typist::start(bench.record(&name));
        typist.types("r\n");
        typist.waits_for("count 0000000000000001\n");
        std::thread::sleep(Duration::from_millis(delay_ms));
        typist.signal(libc::SIGKILL);
        assert_eq!(typist.ends().code, None);
        let recording = bench.path(&name);
        let (ran, json) = about(&recording);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(json["closed"], false);
        assert_eq!(json["identity"], serde_json::Value::Null);
        let verified = run(["verify".as_ref(), recording.as_os_str()]).succeeded().text();
        assert!(verified.contains("the recording was not closed"), "{verified}");
        run(["replay".as_ref(), recording.as_os_str()]).succeeded();
        longest = longest.max(json["instructions"].as_u64().expect("a number"));
    }
    assert!(longest > 1_000_000, "frames are written while the guest runs: {longest} instructions");
}

#[test]
fn no_more_than_the_last_moments_are_lost() {
    let bench = Bench::with("monitor");
    let mut typist = Typist::start(bench.record("r.reen"));
    typist.types("r\n");
    typist.waits_for("count 0000000000000001\n");
    std::thread::sleep(Duration::from_millis(1500));
    // The clock of the host is the measure here: what was on the screen half a second ago must be in the file.
    let first = about(&bench.path("r.reen")).1["instructions"].as_u64().expect("a number");
    std::thread::sleep(Duration::from_millis(1500));
    let second = about(&bench.path("r.reen")).1["instructions"].as_u64().expect("a number");
    assert!(second > first, "a recording can be looked at while it grows: {first}, then {second}");
    typist.signal(libc::SIGKILL);
    typist.ends();
}
