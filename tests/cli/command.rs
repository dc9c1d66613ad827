//! Running the binary under test and keeping what it said.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// How a run of the binary ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    pub fn from_output(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What was printed, as text with the UART's carriage returns removed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).replace('\r', "")
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub fn succeeded(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}\n{}", self.text(), self.err);
        self
    }

    /// Asserts this exit code and a single line of explanation that holds all of `words`.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.text(), self.err);
        assert_eq!(self.err.lines().count(), 1, "not one line: {}", self.err);
        assert!(self.err.starts_with("reenact: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}

/// The binary under test, with nothing to read.
pub fn reenact() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    Ran::from_output(reenact().args(arguments).output().expect("the binary starts"))
}

/// What `info --json` says about a recording that is whole.
#[track_caller]
pub fn info(recording: &Path) -> serde_json::Value {
    let ran = run([OsStr::new("info"), OsStr::new("--json"), recording.as_os_str()]).succeeded();
    serde_json::from_slice(&ran.out).expect("info --json prints JSON")
}

/// Asserts that the recording replays bit-exactly; returns what was printed.
#[track_caller]
pub fn verify(recording: &Path) -> Ran {
    let ran = run([OsStr::new("verify"), recording.as_os_str()]).succeeded();
    assert!(ran.text().contains("bit-exact up to instruction"), "{}", ran.text());
    ran
}

/// The console of a replay.
#[track_caller]
pub fn replay(recording: &Path) -> Vec<u8> {
    run([OsStr::new("replay"), recording.as_os_str()]).succeeded().out
}

/// A recording in the making that somebody types at through a pipe.
pub struct Typist {
    child: Child,
    keys: Option<ChildStdin>,
    screen: BufReader<ChildStdout>,
    /// Everything that the guest has sent.
    pub seen: Vec<u8>,
}

impl Typist {
    pub fn start(mut command: Command) -> Typist {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let keys = child.stdin.take();
        let screen = BufReader::new(child.stdout.take().expect("it is piped"));
        Typist { child, keys, screen, seen: Vec::new() }
    }

    pub fn types(&mut self, text: &str) {
        let keys = self.keys.as_mut().expect("the pipe is open");
        keys.write_all(text.as_bytes()).and_then(|()| keys.flush()).expect("the recorder reads");
    }

    /// Reads on until what is new ends with `text`, which it must do sometime.
    pub fn waits_for(&mut self, text: &str) {
        let from = self.seen.len();
        while !self.seen[from..].ends_with(text.as_bytes()) {
            let byte = self.screen.fill_buf().expect("the pipe works").first().copied();
            let Some(byte) = byte else {
                panic!("the console ended without {text:?}: {}", String::from_utf8_lossy(&self.seen))
            };
            self.screen.consume(1);
            self.seen.push(byte);
        }
    }

    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and has not been waited for, so the id is still its own.
        let sent = unsafe { libc::kill(self.id(), signal) };
        assert_eq!(sent, 0);
    }

    /// Waits for the end with the pipe still open.
    pub fn ends(mut self) -> Ran {
        self.screen.read_to_end(&mut self.seen).expect("the pipe works");
        let mut err = String::new();
        self.child.stderr.take().expect("it is piped").read_to_string(&mut err).expect("messages are text");
        let code = self.child.wait().expect("it is our child").code();
        drop(self.keys);
        Ran { code, out: self.seen, err }
    }
}
