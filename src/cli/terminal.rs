//! The user's terminal as the guest's serial console: raw keys in, bytes out, Ctrl-A X to end.
//!
//! A standard input that is no terminal is fed in as it comes and may end. A file, or /dev/null, is read when the guest
//! listens, without regard to time, so that the same file makes the same run.

use crate::replay::console::{Console, Typed};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Ctrl-A, the escape key.
const ESCAPE: u8 = 1;
/// End of input for a line-disciplined console.
const CTRL_D: u8 = 4;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// True once the process was asked to end (SIGINT, SIGTERM, SIGHUP).
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn on_signal(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From now on these signals end the recording properly instead of the process.
pub fn catch_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
    }
    // A limit on file sizes is reported like a full disk then.
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Characters of a line of the terminal that standard output is; none if it is no terminal.
#[cfg(feature = "query")]
pub fn width() -> Option<usize> {
    // SAFETY: winsize is plain data, and the call fills it in or fails.
    let columns = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(1, libc::TIOCGWINSZ, &raw mut size) == 0).then_some(size.ws_col)
    };
    columns.filter(|columns| *columns > 0).map(usize::from)
}

/// Where what is typed comes from.
enum Keys {
    /// Somebody or something that takes its time: a terminal, a pipe, a socket.
    Live(Receiver<Vec<u8>>),
    /// What never lets a reader wait: a file, or /dev/null.
    File(ManuallyDrop<File>),
}

/// The terminal, in raw mode while this lives if it is one.
pub struct Terminal {
    keys: Keys,
    waiting: VecDeque<u8>,
    saved: Option<libc::termios>,
    escaped: bool,
    is_closed: bool,
    /// What the guest is told when a standard input that is no terminal ends.
    farewell: Vec<u8>,
    is_muted: bool,
}

impl Terminal {
    /// Opens standard input and output. With `sends_eof`, the end of a standard input that is no terminal reaches the
    /// guest as Ctrl-D.
    pub fn open(sends_eof: bool) -> Terminal {
        let is_terminal = std::io::stdin().is_terminal();
        let saved = if is_terminal { raw_mode() } else { None };
        let keys = match immediate() {
            Some(file) => Keys::File(file),
            None => Keys::Live(listen()),
        };
        let farewell = if sends_eof && !is_terminal { vec![CTRL_D] } else { Vec::new() };
        Terminal { keys, waiting: VecDeque::new(), saved, escaped: false, is_closed: false, farewell, is_muted: false }
    }

    fn receive(&mut self, wait: Duration) {
        if self.is_closed {
            return;
        }
        let read = match &mut self.keys {
            Keys::Live(input) => input.recv_timeout(wait),
            Keys::File(file) => read_some(&mut **file).ok_or(RecvTimeoutError::Disconnected),
        };
        match read {
            Ok(bytes) => self.waiting.extend(bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                self.is_closed = true;
                self.waiting.extend(std::mem::take(&mut self.farewell));
            }
        }
    }
}

/// Standard input, if reading it never waits.
fn immediate() -> Option<ManuallyDrop<File>> {
    // SAFETY: descriptor 0 is open (the standard library sees to that at start-up), and ManuallyDrop never closes it.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(0) });
    let about = file.metadata().ok()?;
    let null = libc::makedev(1, 3);
    (about.is_file() || about.file_type().is_char_device() && about.rdev() == null).then_some(file)
}

/// What a read gives; `None` at the end, and when the host fails, which ends the input as well.
fn read_some(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut buf = [0; 1024];
    let n = from.read(&mut buf).ok()?;
    (n > 0).then(|| buf[..n].to_vec())
}

/// Reads standard input beside the guest.
fn listen() -> Receiver<Vec<u8>> {
    let (sender, input) = sync_channel(64);
    #[expect(clippy::disallowed_methods, reason = "the host edge: reading the terminal must not hold the guest up")]
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin();
        while let Some(bytes) = read_some(&mut stdin) {
            if sender.send(bytes).is_err() {
                break;
            }
        }
    });
    input
}

impl Console for Terminal {
    fn is_live(&self) -> bool {
        matches!(self.keys, Keys::Live(_))
    }

    fn show(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.is_muted {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // Nobody reads any more (a closed pipe): the recording goes on without showing.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
                self.is_muted = true;
                Ok(())
            }
            done => done,
        }
    }

    fn typed(&mut self, wait: Duration) -> Typed {
        if self.waiting.is_empty() {
            self.receive(wait);
        }
        let mut bytes = Vec::new();
        while let Some(b) = self.waiting.pop_front() {
            if self.saved.is_none() {
                bytes.push(b);
                continue;
            }
            match (std::mem::take(&mut self.escaped), b) {
                (false, ESCAPE) => self.escaped = true,
                (true, b'x' | b'X') => return Typed::Stop,
                (_, b) => bytes.push(b),
            }
        }
        match (bytes.is_empty(), self.is_closed) {
            (false, _) => Typed::Bytes(bytes),
            (true, true) => Typed::Closed,
            (true, false) => Typed::Nothing,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(saved) = self.saved {
            // SAFETY: restores what tcgetattr gave.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, &raw const saved) };
        }
    }
}

/// Keys come one by one and unechoed; output processing stays on, because recorded programs send bare newlines.
fn raw_mode() -> Option<libc::termios> {
    // SAFETY: termios is plain data that tcgetattr fills in.
    unsafe {
        let mut saved: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(0, &raw mut saved) != 0 {
            return None;
        }
        let mut raw = saved;
        raw.c_iflag &= !(libc::ICRNL | libc::IXON | libc::ISTRIP | libc::INLCR | libc::IGNCR);
        raw.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG | libc::IEXTEN);
        raw.c_cc[libc::VMIN] = 1;
        raw.c_cc[libc::VTIME] = 0;
        (libc::tcsetattr(0, libc::TCSANOW, &raw const raw) == 0).then_some(saved)
    }
}
