//! Investigations from the question to the answer, and back to it another day: the tutorial of docs/tui.md on a trace, and
//! one with tables on a recorded shell.

use crate::{Tmux, trace};

#[test]
fn who_wrote_the_bytes_that_crashed_it_is_found_marked_and_found_again() {
    let Some(tmux) = Tmux::start((120, 40)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "heap_overflow");
    tmux.open(&recording, "--at end");
    tmux.waits_for("4,212,226 of 4,212,226");
    // The function pointer that the crash jumped through.
    tmux.press(&["3", "@"]);
    tmux.enter("0x10c038");
    tmux.waits_for("000000000010c030");
    tmux.press(&["W"]);
    let screen = tmux.waits_for("wrote 0x10c038");
    assert!(screen.contains("mov %al,(%rdi)"), "{screen}");
    let place = place(&screen);
    tmux.press(&["m"]);
    tmux.enter("overflow the copy runs over the end");
    tmux.waits_for("bookmark overflow");
    tmux.press(&["["]);
    tmux.waits_for("4,212,226 of 4,212,226");
    tmux.leave();

    tmux.open(&recording, "");
    tmux.waits_for(" 0 of 4,212,226");
    tmux.press(&["'"]);
    let screen = tmux.waits_for("the copy runs over the end");
    assert!(screen.contains(&place), "{place} in {screen}");
    tmux.press(&["Enter"]);
    let screen = tmux.waits_for(&format!("{place} of 4,212,226"));
    assert!(screen.contains("mov %al,(%rdi)"), "{screen}");
    tmux.leave();
}

/// The current Moment as the header says it.
fn place(screen: &str) -> String {
    let header = screen.lines().next().expect("there is a header");
    let (before, _) = header.split_once(" of ").expect("it says where");
    before.rsplit(' ').next().expect("a number").to_owned()
}

/// A shell writes a file: which process, in which call, and where were the bytes made?
#[cfg(feature = "query")]
#[test]
fn from_a_file_to_its_writer_to_the_call_to_where_the_buffer_was_filled_and_back_again() {
    let guests = std::env::var_os("REENACT_TEST_GUESTS").filter(|dir| !dir.is_empty()).map(std::path::PathBuf::from);
    let Some(guests) = guests else {
        return eprintln!("left out, because REENACT_TEST_GUESTS names no directory of kernels");
    };
    let Some(tmux) = Tmux::start((120, 40)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = dir.path().join("case.reen");
    let mut record = std::process::Command::new(env!("CARGO_BIN_EXE_reenact"));
    record.args(["record", "--offline", "--kernel"]).arg(guests.join("vmlinuz-cloud")).arg("-o").arg(&recording);
    record.arg("--").arg(guests.join("busybox")).args(["sh", "-c", "echo the-$((40+2))-needles > /tmp/loot.txt"]);
    let recorded = record.output().expect("it starts");
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));

    tmux.open(&recording, "--pane tables");
    tmux.waits_for("M makes them");
    tmux.press(&["M"]);
    tmux.waits_for("the tables are there");
    // The file, and who opened it.
    tmux.press(&["T"]);
    tmux.waits_for("enter shows it");
    tmux.press(&["f", "Enter"]);
    tmux.waits_for("9 files");
    tmux.press(&["/"]);
    tmux.enter("path~loot.txt");
    let screen = tmux.waits_for("1 of 1  with path~loot.txt");
    assert!(screen.contains("/tmp/loot.txt"), "{screen}");
    // The call that wrote it.
    tmux.press(&["Q"]);
    tmux.enter("SELECT moment, pid, comm, name, arguments FROM syscalls WHERE arguments LIKE '%the-42-needles%'");
    let screen = tmux.waits_for("1 of 1");
    assert!(screen.contains("write"), "{screen}");
    // To the call itself, where the program's registers are.
    tmux.press(&["Enter"]);
    let screen = tmux.waits_until("the SYSCALL instruction", |s| s.contains(" user  ") && is_at_syscall(s));
    let buffer = register(&screen, "rsi");
    tmux.press(&["3", "@"]);
    tmux.enter(&format!("0x{buffer}"));
    tmux.waits_for("the-42-needles");
    // Where the last write to its first byte was.
    tmux.press(&["W"]);
    let screen = tmux.waits_for(&format!("wrote 0x{}", buffer.trim_start_matches('0')));
    let filled = place(&screen);
    tmux.press(&["m"]);
    tmux.enter("filled the shell puts its words here");
    tmux.waits_for("bookmark filled");
    tmux.leave();

    tmux.open(&recording, "");
    tmux.waits_for(" 0 of ");
    tmux.press(&["'"]);
    tmux.waits_for("the shell puts its words here");
    tmux.press(&["Enter"]);
    tmux.waits_for(&format!("{filled} of "));
    tmux.leave();
}

/// The next instruction is a system call.
#[cfg(feature = "query")]
fn is_at_syscall(screen: &str) -> bool {
    screen.lines().any(|line| line.starts_with("> ") && line.contains("syscall"))
}

/// A register's digits, as the pane shows them.
#[cfg(feature = "query")]
fn register(screen: &str, name: &str) -> String {
    let (_, rest) = screen.split_once(&format!("│{name}")).expect("the register is seen");
    rest.chars().skip(1).take_while(char::is_ascii_hexdigit).collect()
}
