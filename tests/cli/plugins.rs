//! The built-in plugins on real recordings: the same rows however history is cut, and what they say is so.

use crate::command::{Ran, reenact, run};
use crate::guests::{debian, trace};
use serde_json::Value;
use std::path::Path;

/// The rows of a plugin from a recording cut at its snapshots, in 7 parts, and in one sequential run.
fn rows(recording: &Path, plugin: &[&str]) -> Vec<Value> {
    let of = |cut: &[&str]| {
        let mut command = reenact();
        command.arg("run").arg(recording).args(plugin).args(cut);
        Ran::from_output(command.output().expect("the binary starts")).succeeded().text()
    };
    let sequential = of(&["--parts", "1", "--workers", "1"]);
    assert!(of(&[]) == sequential, "{plugin:?}: cut at snapshots the rows are others");
    assert!(of(&["--parts", "7"]) == sequential, "{plugin:?}: cut in 7 parts the rows are others");
    sequential.lines().map(|line| serde_json::from_str(line).expect("each row is an object")).collect()
}

fn texts<'a>(rows: &'a [Value], column: &str) -> Vec<&'a str> {
    rows.iter().filter_map(|row| row[column].as_str()).collect()
}

#[test]
fn guests_without_linux_have_rows_of_what_needs_none() {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let recording = dir.path().join("usermode.reen");
    std::fs::copy(trace("usermode"), &recording).expect("there is room for temporary files");

    let lines = rows(&recording, &["console"]);
    let printed = crate::guests::expected_console("usermode");
    assert_eq!(texts(&lines, "text"), printed.lines().collect::<Vec<_>>());
    assert!(lines.iter().all(|row| row["pid"].is_null()));

    let interrupts = rows(&recording, &["interrupts"]);
    assert!(texts(&interrupts, "name").contains(&"#PF page fault"), "{interrupts:?}");
    let sent: usize = lines.iter().map(|row| row["text"].as_str().map_or(0, str::len) + 1).sum();
    let devices = rows(&recording, &["devices"]);
    let to_console = devices.iter().filter(|row| row["port"] == 0x3f8 && row["is_write"] == true).count();
    assert!(to_console >= sent, "{to_console} bytes for {sent} that were printed");

    let written = rows(&recording, &["writes", "all=yes"]);
    assert!(
        written.len() > 100 && written.iter().all(|row| row["size"].as_u64().is_some_and(|n| (1..=8).contains(&n)))
    );
    assert!(!rows(&recording, &["coverage"]).is_empty());
    rows(&recording, &["clock"]);
    let none = run([Path::new("run"), &recording, Path::new("switches")]).succeeded();
    assert!(none.out.is_empty() && none.err.contains("switches was not run"), "{}", none.err);
}

#[test]
fn what_is_asked_of_writes_is_what_all_writes_have() {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let recording = dir.path().join("monitor.reen");
    std::fs::copy(trace("monitor"), &recording).expect("there is room for temporary files");
    let all = rows(&recording, &["writes", "all=yes"]);
    let some = rows(&recording, &["writes", "range=0x10c060-0x10c070", "space=physical"]);
    let is_in = |row: &&Value| {
        let text = row["physical"].as_str().expect("each write has a place").trim_start_matches("0x");
        let at = u64::from_str_radix(text, 16).expect("addresses are hex");
        at < 0x10_c070 && at + row["size"].as_u64().expect("each has a size") > 0x10_c060
    };
    assert!(!some.is_empty());
    assert_eq!(some, all.iter().filter(is_in).cloned().collect::<Vec<_>>());
}

#[test]
fn plugins_tell_of_a_boot_the_same_however_it_is_cut() {
    let Some(guests) = debian("plugins_tell_of_a_boot_the_same_however_it_is_cut") else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = dir.path().join("boot.reen");
    let mut command = reenact();
    command.arg("record").arg("-o").arg(&recording).arg("--kernel").arg(guests.join("vmlinuz-cloud"));
    command.arg("--initrd").arg(guests.join("batch.gz")).args(["--append", "console=ttyS0 panic=-1"]);
    Ran::from_output(command.output().expect("the binary starts")).succeeded();

    let console = rows(&recording, &["console"]);
    assert!(texts(&console, "text").iter().any(|text| text.contains("Linux version")));
    let switches = rows(&recording, &["switches"]);
    assert!(switches.windows(2).all(|pair| pair[0]["to_tid"] == pair[1]["from_tid"]), "a switch is missing");
    let interrupts = rows(&recording, &["interrupts"]);
    assert!(texts(&interrupts, "name").contains(&"apic_timer_interrupt"));
    let coverage = rows(&recording, &["coverage"]);
    assert!(texts(&coverage, "module").contains(&"[kernel]"), "the kernel runs in each guest");
    assert!(texts(&coverage, "module").iter().any(|module| module.starts_with('/')), "a program runs");
    rows(&recording, &["clock"]);
    rows(&recording, &["devices"]);
    // What the taps were shown has changed nothing.
    run([Path::new("verify"), &recording]).succeeded();
}
