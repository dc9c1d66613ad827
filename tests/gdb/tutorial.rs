//! docs/tutorial-heap-overflow.md, command by command: what the page shows is what comes.
//!
//! Console blocks of the page are sessions: lines `$ COMMAND` go to a shell in an empty folder, lines `(gdb) COMMAND` to the
//! gdb that `reenact gdb` starts; what stands below a command must come from it, in that order. Numbers that differ from
//! run to run are compared as one: addresses, and numbers of five digits or more, grouped or not.

use crate::program::kernel;
use crate::server::reenact;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A command of the page and the lines below it.
struct Shown {
    command: String,
    lines: Vec<String>,
}

/// The commands with a prompt, in order, over all console blocks of the page.
fn shown(page: &str, prompt: &str, other: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut is_ours = false;
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().expect("a split has a first part").lines() {
            if let Some(command) = line.strip_prefix(prompt) {
                all.push(Shown { command: command.trim().to_owned(), lines: Vec::new() });
                is_ours = true;
            } else if line.starts_with(other) {
                is_ours = false;
            } else if is_ours && !line.trim().is_empty() {
                all.last_mut().expect("a command comes first").lines.push(line.to_owned());
            }
        }
        is_ours = false;
    }
    all
}

/// A line with what differs from run to run replaced.
fn masked(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == ',' || c == '.')) {
        let (body, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
        let digits = body.chars().filter(char::is_ascii_digit).count();
        let is_number = body.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.'));
        let is_varying = body.starts_with("0x") || is_number && digits >= 5;
        out.push_str(if is_varying { "#" } else { body });
        out.push_str(end);
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_comes(shown: &Shown, said: &str) {
    let said: Vec<String> = said.lines().map(masked).collect();
    let mut rest = said.iter();
    for line in &shown.lines {
        assert!(
            rest.any(|l| *l == masked(line)),
            "`{}` does not give {line:?}, but\n{}",
            shown.command,
            said.join("\n")
        );
    }
}

#[test]
fn the_heap_overflow_tutorial_does_what_it_shows() {
    let Some(kernel) = kernel("the_heap_overflow_tutorial_does_what_it_shows") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/tutorial-heap-overflow.md")).expect("the page is there");
    let dir = tempfile::tempdir().expect("there is room");
    fs::copy(root.join("docs/tutorial/inventory.c"), dir.path().join("inventory.c")).expect("there is room");

    let session = shown(&page, "(gdb) ", "$ ");
    assert!(session.len() > 8, "the page has a session");
    // Each command is announced, so that what it says can be told from what the next one says.
    let mut script = String::from("set pagination off\nset width 0\nset style enabled off\n");
    for (i, step) in session.iter().enumerate() {
        script += &format!("echo \\n=={i}==\\n\n{}\n", step.command);
    }
    fs::write(dir.path().join("session"), script).expect("there is room");
    let gdb = dir.path().join("gdb");
    let run = "#!/bin/sh\nexec timeout 200 gdb -nx -batch \"$@\" -x session 2>&1\n";
    fs::write(&gdb, run).expect("there is room");
    fs::set_permissions(&gdb, fs::Permissions::from_mode(0o755)).expect("the file is ours");

    let binary = reenact().get_program().to_owned();
    let bin = Path::new(&binary).parent().expect("it is in a folder").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").expect("there is a PATH"));
    let mut sessions = 0;
    for step in shown(&page, "$ ", "(gdb) ") {
        let is_session = step.command.starts_with("reenact gdb");
        let command = if is_session { format!("{} --exec ./gdb", step.command) } else { step.command.clone() };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command} 2>&1")]).current_dir(dir.path());
        shell.env("PATH", &path).env("REENACT_KERNEL", &kernel).stdin(std::process::Stdio::null());
        let said = shell.output().expect("sh is everywhere");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_comes(&step, &said);
        if is_session {
            sessions += 1;
            for (i, step) in session.iter().enumerate() {
                let behind = said.split(&format!("=={i}==\n")).nth(1).unwrap_or_else(|| panic!("{said}"));
                assert_comes(step, behind.split(&format!("=={}==\n", i + 1)).next().expect("a first part"));
            }
        }
    }
    assert_eq!(sessions, 1, "the page starts gdb once");
}

#[test]
fn what_varies_is_masked_and_nothing_else() {
    assert_eq!(masked("0x000055d0 in add (count=300) at x.c:20"), "# in add (count=300) at x.c:20");
    assert_eq!(masked("instruction 1,444,824,589 of 1,445,515,183"), "instruction # of #");
    assert_eq!(masked("Old value = 120"), "Old value = 120");
}
