//! Where guests come from: the images inside the traces, and a directory with distribution kernels.

use crate::command::{Ran, reenact};
use reenact::recording::{ImageRole, Reader};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The guests of `traces/`.
pub const TRACES: [&str; 4] = ["heap_overflow", "timers", "usermode", "monitor"];

/// The path of something in `traces/`.
pub fn trace_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(name)
}

/// A recording in `traces/`.
pub fn trace(name: &str) -> PathBuf {
    trace_file(&format!("{name}.reen"))
}

/// What the guest of a trace prints.
pub fn expected_console(name: &str) -> String {
    std::fs::read_to_string(trace_file(&format!("src/{name}.expected"))).expect("every trace has an expected console")
}

/// A directory of its own for one test, with one guest's kernel in it.
pub struct Bench {
    dir: TempDir,
    pub kernel: PathBuf,
}

impl Bench {
    /// With the kernel image that the trace `name` was recorded from.
    pub fn with(name: &str) -> Bench {
        let dir = tempfile::tempdir().expect("there is room for temporary files");
        let reader = Reader::open(trace(name)).expect("the trace opens");
        let image = reader.load_image(ImageRole::Kernel).expect("the trace is whole").expect("it has a kernel");
        let kernel = dir.path().join(format!("{name}.elf"));
        std::fs::write(&kernel, image).expect("there is room for temporary files");
        Bench { dir, kernel }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `record` of this guest into `name`, not started yet.
    pub fn record(&self, name: &str) -> Command {
        let mut command = reenact();
        command
            .args(["record", "--memory", "8M", "--digest-interval", "65536", "--kernel"])
            .arg(&self.kernel)
            .arg("-o")
            .arg(self.path(name));
        command
    }

    /// A recording of this guest that nobody types at.
    #[track_caller]
    pub fn recorded(&self, name: &str) -> PathBuf {
        Ran::from_output(self.record(name).output().expect("the binary starts")).succeeded();
        self.path(name)
    }

    /// The names in the directory, sorted, hidden ones included.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).expect("it is our directory");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("it is our directory").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The directory of distribution kernels; `None`, loudly, where there is none.
pub fn debian(test: &str) -> Option<PathBuf> {
    let dir = std::env::var("REENACT_TEST_GUESTS").ok().filter(|dir| !dir.is_empty()).map(PathBuf::from);
    if dir.is_none() {
        // Not eprintln: the test harness keeps that to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: run tests/guests.sh DIR and set REENACT_TEST_GUESTS=DIR");
    }
    dir
}
