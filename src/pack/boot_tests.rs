//! Boots packed guests under QEMU and compares what comes out of the serial port, byte by byte.
//!
//! Not run by default: they need QEMU and a kernel named by `REENACT_KERNEL`. Run them with
//! `REENACT_KERNEL=... cargo test --lib pack::boot_tests -- --ignored`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::*;

struct Run {
    console: String,
    /// The value that was written to the status port; none when the guest was left to power off.
    status: Option<u32>,
}

/// What ends QEMU.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The guest's power-off: nothing is at the status port.
    PowerOff,
    /// The write to the status port: QEMU's exit device is there, and its trace tells the value.
    Status,
}

fn boot(spec: &ProgramSpec, end: End) -> Run {
    let packed = pack(spec).expect("packs");
    let folder = tempfile::tempdir().unwrap();
    let initrd = folder.path().join("initrd");
    std::fs::write(&initrd, &packed.initrd).unwrap();
    let kernel = PathBuf::from(std::env::var_os("REENACT_KERNEL").expect("REENACT_KERNEL names a kernel"));
    let trace = folder.path().join("trace");
    let mut command = Command::new("timeout");
    command.args(["120", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "Nehalem", "-display", "none", "-no-reboot"]);
    command.args(["-serial", "stdio", "-net", "none", "-m", &packed.least_memory_mib().to_string()]);
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(&initrd).args(["-append", &packed.cmdline]);
    if end == End::Status {
        command.args(["-device", &format!("isa-debug-exit,iobase={STATUS_PORT:#x},iosize=4")]);
        command.args(["-trace", "memory_region_ops_write", "-D"]).arg(&trace);
    }
    let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().expect("QEMU starts");
    let console = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success() == (end == End::PowerOff), "the guest did not end as expected; its console: {console}");
    Run { console, status: (end == End::Status).then(|| traced_status(&trace)) }
}

fn traced_status(trace: &Path) -> u32 {
    let text = std::fs::read_to_string(trace).unwrap();
    let line = text.lines().find(|line| line.contains("addr 0x5e5 ") && line.contains("size 4")).expect("a write");
    let value = line.split("value 0x").nth(1).and_then(|rest| rest.split(' ').next()).expect("a value");
    u32::from_str_radix(value, 16).unwrap()
}

fn spec(program: &str, args: &[&str]) -> ProgramSpec {
    ProgramSpec::new(program, args.iter().map(OsString::from).collect(), "/".into())
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn echo_prints_its_words_and_nothing_else() {
    let run = boot(&spec("/bin/echo", &["one", "", "three  four"]), End::PowerOff);
    assert_eq!(run.console, "one  three  four\n");
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn exit_code_and_signal_reach_the_status_port() {
    let run = boot(&spec("/bin/bash", &["-c", "echo $$ >/dev/null; exit 3"]), End::Status);
    assert_eq!((run.console.as_str(), run.status), ("", Some(3 << 8)));
    let run = boot(&spec("/bin/bash", &["-c", "kill -9 $$"]), End::Status);
    assert_eq!(run.status, Some(9));
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn ls_lists_the_root_of_the_guest() {
    let run = boot(&spec("/bin/ls", &["-l", "/"]), End::Status);
    assert_eq!(run.status, Some(0));
    assert!(run.console.starts_with("total 0\n"), "{}", run.console);
    for line in [" root root ", " Jan  1  1970 bin -> usr/bin\n", " proc\n", " root\n"] {
        assert!(run.console.contains(line), "{line:?} is not in\n{}", run.console);
    }
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn program_gets_folder_environment_terminal_and_large_output_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(
        "/bin/bash",
        &["-c", "pwd; echo $HOME; test -t 0 -a -t 1 && echo tty; : </dev/tty && printf '%05d\n' {1..20000}"],
    );
    spec.cwd = folder.path().canonicalize().unwrap();
    let run = boot(&spec, End::PowerOff);
    let numbers: String = (1..=20000).map(|number| format!("{number:05}\n")).collect();
    assert_eq!(run.console, format!("{}\n/root\ntty\n{numbers}", spec.cwd.display()));
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn script_and_perl_run() {
    let run =
        boot(&spec("/usr/bin/perl", &["-e", "print join(',', map { $_ * $_ } 1..5), \"\\n\"; exit 7"]), End::Status);
    assert_eq!((run.console.as_str(), run.status), ("1,4,9,16,25\n", Some(7 << 8)));
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn python_runs_with_its_library_named() {
    let Some(library) =
        std::fs::read_dir("/usr/lib").unwrap().filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("python3.") && path.join("os.py").exists())
        })
    else {
        return;
    };
    let mut spec =
        spec("/usr/bin/python3", &["-c", "import json, sys, hashlib; print(json.dumps({'a': [1, 2]})); sys.exit(5)"]);
    spec.extra_files = vec![(library.clone(), library)];
    let run = boot(&spec, End::Status);
    assert_eq!((run.console.as_str(), run.status), ("{\"a\": [1, 2]}\n", Some(5 << 8)));
}

#[test]
#[ignore = "boots a guest under QEMU; needs REENACT_KERNEL"]
fn program_that_cannot_start_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("script");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let mut spec = spec(program.to_str().unwrap(), &[]);
    let not_a_program = folder.path().join("text");
    std::fs::write(&not_a_program, "words").unwrap();
    spec.extra_files = vec![(not_a_program, shell)];
    let run = boot(&spec, End::Status);
    assert!(run.console.starts_with("reenact: cannot run "), "{}", run.console);
    assert_eq!(run.status, Some(127 << 8));
}
