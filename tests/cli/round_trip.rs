//! Record, look, verify, replay; and that equal recordings are equal however they are made.

use crate::command::{Ran, info, replay, run, verify};
use crate::guests::{Bench, TRACES, expected_console};
use std::ffi::OsStr;
use std::process::{Command, Stdio};

#[test]
fn a_recording_replays_what_was_shown() {
    for name in ["heap_overflow", "timers", "usermode"] {
        let bench = Bench::with(name);
        let ran = Ran::from_output(bench.record("r.reen").output().expect("the binary starts")).succeeded();
        let recording = bench.path("r.reen");
        assert_eq!(ran.text(), expected_console(name));
        let about = info(&recording);
        assert_eq!(about["closed"], true);
        assert_eq!(about["console_bytes"], ran.out.len());
        assert!(ran.err.contains(about["identity"].as_str().expect("closed")), "{}", ran.err);
        assert!(ran.err.contains(about["ended"].as_str().expect("closed")), "{}", ran.err);
        verify(&recording);
        assert_eq!(replay(&recording), ran.out);
        assert_eq!(bench.files().len(), 2, "only the kernel and the recording: {:?}", bench.files());
    }
}

#[test]
fn recordings_of_one_guest_have_one_final_digest() {
    for name in TRACES.into_iter().filter(|name| *name != "monitor") {
        let bench = Bench::with(name);
        // Four at a time, so that they also disturb each other.
        let mut seen = Vec::new();
        for round in 0..5 {
            let names: Vec<_> = (0..4).map(|i| format!("{round}-{i}.reen")).collect();
            let children: Vec<_> = names
                .iter()
                .map(|n| {
                    bench.record(n).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
                })
                .collect();
            for mut child in children {
                assert!(child.wait().expect("it is our child").success());
            }
            for n in &names {
                let about = info(&bench.path(n));
                seen.push((
                    about["final_digest"].clone(),
                    about["instructions"].clone(),
                    about["console_bytes"].clone(),
                ));
            }
        }
        assert_eq!(seen.len(), 20);
        assert!(seen.iter().all(|one| *one == seen[0]), "{name}: {seen:?}");
    }
}

#[test]
fn cache_sizes_while_recording_leave_no_trace() {
    let bench = Bench::with("timers");
    let digest = info(&bench.recorded("default.reen"))["final_digest"].clone();
    for geometry in ["1,2", "5,8", "48,4096"] {
        let name = format!("{geometry}.reen");
        Ran::from_output(bench.record(&name).args(["--geometry", geometry]).output().expect("the binary starts"))
            .succeeded();
        assert_eq!(info(&bench.path(&name))["final_digest"], digest, "{geometry}");
        verify(&bench.path(&name));
    }
}

#[test]
fn verify_passes_on_one_core_at_low_priority_beside_a_load() {
    let bench = Bench::with("timers");
    let recording = bench.recorded("r.reen");
    let mut load = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("there is a shell");
    let mut careful = Command::new("taskset");
    careful.args(["-c", "0", "nice", "-n", "19", env!("CARGO_BIN_EXE_reenact"), "verify"]).arg(&recording);
    let ran = careful.output();
    load.kill().and_then(|()| load.wait()).expect("it is our child");
    Ran::from_output(ran.expect("util-linux has taskset")).succeeded();
}

#[test]
fn force_replaces_a_recording() {
    let bench = Bench::with("usermode");
    std::fs::write(bench.path("r.reen"), "old").expect("there is room");
    Ran::from_output(bench.record("r.reen").arg("--force").output().expect("the binary starts")).succeeded();
    verify(&bench.path("r.reen"));
    assert_eq!(bench.files().len(), 2);
}

#[test]
fn the_clock_starts_where_it_was_told_to() {
    let bench = Bench::with("usermode");
    Ran::from_output(bench.record("now.reen").args(["--start-time", "now"]).output().expect("the binary starts"))
        .succeeded();
    Ran::from_output(bench.record("0.reen").args(["--start-time", "0"]).output().expect("the binary starts"))
        .succeeded();
    for name in ["now.reen", "0.reen"] {
        verify(&bench.path(name));
    }
}

#[test]
fn info_in_words_has_the_facts_of_the_json() {
    let bench = Bench::with("timers");
    let recording = bench.recorded("r.reen");
    let words = run([OsStr::new("info"), recording.as_os_str()]).succeeded().text();
    let about = info(&recording);
    for field in ["identity", "ended", "cpu_model", "counting_rule", "kernel_cmdline"] {
        assert!(words.contains(about[field].as_str().expect("it is text")), "{field}: {words}");
    }
}
