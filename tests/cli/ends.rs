//! Ends that come from outside: the limit, a signal, Ctrl-A X, a closed pipe. Each closes the recording properly.

use crate::command::{Ran, Typist, info, verify};
use crate::guests::Bench;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::process::Stdio;

#[test]
fn the_limit_ends_a_recording_at_exactly_this_instruction() {
    let bench = Bench::with("timers");
    for limit in ["1", "65536", "1234567"] {
        let name = format!("{limit}.reen");
        Ran::from_output(bench.record(&name).args(["--limit", limit]).output().expect("the binary starts")).succeeded();
        let about = info(&bench.path(&name));
        assert_eq!(about["instructions"].to_string(), limit);
        assert_eq!(about["ended"], "instruction limit reached");
        verify(&bench.path(&name));
    }
}

#[test]
fn a_signal_closes_the_recording() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let bench = Bench::with("monitor");
        let mut typist = Typist::start(bench.record("r.reen"));
        typist.types("r\n");
        typist.waits_for("count 0000000000000003\n");
        typist.signal(signal);
        typist.ends().succeeded();
        assert_eq!(info(&bench.path("r.reen"))["ended"], "stopped by the user");
        verify(&bench.path("r.reen"));
    }
}

#[test]
fn ctrl_a_x_at_a_terminal_closes_the_recording() {
    let bench = Bench::with("monitor");
    let (mut terminal, keyboard) = terminal();
    let mut command = bench.record("r.reen");
    let mut child =
        command.stdin(keyboard).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut screen = child.stdout.take().expect("it is piped");
    let mut seen = Vec::new();
    let mut wait_for = |text: &str| {
        let mut byte = [0];
        while !seen.ends_with(text.as_bytes()) {
            screen.read_exact(&mut byte).expect("the console goes on");
            seen.push(byte[0]);
        }
    };
    wait_for("> ");
    terminal.write_all(b"by hand\n").expect("the terminal takes keys");
    wait_for("BY HAND\n> ");
    terminal.write_all(b"\x01x").expect("the terminal takes keys");
    assert!(child.wait().expect("it is our child").success());
    let about = info(&bench.path("r.reen"));
    assert_eq!(about["ended"], "stopped by the user");
    verify(&bench.path("r.reen"));
}

/// A pseudo-terminal: the end that types, and the end to be a standard input.
fn terminal() -> (File, File) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: both numbers are written before use; the name, settings and size are optional and not given.
    let opened = unsafe {
        libc::openpty(&raw mut master, &raw mut slave, std::ptr::null_mut(), std::ptr::null(), std::ptr::null())
    };
    assert_eq!(opened, 0, "the host has pseudo-terminals");
    // SAFETY: both descriptors were just opened and belong to nobody else.
    unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) }
}

#[test]
fn a_closed_output_pipe_does_not_end_the_recording() {
    let bench = Bench::with("timers");
    let mut child =
        bench.record("r.reen").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    Ran::from_output(child.wait_with_output().expect("it is our child")).succeeded();
    assert_eq!(info(&bench.path("r.reen"))["ended"], "debug exit with code 0");
    verify(&bench.path("r.reen"));
}
