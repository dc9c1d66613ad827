//! System calls of x86-64 Linux by number, and the four memory routines that the compiler may call.
//!
//! Results are the kernel's own: a value of -4095..-1 is a negated errno. Nothing here retries except waiting.

use core::arch::asm;

/// System call numbers of x86-64 (the kernel's `syscall_64.tbl`).
pub mod number {
    pub const WRITE: u64 = 1;
    pub const OPEN: u64 = 2;
    pub const CLOSE: u64 = 3;
    pub const FSTAT: u64 = 5;
    pub const MMAP: u64 = 9;
    pub const RT_SIGPROCMASK: u64 = 14;
    pub const IOCTL: u64 = 16;
    pub const DUP2: u64 = 33;
    pub const FORK: u64 = 57;
    pub const EXECVE: u64 = 59;
    pub const WAIT4: u64 = 61;
    pub const KILL: u64 = 62;
    pub const CHDIR: u64 = 80;
    pub const MKDIR: u64 = 83;
    pub const SYMLINK: u64 = 88;
    pub const SETPGID: u64 = 109;
    pub const GETPID: u64 = 39;
    pub const SETSID: u64 = 112;
    pub const SYNC: u64 = 162;
    pub const MOUNT: u64 = 165;
    pub const REBOOT: u64 = 169;
    pub const IOPERM: u64 = 173;
    pub const EXIT_GROUP: u64 = 231;
}

const WUNTRACED: u64 = 2;
const EINTR: i64 = -4;

/// One system call with up to six arguments.
pub fn call6(number: u64, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the kernel's calling convention; it destroys rcx and r11 alone. Every pointer handed in by this program
    // points to memory of the length that the call is told.
    unsafe {
        asm!("syscall", inlateout("rax") number as i64 => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

pub fn call1(number: u64, a: u64) -> i64 {
    call6(number, [a, 0, 0, 0, 0, 0])
}

pub fn call3(number: u64, a: u64, b: u64, c: u64) -> i64 {
    call6(number, [a, b, c, 0, 0, 0])
}

pub fn call5(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64) -> i64 {
    call6(number, [a, b, c, d, e, 0])
}

pub fn failed(result: i64) -> bool {
    (-4095..0).contains(&result)
}

/// The errors that `execve` gives in practice, in words.
pub fn error_text(error: i64) -> &'static [u8] {
    match -error {
        2 => b"the file, or the interpreter or loader that it names, is not there",
        7 => b"the arguments and the environment are too long",
        8 => b"the kernel does not know this format of program",
        12 => b"not enough memory; give the machine more",
        13 => b"permission denied",
        _ => b"the kernel refused it",
    }
}

/// A child that ended or stopped, with the status word of `wait4`.
pub struct Wait {
    pub process: i64,
    pub status: u32,
}

/// Waits for any child; `None` when there is none.
pub fn wait_any() -> Option<Wait> {
    loop {
        let mut status = 0_u32;
        let process = call6(
            number::WAIT4,
            [u64::MAX, (&raw mut status) as u64, WUNTRACED, 0, 0, 0],
        );
        match process {
            EINTR => {}
            _ if failed(process) => return None,
            _ => return Some(Wait { process, status }),
        }
    }
}

/// The compiler calls it for copies; written as one instruction so that it cannot be compiled into a call of itself.
///
/// # Safety
/// As C's `memcpy`: both ranges are valid and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both ranges; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags))
    };
    to
}

/// See [`memcpy`].
///
/// # Safety
/// As C's `memset`: the range is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the range; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags))
    };
    to
}
