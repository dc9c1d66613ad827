//! The console: descriptors 0, 1 and 2, the controlling terminal, and sentences to the user.
//!
//! Output processing is switched off, so that the bytes on the wire are the program's own bytes. The session belongs to
//! this process and not to the program: the end of a session leader hangs its terminal up and drops unsent output.

use crate::syscall::{call1, call3, call6, failed, number};

const READ_WRITE: u64 = 2;
const TCGETS: u64 = 0x5401;
const TCSETS: u64 = 0x5402;
const TCSBRK: u64 = 0x5409;
const TIOCSCTTY: u64 = 0x540e;
const TIOCSPGRP: u64 = 0x5410;
const SIG_BLOCK: u64 = 0;
const SIG_SETMASK: u64 = 2;
/// `OPOST | ONLCR` of `c_oflag`.
const OUTPUT_PROCESSING: u32 = 0o1 | 0o4;

/// The kernel's `struct termios`: four flag words, the line discipline and 19 control characters.
#[repr(C)]
struct Termios {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    characters: [u8; 19],
}

pub fn open_as_controlling_terminal() {
    let _ = call1(number::SETSID, 0);
    let console = call3(number::OPEN, c"/dev/console".as_ptr() as u64, READ_WRITE, 0);
    if failed(console) {
        return;
    }
    for descriptor in 0..3 {
        let _ = call3(number::DUP2, console as u64, descriptor, 0);
    }
    if console > 2 {
        let _ = call1(number::CLOSE, console as u64);
    }
    let _ = call3(number::IOCTL, 0, TIOCSCTTY, 0);
    pass_bytes_unchanged();
}

fn pass_bytes_unchanged() {
    let mut settings = Termios {
        input: 0,
        output: 0,
        control: 0,
        local: 0,
        line: 0,
        characters: [0; 19],
    };
    if failed(call3(number::IOCTL, 0, TCGETS, (&raw mut settings) as u64)) {
        return;
    }
    settings.output &= !OUTPUT_PROCESSING;
    let _ = call3(number::IOCTL, 0, TCSETS, (&raw const settings) as u64);
}

pub fn bring_own_group_to_front() {
    let group = call1(number::GETPID, 0) as i32;
    let _ = call3(number::IOCTL, 0, TIOCSPGRP, (&raw const group) as u64);
}

/// Blocks one signal of this process.
pub fn block_signal(signal: u64) {
    let set = 1_u64 << (signal - 1);
    let _ = call6(
        number::RT_SIGPROCMASK,
        [SIG_BLOCK, (&raw const set) as u64, 0, 8, 0, 0],
    );
}

pub fn unblock_signals() {
    let set = 0_u64;
    let _ = call6(
        number::RT_SIGPROCMASK,
        [SIG_SETMASK, (&raw const set) as u64, 0, 8, 0, 0],
    );
}

/// Waits until everything that was written has left the serial port; power-off would cut it.
pub fn drain() {
    let _ = call3(number::IOCTL, 1, TCSBRK, 1);
}

/// Writes the parts and an end of line.
pub fn say(parts: &[&[u8]]) {
    for part in parts {
        write(part);
    }
    write(b"\n");
}

fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = call3(number::WRITE, 2, bytes.as_ptr() as u64, bytes.len() as u64);
        if written <= 0 {
            return;
        }
        bytes = bytes.get(written as usize..).unwrap_or(&[]);
    }
}
