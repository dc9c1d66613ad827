//! What a terminal goes through: opening without an index, resizing, being left, killed and taken away.

use crate::{PATIENCE, Tmux, trace};
use std::process::Command;

#[test]
fn a_recording_without_index_opens_and_the_terminal_is_given_back() {
    let Some(tmux) = Tmux::start((80, 24)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "heap_overflow");
    tmux.open(&recording, "");
    let screen = tmux.waits_for("0 of 4,212,226");
    assert!(screen.contains("1 code") && screen.contains("2 registers") && screen.contains("3 memory"), "{screen}");
    tmux.press(&["g"]);
    tmux.enter("end");
    tmux.waits_for("4,212,226 of 4,212,226");
    tmux.tell(&["resize-window", "-x", "120", "-y", "40"]);
    tmux.waits_for("5 console");
    tmux.leave();
    let screen = tmux.screen();
    assert!(!screen.contains("registers"), "{screen}");
    tmux.enter("stty -a | grep -o ' -\\?icanon'; echo $((40 + 2))");
    let screen = tmux.waits_for("42");
    assert!(screen.contains(" icanon") && !screen.contains("-icanon"), "{screen}");
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    let Some(tmux) = Tmux::start((80, 24)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "timers");
    tmux.open(&recording, "");
    tmux.waits_for("1 code");
    tmux.signal("TERM");
    tmux.waits_for("left with");
    tmux.enter("stty -a | grep -o ' -\\?icanon'; echo $((40 + 2))");
    let screen = tmux.waits_for("42");
    assert!(screen.contains(" icanon") && !screen.contains("-icanon"), "{screen}");
}

#[test]
fn a_terminal_that_is_taken_away_ends_it() {
    let Some(tmux) = Tmux::start((80, 24)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "timers");
    tmux.open(&recording, "");
    tmux.waits_for("1 code");
    let process = std::path::PathBuf::from("/proc").join(tmux.pid());
    assert!(process.exists());
    drop(tmux);
    let started = std::time::Instant::now();
    while process.exists() {
        assert!(started.elapsed() < PATIENCE, "it still runs");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn one_screen_is_printed_without_a_terminal() {
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "heap_overflow");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
        command.arg("tui").arg(&recording).args(arguments).output().expect("it starts")
    };
    let output = run(&["--once", "--at", "end", "--size", "80x24"]);
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert_eq!(screen.lines().count(), 24);
    assert!(screen.contains("4,212,226 of 4,212,226") && screen.contains("rip"), "{screen}");
    let output = run(&["--once", "--at", "end", "--pane", "console"]);
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(screen.contains("5 console") && !screen.contains("rip"), "{screen}");
    for (arguments, word) in [
        (&["--once", "--pane", "nonsense"][..], "registers"),
        (&["--once", "--size", "5x5"], "60x16"),
        (&["--once", "--at", "4212227"], "4,212,226"),
        (&[], "--once"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}
