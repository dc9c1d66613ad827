//! The first process of a guest that runs one program: mounts, hands the console over, runs, reports, powers off.
//!
//! Freestanding: no libc, no allocation, no panics that print; the kernel is reached by system calls alone, so that the
//! embedded program is a few kilobytes on every host. It refuses to be clever: whatever fails is said in one sentence on
//! the console and the machine still powers off. Built by `build.rs`, not by cargo.
#![no_std]
#![no_main]

mod console;
mod orders;
mod syscall;

use core::arch::{asm, global_asm};

use console::say;
use orders::Orders;
use syscall::{Wait, call1, call3, call5, failed, number};

/// The I/O port at which the host reads the wait status of the program (`src/pack/mod.rs` has the same number).
const STATUS_PORT: u16 = 0x5e5;
/// What is reported when the program could not be started: exit code 127, as a shell would say it.
const NOT_STARTED: u32 = 127 << 8;
const SIGTTOU: u64 = 22;
const SIGCONT: u64 = 18;

// The ABI promises nothing about the frame pointer at entry, and a function of Rust expects a stack at 16 n + 8.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main);

extern "C" fn main() -> ! {
    mount_kernel_filesystems();
    console::open_as_controlling_terminal();
    let status = match Orders::read(c"/.reenact/run") {
        Some(orders) => run(&orders),
        None => {
            say(&[b"reenact: the orders in /.reenact/run are damaged; pack the program again."]);
            NOT_STARTED
        }
    };
    console::drain();
    report(status);
    power_off()
}

/// Mounts what programs expect to find. `/tmp` stays a plain folder: a program that lives in it was packed there.
fn mount_kernel_filesystems() {
    mount(c"proc", c"/proc", c"");
    mount(c"sysfs", c"/sys", c"");
    mount(c"devtmpfs", c"/dev", c"mode=0755");
    for folder in [c"/dev/pts", c"/dev/shm"] {
        // Failure shows in the mount that follows.
        let _ = call3(number::MKDIR, folder.as_ptr() as u64, 0o755, 0);
    }
    mount(c"devpts", c"/dev/pts", c"mode=0620,ptmxmode=0666");
    mount(c"tmpfs", c"/dev/shm", c"mode=1777");
    for (link, target) in [
        (c"/dev/fd", c"/proc/self/fd"),
        (c"/dev/stdin", c"/proc/self/fd/0"),
        (c"/dev/stdout", c"/proc/self/fd/1"),
        (c"/dev/stderr", c"/proc/self/fd/2"),
    ] {
        let _ = call3(
            number::SYMLINK,
            target.as_ptr() as u64,
            link.as_ptr() as u64,
            0,
        );
    }
}

/// A kernel without one of these file systems can still run most programs, so a refusal is not an end.
fn mount(kind: &core::ffi::CStr, on: &core::ffi::CStr, options: &core::ffi::CStr) {
    let kind = kind.as_ptr() as u64;
    let _ = call5(
        number::MOUNT,
        kind,
        on.as_ptr() as u64,
        kind,
        0,
        options.as_ptr() as u64,
    );
}

/// Runs the program to its end and gives its wait status.
fn run(orders: &Orders) -> u32 {
    let child = call1(number::FORK, 0);
    if failed(child) {
        say(&[
            b"reenact: the guest kernel refused to start a process; give the machine more memory.",
        ]);
        return NOT_STARTED;
    }
    if child == 0 {
        become_program(orders);
    }
    wait_for(child)
}

/// The child's half: an own foreground process group, so that Ctrl-C reaches the program, then `execve`.
fn become_program(orders: &Orders) -> ! {
    let _ = call3(number::SETPGID, 0, 0, 0);
    console::block_signal(SIGTTOU);
    console::bring_own_group_to_front();
    console::unblock_signals();
    if failed(call1(number::CHDIR, orders.folder())) {
        say(&[
            b"reenact: the working directory ",
            orders.folder_text(),
            b" is not in the guest.",
        ]);
        exit(127);
    }
    let error = call3(
        number::EXECVE,
        orders.program(),
        orders.arguments(),
        orders.environment(),
    );
    say(&[
        b"reenact: cannot run ",
        orders.program_text(),
        b" in the guest: ",
        syscall::error_text(error),
        b".",
    ]);
    exit(127)
}

/// Reaps everything that ends until the program itself ends. A program that was stopped from the keyboard is continued,
/// since there is no shell behind it that could do so.
fn wait_for(child: i64) -> u32 {
    loop {
        let Some(Wait { process, status }) = syscall::wait_any() else {
            return NOT_STARTED;
        };
        if process != child {
            continue;
        }
        if status & 0xff != 0x7f {
            return status;
        }
        let _ = call3(number::KILL, (-child) as u64, SIGCONT, 0);
    }
}

/// Tells the host the wait status, exactly as `waitpid` gave it, with one 32-bit write.
fn report(status: u32) {
    if failed(call3(number::IOPERM, u64::from(STATUS_PORT), 4, 1)) {
        say(&[b"reenact: the guest kernel gives no access to I/O ports, so the exit status stays unknown."]);
        console::drain();
        return;
    }
    // SAFETY: ioperm granted these four ports, and a port write touches no memory of this process.
    unsafe {
        asm!("out dx, eax", in("dx") STATUS_PORT, in("eax") status, options(nomem, nostack, preserves_flags))
    };
}

fn power_off() -> ! {
    const MAGIC: u64 = 0xfee1_dead;
    const MAGIC2: u64 = 672_274_793;
    const POWER_OFF: u64 = 0x4321_fedc;
    let _ = call1(number::SYNC, 0);
    let _ = call3(number::REBOOT, MAGIC, MAGIC2, POWER_OFF);
    exit(0)
}

fn exit(code: u64) -> ! {
    loop {
        let _ = call1(number::EXIT_GROUP, code);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(126)
}
