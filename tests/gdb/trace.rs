//! gdb on a guest without an operating system: the heap overflow of `traces/`, from the crash back to its cause.

use crate::server::{Server, has_gdb, trace};
use reenact::recording::{ImageRole, Reader};
use std::path::PathBuf;
use tempfile::TempDir;

/// A copy of the recording, and its kernel as a file with symbols.
struct Bench {
    dir: TempDir,
    recording: PathBuf,
    kernel: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().expect("there is room");
        let recording = dir.path().join("heap_overflow.reen");
        std::fs::copy(trace("heap_overflow"), &recording).expect("there is room");
        let reader = Reader::open(&recording).expect("the trace opens");
        let image = reader.load_image(ImageRole::Kernel).expect("it is whole").expect("it has a kernel");
        let kernel = dir.path().join("kernel.elf");
        std::fs::write(&kernel, image).expect("there is room");
        Bench { dir, recording, kernel }
    }
}

#[test]
fn from_the_crash_back_to_the_write_and_forward_again() {
    if !has_gdb("from_the_crash_back_to_the_write_and_forward_again") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &["--at", "end"]);
    let said = server.gdb(
        Some(&bench.kernel),
        &[
            "break page_fault",
            "reverse-continue",
            "delete",
            "p/x $r13 + 8",
            "watch -l *(long *)($r13 + 8)",
            "reverse-continue",
            "x/i $pc",
            "p/x $rdi - ($r13 + 8)",
            "reverse-continue",
            "reverse-continue",
            "reverse-continue",
            "continue",
            "continue",
        ],
    );
    // The handler runs at the very end. The pointer was overwritten byte by byte, from its lowest to its highest: the
    // last byte that changed is the sixth, 4 million instructions earlier.
    said.says(&[
        "Breakpoint 1, ",
        "page_fault ()",
        "Hardware watchpoint 2",
        "Hardware watchpoint 2",
        "Old value = ",
        "New value = ",
        "copy_name ()",
        "=> ",
        "mov    %al,(%rdi)",
        "= 0x5",
        "Old value = ",
        "New value = ",
        "copy_name ()",
    ]);
}

#[test]
fn steps_back_and_forth_are_the_identity() {
    if !has_gdb("steps_back_and_forth_are_the_identity") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &["--at", "50%"]);
    let said = server.gdb(
        Some(&bench.kernel),
        &[
            "echo first\\n",
            "info registers",
            "x/8gx $rsp",
            "echo second\\n",
            "reverse-stepi 25",
            "stepi 25",
            "echo third\\n",
            "info registers",
            "x/8gx $rsp",
            "echo fourth\\n",
        ],
    );
    assert_eq!(said.between("first\n", "second\n"), said.between("third\n", "fourth\n"));
    assert!(said.between("first\n", "second\n").contains("rip "));
}

#[test]
fn both_ends_of_history_are_told_and_gdb_stays_connected() {
    if !has_gdb("both_ends_of_history_are_told_and_gdb_stays_connected") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &[]);
    let said = server.gdb(
        None,
        &[
            "reverse-stepi",
            "reverse-continue",
            "echo at the start\\n",
            "stepi",
            "continue",
            "echo at the end\\n",
            "continue",
            "stepi",
            "reverse-stepi",
            "monitor when",
        ],
    );
    said.says(&[
        "No more reverse-execution history",
        "No more reverse-execution history",
        "at the start",
        "No more reverse-execution history",
        "at the end",
        "No more reverse-execution history",
        "No more reverse-execution history",
    ]);
    said.complains(&["4,212,225 of 4,212,226"]);
}

#[test]
fn writes_are_refused_with_a_reason_and_change_nothing() {
    if !has_gdb("writes_are_refused_with_a_reason_and_change_nothing") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &[]);
    let said = server.gdb(
        None,
        &["set $rax = 5", "set var *(int *)0x100000 = 3", "p/x *(int *)0x100000", "x/x 0xfffffff000000000", "stepi"],
    );
    said.complains(&[
        "a recording cannot be changed: its registers are what they were",
        "Cannot access memory at address 0x100000",
        "Cannot access memory at address 0xfffffff000000000",
    ]);
    said.says(&["= 0x1badb002", "0x0000000000100011"]);
}

#[test]
fn breakpoints_of_both_kinds_stop_in_both_directions() {
    if !has_gdb("breakpoints_of_both_kinds_stop_in_both_directions") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &[]);
    let said = server.gdb(
        Some(&bench.kernel),
        &[
            "break copy_name",
            "hbreak work",
            "continue",
            "bt",
            "continue",
            "continue",
            "continue",
            "echo back\\n",
            "reverse-continue",
            "bt",
            "reverse-continue",
            "reverse-continue",
            "reverse-continue",
        ],
    );
    said.says(&[
        "Hardware assisted breakpoint 2",
        "Breakpoint 1, ",
        "copy_name ()",
        "#0 ",
        "copy_name ()",
        "Breakpoint 2, ",
        "work ()",
        "Breakpoint 1, ",
        "copy_name ()",
        "Breakpoint 2, ",
        "work ()",
        "back\n",
        "Breakpoint 1, ",
        "copy_name ()",
        "#0 ",
        "copy_name ()",
        "Breakpoint 2, ",
        "work ()",
        "Breakpoint 1, ",
        "copy_name ()",
        "No more reverse-execution history",
    ]);
}

#[test]
fn watchpoints_of_every_kind_length_and_several_on_one_address() {
    if !has_gdb("watchpoints_of_every_kind_length_and_several_on_one_address") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &[]);
    let said = server.gdb(
        Some(&bench.kernel),
        &[
            "break copy_name",
            "continue",
            "delete",
            // The 48 bytes around the name, as one; its first byte twice more; the message that is read.
            "watch -l *(char (*)[48])$rdi",
            "watch -l *(char *)$rdi",
            "watch -l *(short *)$rdi",
            "continue",
            "delete",
            "rwatch -l *(char *)($rsi + 1)",
            "awatch -l *(char *)($rdi + 1)",
            "echo access\\n",
            "continue",
            "continue",
        ],
    );
    said.says(&[
        "Hardware watchpoint 2: -location *(char (*)[48])$rdi",
        "Hardware watchpoint 3: -location *(char *)$rdi",
        "Hardware watchpoint 4: -location *(short *)$rdi",
        "Hardware watchpoint 2",
        "Old value",
        "Hardware watchpoint 3",
        "Old value",
        "Hardware watchpoint 4",
        "Old value",
        "access\n",
        "Hardware read watchpoint 5",
        "Value = ",
        "Hardware access (read/write) watchpoint 6",
        "Old value",
    ]);
}

#[test]
fn a_debugger_that_detaches_finds_the_same_place_again() {
    if !has_gdb("a_debugger_that_detaches_finds_the_same_place_again") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &["--at", "1,000"]);
    server.gdb(None, &["break *0x10000c", "stepi 5", "monitor when", "detach"]).complains(&["1,005 of 4,212,226"]);
    // The breakpoint went with its debugger.
    let said = server.gdb(None, &["monitor when", "stepi 6", "monitor when", "kill"]);
    said.complains(&["1,005 of 4,212,226", "1,011 of 4,212,226"]);
    server.gdb(None, &["monitor when"]).complains(&["1,011 of 4,212,226"]);
}

#[test]
fn monitor_commands_say_where_and_what() {
    if !has_gdb("monitor_commands_say_where_and_what") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &[]);
    let said = server.gdb(
        None,
        &[
            "monitor help",
            "monitor when",
            "monitor goto 50%",
            "monitor mark middle",
            "monitor goto +1000",
            "monitor goto -500",
            "monitor marks",
            "monitor goto middle",
            "monitor regs",
            "monitor translate 0x100000",
            "monitor phys 0x100000 20",
            "monitor phys 0x7fffff 2",
            "monitor inputs",
            "monitor mode 32",
            "monitor dis 0x10000c 2",
            "monitor step cpu",
            "monitor step thread",
            "monitor space here",
            "monitor space any",
            "monitor verify",
        ],
    );
    said.complains(&[
        "monitor help",
        "monitor last-write [phys:]ADDR [LEN]",
        "0 of 4,212,226 (0.000 %)",
        "ring 0, interrupts off",
        "2,106,113 of 4,212,226 (50.000 %)",
        "middle is instruction 2,106,113",
        "2,107,113 of",
        "2,106,613 of",
        "2,106,113  middle",
        "2,106,113 of",
        "cr3    0x0000000000101000",
        "efer   0x0000000000000501  SCE LME LMA",
        "IA32_LSTAR",
        "0x100000 is at physical 0x100000 in the address space 0x101000",
        "0x000000100000  02 b0 ad 1b",
        "0x000000100010  00 c7 05 00",
        "0x0000007fffff  ",
        "there is no RAM at 0x800000",
        "wall-clock  the clock starts at 2026-01-01T00:00:00Z",
        "<- here",
        "dis reads code as 32-bit",
        "0x000000000010000c  bc 00 b0 10 00 ",
        "mov $0x10b000,%esp",
        "enters every interrupt",
        "stays in its context",
        "the address space 0x101000 only",
        "every address space",
        "bit-exact up to instruction 4,212,226",
    ]);
    assert!(bench.dir.path().join("heap_overflow.reen.index").join("marks").exists());
    // Another server knows the mark.
    drop(server);
    let server = Server::start(&bench.recording, &["--at", "middle"]);
    server.gdb(None, &["monitor when"]).complains(&["2,106,113 of 4,212,226"]);
}

#[test]
fn the_last_write_is_found_and_so_is_the_next() {
    if !has_gdb("the_last_write_is_found_and_so_is_the_next") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &["--at", "end"]);
    let said = server.gdb(
        Some(&bench.kernel),
        &[
            "break page_fault",
            "reverse-continue",
            "eval \"monitor last-write 0x%lx 8\", $r13 + 8",
            "maint flush register-cache",
            "x/i $pc",
            "monitor next-write phys:0x104000 1",
            "monitor last-write 0x100000",
            "monitor last-write rubbish",
            "monitor last-write",
            "monitor last-write 0x1000 0",
            "monitor bogus",
        ],
    );
    said.says(&["=> ", "mov    %al,(%rdi)"]);
    said.complains(&[
        "written by",
        "mov %al,(%rdi)",
        "bytes before",
        "bytes after",
        "came from",
        "nothing writes the 8 bytes at 0x100000 between power-on and here",
        "\"rubbish\" is no address",
        "write: monitor last-write [phys:]ADDR [LEN]",
        "\"0\" is no length",
        "there is no \"monitor bogus\"",
    ]);
}

#[test]
fn bad_places_in_time_are_refused_and_nothing_moves() {
    if !has_gdb("bad_places_in_time_are_refused_and_nothing_moves") {
        return;
    }
    let bench = Bench::new();
    let server = Server::start(&bench.recording, &["--at", "7"]);
    let said = server.gdb(
        None,
        &[
            "monitor goto nowhere",
            "monitor goto 5000000",
            "monitor goto -8",
            "monitor goto",
            "monitor mark end",
            "monitor when",
        ],
    );
    said.complains(&[
        "\"nowhere\" is no place in this recording",
        "the recording ends at instruction 4,212,226; 5,000,000 is past it",
        "8 instructions before 7",
        "write: monitor goto",
        "\"end\" cannot be the name of a mark",
        "7 of 4,212,226",
    ]);
}
