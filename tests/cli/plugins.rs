//! The built-in plugins on real recordings: the same rows however history is cut, and what they say is so.

use crate::command::{Ran, reenact, run};
use crate::guests::{debian, trace};
use reenact::analysis::collected::Collected;
use reenact::analysis::host::{self, Job, Plan};
use reenact::analysis::kernel::Kernel;
use reenact::analysis::registry;
use reenact::recording::Reader;
use reenact::replay::travel::{Cancel, Cut, Options, Travel};
use reenact_plugin::Arguments;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub fn open(recording: &Path) -> Travel {
    let options = Options { workers: 2, keeps_index: false, ..Options::default() };
    let mut travel = Travel::open(Reader::open(recording).expect("a recording"), options).expect("it opens");
    assert!(travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it"));
    travel
}

/// A plugin and its arguments.
pub type Asked<'a> = (&'a str, &'a [&'a str]);

/// The rows of plugins that are run together, as objects, and which of them were not run.
fn all(travel: &Travel, asked: &[Asked], cut: Cut, workers: usize) -> (Vec<Value>, Vec<(String, String)>) {
    let mut tables = Vec::new();
    let prepare = |&(name, words): &Asked| {
        let plugin = registry::find(name).expect("it is built in");
        let about = plugin.about();
        tables.extend_from_slice(about.tables);
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let arguments = Arguments::parse(&words, about.arguments).expect("the arguments are right");
        let analysis = plugin.prepare(&arguments).expect("the arguments are right");
        Job { name: about.name, tables: about.tables.len(), analysis }
    };
    let jobs: Vec<Job> = asked.iter().map(prepare).collect();
    let rows = Collected::new(&tables);
    let plan = Plan { cut, workers, progress: &|_, _| {}, cancel: &Cancel::default() };
    let kernel = Kernel::find(travel, plan.cancel).expect("it replays");
    let outcome = host::run(travel, &kernel, &jobs, &rows, &plan).expect("it replays");
    let objects = rows.json_lines().map(|line| serde_json::from_str(&line).expect("each row is an object"));
    (objects.collect(), outcome.left_out)
}

/// The rows of plugins, which are the same cut at snapshots, in 7 parts, and in one sequential run; by table.
pub fn rows(travel: &Travel, asked: &[Asked]) -> BTreeMap<String, Vec<Value>> {
    let of = |cut, workers| {
        let (rows, left_out) = all(travel, asked, cut, workers);
        assert!(left_out.is_empty(), "{left_out:?}");
        rows
    };
    let sequential = of(Cut::Parts(1), 1);
    assert!(of(Cut::AtSnapshots, 2) == sequential, "{asked:?}: cut at snapshots the rows are others");
    assert!(of(Cut::Parts(7), 2) == sequential, "{asked:?}: cut in 7 parts the rows are others");
    let mut tables: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in sequential {
        let table = row["table"].as_str().expect("it says of which table").to_owned();
        tables.entry(table).or_default().push(row);
    }
    tables
}

fn texts<'a>(rows: &'a [Value], column: &str) -> Vec<&'a str> {
    rows.iter().filter_map(|row| row[column].as_str()).collect()
}

#[test]
fn guests_without_linux_have_rows_of_what_needs_none() {
    let travel = open(&trace("usermode"));
    let asked: [Asked; 6] = [
        ("clock", &[]),
        ("console", &[]),
        ("coverage", &[]),
        ("devices", &[]),
        ("interrupts", &[]),
        ("writes", &["all=yes"]),
    ];
    let tables = rows(&travel, &asked);
    let lines = &tables["console"];
    let printed = crate::guests::expected_console("usermode");
    assert_eq!(texts(lines, "text"), printed.lines().collect::<Vec<_>>());
    assert!(lines.iter().all(|row| row["pid"].is_null()));
    assert!(texts(&tables["interrupts"], "name").contains(&"#PF page fault"));
    let is_sent = |row: &&Value| row["port"] == 0x3f8 && row["is_write"] == true;
    assert!(tables["ports"].iter().filter(is_sent).count() >= printed.len());
    let written = &tables["writes"];
    assert!(written.len() > 100);
    assert!(written.iter().all(|row| row["size"].as_u64().is_some_and(|n| (1..=8).contains(&n))));
    assert!(!tables["coverage"].is_empty());

    let (none, left_out) = all(&travel, &[("switches", &[])], Cut::AtSnapshots, 1);
    assert!(none.is_empty() && left_out.len() == 1, "it needs Linux: {left_out:?}");
}

#[test]
fn what_is_asked_of_writes_is_what_all_writes_have() {
    let travel = open(&trace("monitor"));
    let all = &rows(&travel, &[("writes", &["all=yes"])])["writes"];
    let some = &rows(&travel, &[("writes", &["range=0x10c060-0x10c070", "space=physical"])])["writes"];
    let is_in = |row: &&Value| {
        let text = row["physical"].as_str().expect("each write has a place").trim_start_matches("0x");
        let at = u64::from_str_radix(text, 16).expect("addresses are hex");
        at < 0x10_c070 && at + row["size"].as_u64().expect("each has a size") > 0x10_c060
    };
    assert_eq!(*some, all.iter().filter(is_in).cloned().collect::<Vec<_>>());
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

    let asked: [Asked; 7] = [
        ("clock", &[]),
        ("console", &[]),
        ("coverage", &[]),
        ("devices", &[]),
        ("interrupts", &[]),
        ("switches", &[]),
        ("writes", &["range=0x1000-0x3000", "space=physical"]),
    ];
    let tables = rows(&open(&recording), &asked);
    assert!(texts(&tables["console"], "text").iter().any(|text| text.contains("Linux version")));
    let switches = &tables["switches"];
    assert!(switches.windows(2).all(|pair| pair[0]["to_tid"] == pair[1]["from_tid"]), "a switch is missing");
    assert!(texts(&tables["interrupts"], "name").contains(&"apic_timer_interrupt"));
    let modules = texts(&tables["coverage"], "module");
    assert!(modules.contains(&"[kernel]"), "the kernel runs in each guest");
    assert!(modules.iter().any(|module| module.starts_with('/')), "a program runs");
    // What the taps were shown has changed nothing.
    run([Path::new("verify"), &recording]).succeeded();
}
