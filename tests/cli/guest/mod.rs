//! What the guest view says of a distribution kernel equals what the guest printed from its own /proc.
//!
//! `tests/guest/facts.c` makes the processes, prints, and ends the recording in user mode while all stands as printed.

mod corrupt;
mod dumps;
mod facts;
mod truth;

use crate::command::{Ran, reenact};
use crate::guests::debian;
use facts::Facts;
use reenact::guest::{Profile, View};
use reenact::machine::{Geometry, Machine};
use reenact::recording::Reader;
use reenact::replay::player::Player;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A boot of the facts guest, with the machine as it was at the end.
struct Booted {
    _dir: TempDir,
    recording: PathBuf,
    facts: Facts,
    machine: Machine,
}

impl Booted {
    fn new(guests: &Path, kernel: &str, append: &str) -> Booted {
        let dir = tempfile::tempdir().expect("there is room");
        let recording = dir.path().join("facts.reen");
        let mut command = reenact();
        command.args(["record", "--memory", "384M", "-o"]).arg(&recording);
        command.arg("--kernel").arg(guests.join(kernel)).arg("--initrd").arg(guests.join("facts.gz"));
        command.args(["--append", &format!("console=ttyS0 panic=-1 quiet loglevel=0 {append}")]);
        let ran = Ran::from_output(command.output().expect("the binary starts")).succeeded();
        let machine = at_end(&recording);
        Booted { _dir: dir, recording, facts: Facts::parse(&ran.text()), machine }
    }
}

fn at_end(recording: &Path) -> Machine {
    let reader = Reader::open(recording).expect("it was just made");
    let length = reader.summary().expect("it is whole").last;
    let mut player = Player::new(&reader, Geometry::default(), false).expect("it was just made");
    player.seek(length).expect("it replays");
    assert_eq!(player.machine.now(), length);
    player.machine
}

/// Compares everything with one kernel.
#[track_caller]
fn tells_the_truth(guests: &Path, kernel: &str, append: &str) {
    let booted = Booted::new(guests, kernel, append);
    let profile = Profile::of(&booted.machine).expect("the kernel is Linux");
    let view = View::of(&booted.machine, &profile).expect("it is this kernel");
    truth::check(&booted.facts, &view, append.contains("pti=on"));
    truth::check_ps(&booted.facts, &booted.recording);
}

#[test]
fn the_cloud_kernel_is_seen_as_it_sees_itself() {
    let Some(guests) = debian("the_cloud_kernel_is_seen_as_it_sees_itself") else { return };
    tells_the_truth(&guests, "vmlinuz-cloud", "pti=off");
}

#[test]
fn page_table_isolation_hides_nothing() {
    let Some(guests) = debian("page_table_isolation_hides_nothing") else { return };
    tells_the_truth(&guests, "vmlinuz-cloud", "pti=on");
}

#[test]
fn a_kernel_that_is_not_moved_is_seen_too() {
    let Some(guests) = debian("a_kernel_that_is_not_moved_is_seen_too") else { return };
    tells_the_truth(&guests, "vmlinuz-cloud", "nokaslr");
}

#[test]
fn the_generic_kernel_is_seen_as_it_sees_itself() {
    let Some(guests) = debian("the_generic_kernel_is_seen_as_it_sees_itself") else { return };
    tells_the_truth(&guests, "vmlinuz-generic", "pti=on");
}

#[test]
fn the_realtime_kernel_is_seen_as_it_sees_itself() {
    let Some(guests) = debian("the_realtime_kernel_is_seen_as_it_sees_itself") else { return };
    tells_the_truth(&guests, "vmlinuz-rt", "");
}

#[test]
fn a_newer_kernel_is_seen_as_it_sees_itself() {
    let Some(guests) = debian("a_newer_kernel_is_seen_as_it_sees_itself") else { return };
    if guests.join("vmlinuz-newer").exists() {
        tells_the_truth(&guests, "vmlinuz-newer", "");
    } else {
        use std::io::Write;
        let _ =
            writeln!(std::io::stderr(), "SKIPPED a_newer_kernel_is_seen_as_it_sees_itself: there is no vmlinuz-newer");
    }
}
