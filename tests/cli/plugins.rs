//! The built-in plugins on real recordings: the same rows however history is cut, and what they say is so.

use crate::command::{Ran, reenact, run};
use crate::guests::{debian, trace};
use reenact::analysis::collected::Collected;
use reenact::analysis::host::{self, Job, Plan};
use reenact::analysis::registry;
use reenact::recording::Reader;
use reenact::replay::travel::{Cancel, Cut, Options, Travel};
use reenact_plugin::{Argument, Arguments};
use serde_json::Value;
use std::path::Path;

pub fn open(recording: &Path) -> Travel {
    let options = Options { workers: 2, keeps_index: false, ..Options::default() };
    let mut travel = Travel::open(Reader::open(recording).expect("a recording"), options).expect("it opens");
    assert!(travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it"));
    travel
}

/// The rows of a plugin as objects, or why it was not run.
fn of(travel: &Travel, plugin: &str, words: &[&str], cut: Cut, workers: usize) -> Result<Vec<Value>, String> {
    let plugin = registry::find(plugin).expect("it is built in");
    let about = plugin.about();
    let known: &[Argument] = about.arguments;
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let arguments = Arguments::parse(&words, known).expect("the arguments are right");
    let analysis = plugin.prepare(&arguments).expect("the arguments are right");
    let rows = Collected::new(about.tables);
    let plan = Plan { cut, workers, progress: &|_, _| {}, cancel: &Cancel::default() };
    let job = Job { name: about.name, tables: about.tables.len(), analysis };
    let mut outcome = host::run(travel, &[job], &rows, &plan).expect("it replays");
    match outcome.left_out.pop() {
        Some((_, why)) => Err(why),
        None => Ok(rows.json_lines().map(|line| serde_json::from_str(&line).expect("each row is an object")).collect()),
    }
}

/// The rows of a plugin, which are the same cut at snapshots, in 7 parts, and in one sequential run.
pub fn rows(travel: &Travel, plugin: &str, words: &[&str]) -> Vec<Value> {
    let of = |cut, workers| of(travel, plugin, words, cut, workers).expect("it is run");
    let sequential = of(Cut::Parts(1), 1);
    assert!(of(Cut::AtSnapshots, 2) == sequential, "{plugin} {words:?}: cut at snapshots the rows are others");
    assert!(of(Cut::Parts(7), 2) == sequential, "{plugin} {words:?}: cut in 7 parts the rows are others");
    sequential
}

fn texts<'a>(rows: &'a [Value], column: &str) -> Vec<&'a str> {
    rows.iter().filter_map(|row| row[column].as_str()).collect()
}

#[test]
fn guests_without_linux_have_rows_of_what_needs_none() {
    let travel = open(&trace("usermode"));
    let lines = rows(&travel, "console", &[]);
    let printed = crate::guests::expected_console("usermode");
    assert_eq!(texts(&lines, "text"), printed.lines().collect::<Vec<_>>());
    assert!(lines.iter().all(|row| row["pid"].is_null()));

    let interrupts = rows(&travel, "interrupts", &[]);
    assert!(texts(&interrupts, "name").contains(&"#PF page fault"), "{interrupts:?}");
    let devices = rows(&travel, "devices", &[]);
    let to_console = devices.iter().filter(|row| row["port"] == 0x3f8 && row["is_write"] == true).count();
    assert!(to_console >= printed.len(), "{to_console} bytes for {} that were printed", printed.len());

    let written = rows(&travel, "writes", &["all=yes"]);
    assert!(written.len() > 100);
    assert!(written.iter().all(|row| row["size"].as_u64().is_some_and(|n| (1..=8).contains(&n))));
    assert!(!rows(&travel, "coverage", &[]).is_empty());
    rows(&travel, "clock", &[]);
    of(&travel, "switches", &[], Cut::AtSnapshots, 1).expect_err("it needs Linux");
}

#[test]
fn what_is_asked_of_writes_is_what_all_writes_have() {
    let travel = open(&trace("monitor"));
    let all = rows(&travel, "writes", &["all=yes"]);
    let some = rows(&travel, "writes", &["range=0x10c060-0x10c070", "space=physical"]);
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

    let travel = open(&recording);
    let console = rows(&travel, "console", &[]);
    assert!(texts(&console, "text").iter().any(|text| text.contains("Linux version")));
    let switches = rows(&travel, "switches", &[]);
    assert!(switches.windows(2).all(|pair| pair[0]["to_tid"] == pair[1]["from_tid"]), "a switch is missing");
    let interrupts = rows(&travel, "interrupts", &[]);
    assert!(texts(&interrupts, "name").contains(&"apic_timer_interrupt"));
    let coverage = rows(&travel, "coverage", &[]);
    assert!(texts(&coverage, "module").contains(&"[kernel]"), "the kernel runs in each guest");
    assert!(texts(&coverage, "module").iter().any(|module| module.starts_with('/')), "a program runs");
    rows(&travel, "clock", &[]);
    rows(&travel, "devices", &[]);
    rows(&travel, "writes", &["range=0x1000-0x3000", "space=physical"]);
    // What the taps were shown has changed nothing.
    run([Path::new("verify"), &recording]).succeeded();
}
