//! The terminal UI in a real terminal: tmux types the keys and reads the screen. `.ci/run` installs tmux; where it is
//! missing the tests say so and end.

#![allow(clippy::disallowed_methods, reason = "tests are at the host edge: they wait")]

mod investigation;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take, on a loaded machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A terminal of its own with a shell in it.
pub struct Tmux {
    socket: PathBuf,
    _dir: TempDir,
}

impl Tmux {
    /// Starts it; `None`, and a message, where there is no tmux.
    pub fn start(size: (u16, u16)) -> Option<Tmux> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let dir = tempfile::tempdir().expect("there is room");
        let tmux = Tmux { socket: dir.path().join("socket"), _dir: dir };
        let (x, y) = (size.0.to_string(), size.1.to_string());
        let shell = "env -i PATH=\"$PATH\" HOME=/nonexistent TERM=screen PS1='ready> ' sh";
        tmux.tell(&["-f", "/dev/null", "new-session", "-d", "-x", &x, "-y", &y, shell]);
        tmux.waits_for("ready>");
        Some(tmux)
    }

    fn tell(&self, arguments: &[&str]) -> Output {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().expect("tmux starts");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Presses keys, as tmux calls them: characters, Enter, Escape, Up.
    pub fn press(&self, keys: &[&str]) {
        self.tell(&[&["send-keys"], keys].concat());
    }

    /// Types a line and Enter.
    pub fn enter(&self, text: &str) {
        self.tell(&["send-keys", "-l", text]);
        self.press(&["Enter"]);
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tell(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until the screen has a text; the screen.
    #[track_caller]
    pub fn waits_for(&self, text: &str) -> String {
        self.waits_until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is as `is_there` wants it.
    #[track_caller]
    pub fn waits_until(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(started.elapsed() < PATIENCE, "no {what:?} in:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Opens a recording.
    pub fn open(&self, recording: &Path, arguments: &str) {
        let binary = env!("CARGO_BIN_EXE_reenact");
        let (pid, recording) = (self.pid_file().display().to_string(), recording.display());
        let run = format!("echo $$ > {pid}; exec {binary} tui {recording} {arguments}");
        self.enter(&format!("clear; sh -c '{run}'; echo left with $?"));
    }

    fn pid_file(&self) -> PathBuf {
        self.socket.with_file_name("pid")
    }

    /// The process of the terminal UI that was opened last.
    pub fn pid(&self) -> String {
        std::fs::read_to_string(self.pid_file()).expect("it was opened").trim().to_owned()
    }

    /// Sends a signal to the terminal UI that was opened last.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(status.expect("sh starts").success());
    }

    /// Leaves the terminal UI.
    pub fn leave(&self) {
        self.press(&["q"]);
        self.waits_for("left with 0");
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// A copy of a recording of `traces/`, so that its index and bookmarks are nobody else's.
pub fn trace(dir: &TempDir, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    let to = dir.path().join(format!("{name}.reen"));
    std::fs::copy(from, &to).expect("there is room");
    to
}
