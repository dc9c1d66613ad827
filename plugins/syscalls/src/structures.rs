//! Structures of a fixed size in a program's memory, and how they are written.

use crate::names::{hex, set};
use crate::quote::quoted;
use std::fmt::Write;

/// A structure.
#[derive(Debug)]
pub struct Shape {
    /// What `x86_64.txt` calls it.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Writes it; the bytes are as many as its size.
    pub show: fn(&[u8], &mut String),
}

/// Those that are known.
pub const SHAPES: &[Shape] = &[
    Shape { name: "int_at", size: 4, show: int_at },
    Shape { name: "long_at", size: 8, show: long_at },
    Shape { name: "fd_pair", size: 8, show: fd_pair },
    Shape { name: "timespec", size: 16, show: timespec },
    Shape { name: "timespecs", size: 32, show: timespecs },
    Shape { name: "timeval", size: 16, show: timeval },
    Shape { name: "itimerval", size: 32, show: itimerval },
    Shape { name: "itimerspec", size: 32, show: itimerspec },
    Shape { name: "sigset", size: 8, show: sigset },
    Shape { name: "sigaction", size: 32, show: sigaction },
    Shape { name: "stack", size: 24, show: stack },
    Shape { name: "stat", size: 48 + 8, show: stat },
    Shape { name: "statx", size: 48, show: statx },
    Shape { name: "uname", size: 65 * 2, show: uname },
    Shape { name: "rlimit_pair", size: 16, show: rlimit },
    Shape { name: "rlimit64_pair", size: 16, show: rlimit64 },
    Shape { name: "wait_status", size: 4, show: wait_status },
    Shape { name: "epoll_event", size: 12, show: epoll_event },
    Shape { name: "open_how", size: 24, show: open_how },
];

/// 8 bytes at a place; 0 behind the end.
pub fn u64_in(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// 4 bytes at a place; 0 behind the end.
pub fn u32_in(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

/// 2 bytes at a place; 0 behind the end.
pub fn u16_in(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

/// Writes to a text, which cannot fail.
macro_rules! put {
    ($into:expr, $($arguments:tt)*) => { write!($into, $($arguments)*).expect("a text grows") };
}
pub(crate) use put;

/// A value of a set, in its names.
pub fn named(name: &str, value: u64, into: &mut String) {
    set(name).expect("names.txt has it").show(value, into);
}

/// The name of exactly this value of a set.
pub fn named_as(name: &str, value: u64) -> Option<&'static str> {
    set(name).expect("names.txt has it").of(value)
}

/// An address: `NULL` or in hex.
pub fn pointer(value: u64, into: &mut String) {
    if value == 0 { into.push_str("NULL") } else { hex(value, into) }
}

fn int_at(bytes: &[u8], into: &mut String) {
    put!(into, "[{}]", u32_in(bytes, 0) as i32);
}
fn long_at(bytes: &[u8], into: &mut String) {
    put!(into, "[{}]", u64_in(bytes, 0) as i64);
}
fn fd_pair(bytes: &[u8], into: &mut String) {
    put!(into, "[{}, {}]", u32_in(bytes, 0) as i32, u32_in(bytes, 4) as i32);
}

fn time(bytes: &[u8], fraction: &str, into: &mut String) {
    let part = u64_in(bytes, 8) as i64;
    match part {
        0x3fff_ffff if fraction == "tv_nsec" => into.push_str("UTIME_NOW"),
        0x3fff_fffe if fraction == "tv_nsec" => into.push_str("UTIME_OMIT"),
        _ => put!(into, "{{tv_sec={}, {fraction}={part}}}", u64_in(bytes, 0) as i64),
    }
}

/// struct timespec.
pub fn timespec(bytes: &[u8], into: &mut String) {
    time(bytes, "tv_nsec", into);
}
fn timespecs(bytes: &[u8], into: &mut String) {
    into.push('[');
    timespec(bytes, into);
    into.push_str(", ");
    timespec(&bytes[16..], into);
    into.push(']');
}
fn timeval(bytes: &[u8], into: &mut String) {
    time(bytes, "tv_usec", into);
}
fn interval(bytes: &[u8], fraction: &str, into: &mut String) {
    into.push_str("{it_interval=");
    time(bytes, fraction, into);
    into.push_str(", it_value=");
    time(&bytes[16..], fraction, into);
    into.push('}');
}
fn itimerval(bytes: &[u8], into: &mut String) {
    interval(bytes, "tv_usec", into);
}
fn itimerspec(bytes: &[u8], into: &mut String) {
    interval(bytes, "tv_nsec", into);
}

/// A signal without `SIG`: `INT`, `RTMIN`, `RT_1`.
fn signal(number: u32, into: &mut String) {
    into.push_str(named_as("signals", number.into()).unwrap_or_default().trim_start_matches("SIG"));
}

/// Signals of a set; one that holds most of them as those that it lacks.
pub fn sigset(bytes: &[u8], into: &mut String) {
    let bits = u64_in(bytes, 0);
    let is_inverted = bits.count_ones() >= 64 * 2 / 3;
    let shown = if is_inverted { !bits } else { bits };
    into.push_str(if is_inverted { "~[" } else { "[" });
    let mut separator = "";
    for number in (1..=64).filter(|n| shown >> (n - 1) & 1 != 0) {
        into.push_str(separator);
        signal(number, into);
        separator = " ";
    }
    into.push(']');
}

fn sigaction(bytes: &[u8], into: &mut String) {
    let (handler, flags) = (u64_in(bytes, 0), u64_in(bytes, 8));
    into.push_str("{sa_handler=");
    match handler {
        0 => into.push_str("SIG_DFL"),
        1 => into.push_str("SIG_IGN"),
        _ => hex(handler, into),
    }
    into.push_str(", sa_mask=");
    sigset(&bytes[24..], into);
    into.push_str(", sa_flags=");
    named("sa_flags", flags, into);
    if flags & 0x0400_0000 != 0 {
        into.push_str(", sa_restorer=");
        pointer(u64_in(bytes, 16), into);
    }
    into.push('}');
}

fn stack(bytes: &[u8], into: &mut String) {
    into.push_str("{ss_sp=");
    pointer(u64_in(bytes, 0), into);
    into.push_str(", ss_flags=");
    named("ss_flags", u32_in(bytes, 8).into(), into);
    put!(into, ", ss_size={}}}", u64_in(bytes, 16));
}

/// Permissions: octal, three digits at least.
pub fn mode(value: u32, into: &mut String) {
    if value == 0 { into.push_str("000") } else { put!(into, "{:0>3}", format_args!("0{value:o}")) }
}

/// A file's type and permissions.
pub fn file_mode(value: u32, into: &mut String) {
    let kind = value & 0o170_000;
    if kind != 0 {
        named("file_type", kind.into(), into);
        into.push('|');
    }
    mode(value & 0o7777, into);
}

/// The numbers of a device.
pub fn device(value: u64, into: &mut String) {
    let major = (value >> 8 & 0xfff) | (value >> 32 & !0xfff);
    let minor = (value & 0xff) | (value >> 12 & !0xff & 0xffff_ffff);
    into.push_str("makedev(");
    hex(major, into);
    into.push_str(", ");
    hex(minor, into);
    into.push(')');
}

fn stat(bytes: &[u8], into: &mut String) {
    let file = u32_in(bytes, 24);
    into.push_str("{st_mode=");
    file_mode(file, into);
    if matches!(file & 0o170_000, 0o020_000 | 0o060_000) {
        into.push_str(", st_rdev=");
        device(u64_in(bytes, 40), into);
    } else {
        put!(into, ", st_size={}", u64_in(bytes, 48));
    }
    into.push_str(", ...}");
}

fn statx(bytes: &[u8], into: &mut String) {
    into.push_str("{stx_mask=");
    named("statx_mask", u32_in(bytes, 0).into(), into);
    into.push_str(", stx_attributes=");
    named("statx_attributes", u64_in(bytes, 8), into);
    into.push_str(", stx_mode=");
    file_mode(u16_in(bytes, 28).into(), into);
    put!(into, ", stx_size={}, ...}}", u64_in(bytes, 40));
}

fn uname(bytes: &[u8], into: &mut String) {
    into.push_str("{sysname=");
    let name = |at: usize| bytes[at..at + 65].split(|&b| b == 0).next().unwrap_or_default();
    quoted(name(0), false, into);
    into.push_str(", nodename=");
    quoted(name(65), false, into);
    into.push_str(", ...}");
}

fn limits(bytes: &[u8], infinity: &str, into: &mut String) {
    for (name, at) in [("{rlim_cur=", 0), (", rlim_max=", 8)] {
        into.push_str(name);
        match u64_in(bytes, at) {
            u64::MAX => into.push_str(infinity),
            value if value > 1024 && value.is_multiple_of(1024) => put!(into, "{}*1024", value / 1024),
            value => put!(into, "{value}"),
        }
    }
    into.push('}');
}
fn rlimit(bytes: &[u8], into: &mut String) {
    limits(bytes, "RLIM_INFINITY", into);
}
fn rlimit64(bytes: &[u8], into: &mut String) {
    limits(bytes, "RLIM64_INFINITY", into);
}

fn wait_status(bytes: &[u8], into: &mut String) {
    let status = u32_in(bytes, 0);
    let (low, high) = (status & 0x7f, status >> 8 & 0xff);
    match (status, low) {
        (0xffff, _) => into.push_str("[{WIFCONTINUED(s)}]"),
        (_, 0) => put!(into, "[{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}]"),
        (_, 0x7f) => {
            into.push_str("[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
            named("signals", high.into(), into);
            into.push_str("}]");
        }
        _ => {
            into.push_str("[{WIFSIGNALED(s) && WTERMSIG(s) == ");
            named("signals", low.into(), into);
            into.push_str(if status & 0x80 != 0 { " && WCOREDUMP(s)}]" } else { "}]" });
        }
    }
}

/// struct epoll_event, packed as on x86-64.
pub fn epoll_event(bytes: &[u8], into: &mut String) {
    into.push_str("{events=");
    named("epoll_events", u32_in(bytes, 0).into(), into);
    put!(into, ", data={{u32={}, u64={}}}}}", u32_in(bytes, 4), u64_in(bytes, 4));
}

fn open_how(bytes: &[u8], into: &mut String) {
    let flags = u64_in(bytes, 0);
    into.push_str("{flags=");
    named("open", flags, into);
    if makes_a_file(flags) {
        into.push_str(", mode=");
        mode(u64_in(bytes, 8) as u32, into);
    }
    into.push_str(", resolve=");
    named("resolve", u64_in(bytes, 16), into);
    into.push('}');
}

/// open(2) with these flags takes permissions.
pub fn makes_a_file(flags: u64) -> bool {
    const O_CREAT: u64 = 0o100;
    const TMPFILE: u64 = 0o20_000_000;
    flags & (O_CREAT | TMPFILE) != 0
}
