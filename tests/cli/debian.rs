//! Unmodified distribution kernels boot to a busybox shell, run a few commands, end as they are told to, and verify.
//!
//! The guests come from `tests/guests.sh`; its `batch.gz` prints what `assert_batch_ran` looks for.

use crate::command::{Ran, Typist, info, reenact, replay, run, verify};
use crate::guests::debian;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

struct Boot<'a> {
    kernel: &'a str,
    initrd: &'a str,
    append: &'a str,
    memory: &'a str,
}

const BATCH: Boot<'_> = Boot { kernel: "vmlinuz-cloud", initrd: "batch.gz", append: "", memory: "256M" };

impl Boot<'_> {
    fn command(&self, guests: &Path, output: &Path) -> Command {
        let mut command = reenact();
        command.arg("record").arg("-o").arg(output).args(["--memory", self.memory]);
        command.arg("--kernel").arg(guests.join(self.kernel)).arg("--initrd").arg(guests.join(self.initrd));
        command.args(["--append", &format!("console=ttyS0 panic=-1 {}", self.append)]);
        command
    }

    /// Records, checks the end, verifies; returns the console.
    #[track_caller]
    fn runs(&self, guests: &Path, ended: &str) -> String {
        let dir = tempfile::tempdir().expect("there is room");
        let recording = dir.path().join("boot.reen");
        let ran = Ran::from_output(self.command(guests, &recording).output().expect("the binary starts")).succeeded();
        let about = info(&recording);
        assert_eq!(about["ended"], ended, "{}", ran.text());
        assert_adds_little(&recording, &about);
        verify(&recording);
        ran.text()
    }
}

/// The bound that a boot adds beyond its images.
#[track_caller]
fn assert_adds_little(recording: &Path, about: &serde_json::Value) {
    let images: u64 =
        about["images"].as_array().expect("a list").iter().map(|i| i["bytes"].as_u64().expect("a number")).sum();
    let bytes = std::fs::metadata(recording).expect("it is there").len();
    assert!(bytes <= images + (64 << 10), "{bytes} bytes for images of {images}");
}

#[track_caller]
fn assert_batch_ran(console: &str) {
    // md5 of `seq 1 2000 | sort -r`, from coreutils.
    for line in
        ["SHELL on Linux x86_64", "sum 42", "words 3", "2e9c29a3e64ec8303dcda875708e6884  -", "500", "status 3", "DONE"]
    {
        assert!(console.lines().any(|l| l == line), "no {line:?} in:\n{console}");
    }
}

#[test]
fn the_cloud_kernel_boots_and_powers_off() {
    let Some(guests) = debian("the_cloud_kernel_boots_and_powers_off") else { return };
    assert_batch_ran(&BATCH.runs(&guests, "powered off"));
}

#[test]
fn the_generic_kernel_boots_and_powers_off() {
    let Some(guests) = debian("the_generic_kernel_boots_and_powers_off") else { return };
    assert_batch_ran(&Boot { kernel: "vmlinuz-generic", ..BATCH }.runs(&guests, "powered off"));
}

#[test]
fn the_realtime_kernel_boots_and_powers_off() {
    let Some(guests) = debian("the_realtime_kernel_boots_and_powers_off") else { return };
    assert_batch_ran(&Boot { kernel: "vmlinuz-rt", ..BATCH }.runs(&guests, "powered off"));
}

/// Without ACPI there is no power switch: the guest resets through the keyboard controller.
#[test]
fn the_cloud_kernel_boots_without_apic_and_acpi() {
    let Some(guests) = debian("the_cloud_kernel_boots_without_apic_and_acpi") else { return };
    let boot = Boot { append: "noapic nolapic acpi=off reboot=k end=reboot", ..BATCH };
    assert_batch_ran(&boot.runs(&guests, "reset through the keyboard controller"));
}

#[test]
fn the_least_and_the_most_memory_do() {
    let Some(guests) = debian("the_least_and_the_most_memory_do") else { return };
    for (memory, least_mib, most_mib) in [("128M", 64, 128), ("4G", 3800, 4096)] {
        let console = Boot { memory, ..BATCH }.runs(&guests, "powered off");
        assert_batch_ran(&console);
        let told = console.lines().find_map(|l| l.strip_prefix("memory ")?.strip_suffix(" MiB")?.parse().ok());
        assert!(told.is_some_and(|mib: u64| (least_mib..=most_mib).contains(&mib)), "{told:?} MiB of {memory}");
    }
}

#[test]
fn two_boots_have_one_final_digest() {
    let Some(guests) = debian("two_boots_have_one_final_digest") else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let outputs: Vec<PathBuf> = ["a", "b"].into_iter().map(|n| dir.path().join(n)).collect();
    // The second looks at nothing but the engine's caches otherwise.
    let a = Ran::from_output(BATCH.command(&guests, &outputs[0]).output().expect("the binary starts")).succeeded();
    let b = Ran::from_output(
        BATCH.command(&guests, &outputs[1]).args(["--geometry", "5,64"]).output().expect("the binary starts"),
    )
    .succeeded();
    assert_eq!(a.out, b.out);
    let (a, b) = (info(&outputs[0]), info(&outputs[1]));
    for field in ["final_digest", "instructions", "outputs", "inputs"] {
        assert_eq!(a[field], b[field], "{field}");
    }
}

fn shell(guests: &Path) -> (TempDir, PathBuf, Typist) {
    let dir = tempfile::tempdir().expect("there is room");
    let recording = dir.path().join("shell.reen");
    let typist = Typist::start(Boot { initrd: "shell.gz", append: "quiet", ..BATCH }.command(guests, &recording));
    (dir, recording, typist)
}

#[test]
fn a_shell_that_is_typed_at_replays_its_session() {
    let Some(guests) = debian("a_shell_that_is_typed_at_replays_its_session") else { return };
    let (_dir, recording, mut typist) = shell(&guests);
    typist.waits_for("/ # ");
    typist.types("echo $((6 * 7)) > /tmp/answer\n");
    typist.waits_for("/ # ");
    typist.types("cat /tmp/answer; uname -s\n");
    typist.waits_for("42\r\nLinux\r\n/ # ");
    typist.types("poweroff -f\n");
    let ran = typist.ends().succeeded();
    let about = info(&recording);
    assert_eq!(about["ended"], "powered off");
    assert!(about["inputs"]["serial"].as_u64() >= Some(3));
    verify(&recording);
    assert_eq!(replay(&recording), ran.out);
}

#[test]
fn a_killed_boot_verifies_up_to_its_last_frame() {
    let Some(guests) = debian("a_killed_boot_verifies_up_to_its_last_frame") else { return };
    let (_dir, recording, mut typist) = shell(&guests);
    typist.waits_for("SHELL on Linux x86_64");
    typist.signal(libc::SIGKILL);
    assert_eq!(typist.ends().code, None);
    let said = run([OsStr::new("verify"), recording.as_os_str()]).succeeded().text();
    assert!(said.contains("not closed"), "{said}");
}
