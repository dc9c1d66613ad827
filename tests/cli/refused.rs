//! What cannot be done is refused with one clear line and the right exit code, and nothing is left behind.

use crate::command::{Ran, reenact, run};
use crate::guests::{Bench, trace};
use reenact::recording::format::{FORMAT_VERSION, superblock};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A `record` of `kernel` into `r.reen`, which must be refused and leave nothing.
#[track_caller]
fn assert_record_is_refused(bench: &Bench, command: &mut Command, code: i32, words: &[&str]) {
    let before = bench.files();
    Ran::from_output(command.output().expect("the binary starts")).refused(code, words);
    assert_eq!(bench.files(), before, "something was left behind");
}

fn record(bench: &Bench, kernel: &Path) -> Command {
    let mut command = reenact();
    command.args(["record", "--memory", "8M", "-o"]).arg(bench.path("r.reen")).arg("--kernel").arg(kernel);
    command
}

#[test]
fn a_kernel_that_is_none_is_refused() {
    let bench = Bench::with("usermode");
    let file = |name: &str, content: &[u8]| -> PathBuf {
        let path = bench.path(name);
        std::fs::write(&path, content).expect("there is room");
        path
    };
    let image = std::fs::read(&bench.kernel).expect("it was just written");
    let cases = [
        (file("text", b"this is no kernel\n"), "kernel"),
        (file("empty", b""), "kernel"),
        (file("zeros", &[0; 65536]), "kernel"),
        (file("cut", &image[..image.len() / 2]), "kernel"),
        (PathBuf::from("/bin/sh"), "kernel"),
        (bench.path("missing"), "missing"),
        (PathBuf::from("/"), "cannot read the kernel /"),
        (PathBuf::from("/proc/self/mem"), "cannot read the kernel /proc/self/mem"),
    ];
    for (kernel, words) in cases {
        assert_record_is_refused(&bench, &mut record(&bench, &kernel), 3, &[words]);
    }
}

#[test]
fn an_initrd_that_does_not_fit_is_refused() {
    let bench = Bench::with("usermode");
    let large = bench.path("large");
    std::fs::File::create(&large).and_then(|f| f.set_len(16 << 20)).expect("it takes no room");
    assert_record_is_refused(
        &bench,
        record(&bench, &bench.kernel).arg("--initrd").arg(&large),
        3,
        &["initrd has 16777216 bytes", "--memory"],
    );
    assert_record_is_refused(
        &bench,
        record(&bench, &bench.kernel).arg("--initrd").arg(bench.path("missing")),
        3,
        &["cannot read the initrd", "missing"],
    );
}

#[test]
fn a_program_that_cannot_be_packed_is_refused() {
    let bench = Bench::with("usermode");
    // A host program whose C library has another name: one byte of the name in its string table is changed.
    let mut program = std::fs::read("/bin/ls").expect("the host has ls");
    let name = b"libc.so.6\0";
    let at = program.windows(name.len()).position(|w| w == name).expect("the host's ls needs libc.so.6");
    program[at + 3] = b'q';
    let orphan = bench.path("orphan");
    std::fs::write(&orphan, program).expect("there is room");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&orphan, executable).expect("it is our file");
    let orphan = orphan.to_str().expect("temporary paths are text").to_owned();
    let here = bench.path("").to_str().expect("temporary paths are text").to_owned();
    let cases: [(&str, &[&str]); 4] = [
        (&orphan, &["libq.so.6", "orphan"]),
        ("no-such-program-anywhere", &["no-such-program-anywhere", "not found"]),
        ("/etc/passwd", &["/etc/passwd"]),
        (&here, &["directory"]),
    ];
    for (program, words) in cases {
        assert_record_is_refused(&bench, record(&bench, &bench.kernel).args(["--", program]), 3, words);
    }
}

#[test]
fn an_existing_output_is_kept() {
    let bench = Bench::with("usermode");
    std::fs::write(bench.path("r.reen"), "precious").expect("there is room");
    assert_record_is_refused(&bench, &mut record(&bench, &bench.kernel), 2, &["r.reen exists", "--force"]);
    assert_eq!(std::fs::read(bench.path("r.reen")).expect("it is still there"), b"precious");
}

#[test]
fn a_refused_record_keeps_what_force_would_have_replaced() {
    let bench = Bench::with("usermode");
    std::fs::write(bench.path("r.reen"), "precious").expect("there is room");
    assert_record_is_refused(&bench, record(&bench, Path::new("/etc/passwd")).arg("--force"), 3, &["kernel"]);
    assert_eq!(std::fs::read(bench.path("r.reen")).expect("it is still there"), b"precious");
}

#[test]
fn an_output_that_cannot_be_is_refused() {
    let bench = Bench::with("usermode");
    let to = |output: &str| {
        let mut command = reenact();
        command.args(["record", "--memory", "8M", "--kernel"]).arg(&bench.kernel).args(["-o", output]);
        command
    };
    assert_record_is_refused(&bench, &mut to("/no/such/directory/r.reen"), 3, &["/no/such/directory/r.reen"]);
    assert_record_is_refused(&bench, &mut to("/dev/full"), 2, &["/dev/full exists"]);
    assert_record_is_refused(&bench, to("/dev/full").arg("--force"), 3, &["/dev/full is not a regular file"]);
    assert_record_is_refused(&bench, to("/tmp").arg("--force"), 3, &["/tmp is not a regular file"]);
}

#[test]
fn arguments_that_ask_for_nothing_are_a_usage_error() {
    let bench = Bench::with("usermode");
    let mut bare = reenact();
    bare.args(["record", "-o"]).arg(bench.path("r.reen"));
    assert_record_is_refused(&bench, &mut bare, 2, &["nothing to record"]);
    assert_record_is_refused(&bench, record(&bench, &bench.kernel).args(["--file", "/etc/passwd"]), 2, &["--file"]);
    assert_record_is_refused(
        &bench,
        record(&bench, &bench.kernel).args(["--initrd", "/etc/passwd", "--", "/bin/ls"]),
        2,
        &["--initrd"],
    );
    // clap's own messages have a hint and a usage line.
    for arguments in [
        &["record", "--memory", "12Q"][..],
        &["record", "--bogus"],
        &["replay", "--to", "200%", "x"],
        &["bogus"],
        &[],
        &["verify"],
    ] {
        assert_eq!(run(arguments).code, Some(2), "{arguments:?}");
    }
    assert_record_is_refused(
        &bench,
        record(&bench, &bench.kernel).args(["--append", &"x".repeat(1 << 16)]),
        3,
        &["command line has 65536 bytes"],
    );
}

#[test]
fn memory_that_cannot_be_is_refused() {
    let bench = Bench::with("usermode");
    for memory in ["0", "12345", "1K", "900000G"] {
        let mut command = reenact();
        command.args(["record", "--memory", memory, "-o"]).arg(bench.path("r.reen")).arg("--kernel").arg(&bench.kernel);
        assert_record_is_refused(&bench, &mut command, 3, &["memory"]);
    }
}

#[test]
fn what_is_no_recording_is_refused_by_every_verb() {
    let bench = Bench::with("usermode");
    let file = |name: &str, content: &[u8]| {
        std::fs::write(bench.path(name), content).expect("there is room");
        bench.path(name)
    };
    let mut newer = std::fs::read(trace("usermode")).expect("the trace is there");
    newer[..16].copy_from_slice(&superblock(FORMAT_VERSION + 1));
    let cases = [
        (file("text", b"this is a text that is longer than a superblock\n"), "is not a recording"),
        (file("empty", b""), "is not a recording"),
        (bench.kernel.clone(), "is not a recording"),
        (bench.path("missing"), "cannot open the recording"),
        (bench.path(""), "cannot read the recording"),
        (file("newer.reen", &newer), "is newer than this reenact understands"),
        (PathBuf::from("/dev/null"), "is not a recording"),
    ];
    for (path, words) in cases {
        for verb in ["info", "verify", "replay"] {
            run([verb.as_ref(), path.as_os_str()]).refused(3, &[words, path.to_str().expect("it is text")]);
        }
    }
}
