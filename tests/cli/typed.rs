//! What is typed while recording is an Input with its Moment, and a replay types it again by itself.

use crate::command::{Ran, Typist, info, replay, run, verify};
use crate::guests::{Bench, expected_console, trace_file};
use std::ffi::OsStr;
use std::fs::File;

#[test]
fn typing_is_recorded_and_replayed() {
    let bench = Bench::with("monitor");
    let mut typist = Typist::start(bench.record("r.reen"));
    typist.waits_for("> ");
    for (typed, answer) in [("first\n", "FIRST\n> "), ("second line\n", "SECOND LINE\n> "), ("\n", "\n> ")] {
        typist.types(typed);
        typist.waits_for(answer);
    }
    typist.types("q\n");
    let ran = typist.ends().succeeded();
    let recording = bench.path("r.reen");
    let inputs = &info(&recording)["inputs"];
    assert!(inputs["serial"].as_u64() >= Some(4), "{inputs}");
    assert!(inputs["halt"].as_u64() >= Some(1), "the guest waited for its user: {inputs}");
    verify(&recording);
    for geometry in ["1,2", "3,16"] {
        run([OsStr::new("verify"), OsStr::new("--geometry"), OsStr::new(geometry), recording.as_os_str()]).succeeded();
    }
    assert_eq!(replay(&recording), ran.out);
    assert_eq!(ran.text(), "> FIRST\n> SECOND LINE\n> \n> bye\n");
}

#[test]
fn a_file_as_standard_input_makes_the_same_run_each_time() {
    let bench = Bench::with("monitor");
    let input = trace_file("src/monitor.input");
    let mut digests = Vec::new();
    for i in 0..4 {
        let name = format!("{i}.reen");
        let keys = File::open(&input).expect("the trace has an input");
        let ran = Ran::from_output(bench.record(&name).stdin(keys).output().expect("the binary starts")).succeeded();
        assert_eq!(ran.text(), expected_console("monitor"));
        verify(&bench.path(&name));
        digests.push(info(&bench.path(&name))["final_digest"].clone());
    }
    assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
}

#[test]
fn what_is_typed_before_the_guest_listens_is_kept_for_it() {
    let bench = Bench::with("monitor");
    let mut typist = Typist::start(bench.record("r.reen"));
    typist.types("early\nq\n");
    let ran = typist.ends().succeeded();
    assert_eq!(ran.text(), "> EARLY\n> bye\n");
    verify(&bench.path("r.reen"));
}

#[test]
fn long_input_arrives_whole() {
    let bench = Bench::with("monitor");
    let lines: String = (0..300).map(|i| format!("line number {i}\n")).collect();
    let input = bench.path("input");
    std::fs::write(&input, format!("{lines}q\n")).expect("there is room");
    let keys = File::open(&input).expect("it was just written");
    let ran = Ran::from_output(bench.record("r.reen").stdin(keys).output().expect("the binary starts")).succeeded();
    let answers: String = lines.lines().map(|line| format!("> {}\n", line.to_uppercase())).collect();
    assert_eq!(ran.text(), format!("{answers}> bye\n"));
    verify(&bench.path("r.reen"));
}
