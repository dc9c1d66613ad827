//! Starting the server on a recording, and gdb in batch mode on the server.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A recording in `traces/`.
pub fn trace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"))
}

/// The binary under test.
pub fn reenact() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
    command.stdin(Stdio::null());
    command
}

/// A running `reenact gdb --listen`; ended when dropped.
pub struct Server {
    child: Child,
    _said: BufReader<ChildStdout>,
    /// ADDRESS:PORT.
    pub address: String,
}

impl Server {
    /// Serves a copy of the recording, so that its index and marks are the test's own.
    pub fn start(recording: &Path, arguments: &[&str]) -> Server {
        let mut child = reenact()
            .args(["gdb", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .arg(recording)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("it is text"), 0, "the server ended");
            if let Some(rest) = line.split("'target remote ").nth(1) {
                break rest.split('\'').next().expect("a split has a first part").to_owned();
            }
        };
        // The pipe stays open: the server may have more to say.
        Server { child, _said: said, address }
    }

    /// A connection without gdb.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sockets have timeouts");
        stream
    }

    /// Runs gdb's commands one after the other and returns what it wrote. A failing command does not end the run.
    pub fn gdb(&self, symbols: Option<&Path>, commands: &[&str]) -> Transcript {
        let output = self.start_gdb(symbols, commands).wait_with_output().expect("gdb ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Transcript { out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts gdb in batch mode.
    pub fn start_gdb(&self, symbols: Option<&Path>, commands: &[&str]) -> Child {
        // A run that hangs fails instead of holding everything up.
        let mut gdb = Command::new("timeout");
        gdb.args(["--foreground", "300", "gdb"]);
        gdb.args(["-q", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]);
        // The guests of traces/ are ELF32 files with 64-bit code.
        gdb.args([
            "-ex",
            "set architecture i386:x86-64",
            "-ex",
            "set sysroot /",
            "-ex",
            "set width 0",
            "-ex",
            &format!("target remote {}", self.address),
        ]);
        for command in commands {
            gdb.args(["-ex", command]);
        }
        gdb.args(symbols).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        gdb.spawn().expect("gdb starts")
    }

    /// True while the server has not ended.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What gdb wrote: its own words, and on the error channel the answers to monitor commands.
#[derive(Debug)]
pub struct Transcript {
    pub out: String,
    pub err: String,
}

impl Transcript {
    /// Asserts that the pieces are in gdb's words, in this order.
    #[track_caller]
    pub fn says(&self, pieces: &[&str]) -> &Transcript {
        let mut rest = self.out.as_str();
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else {
                panic!("{piece:?} does not come where it should in\n{}\n{}", self.out, self.err)
            };
            rest = behind;
        }
        self
    }

    /// Asserts that the pieces are on the error channel, in this order.
    #[track_caller]
    pub fn complains(&self, pieces: &[&str]) -> &Transcript {
        Transcript { out: self.err.clone(), err: self.out.clone() }.says(pieces);
        self
    }

    /// The lines between two lines that `echo` wrote.
    #[track_caller]
    pub fn between(&self, from: &str, to: &str) -> String {
        let part = self.out.split_once(from).and_then(|(_, rest)| rest.split_once(to));
        part.unwrap_or_else(|| panic!("no {from:?} and {to:?} in\n{}", self.out)).0.to_owned()
    }
}

/// False, loudly, where gdb is not installed.
pub fn has_gdb(test: &str) -> bool {
    let found = Command::new("gdb").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("{test}: left out, because gdb is not installed");
    }
    found
}
