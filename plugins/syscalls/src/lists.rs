//! Lists, and arguments that mean something else for each operation: buffers, descriptors, options, commands.

use crate::capture::{ELEMENTS, SHOWN, pieces};
use crate::names::hex;
use crate::quote::quoted;
use crate::render::{Made, goes_on, short};
use crate::sockaddr::sockaddr;
use crate::structures::{epoll_event, named, named_as, pointer, put, timespec, u16_in, u32_in, u64_in};
use std::fmt::Write;

/// The pieces of one argument, taken one by one.
#[derive(Clone)]
pub struct Pieces<'a> {
    all: &'a [u8],
    place: usize,
    taken: usize,
}

impl<'a> Pieces<'a> {
    /// Those of the argument at a place.
    pub fn new(all: &'a [u8], place: usize) -> Pieces<'a> {
        Pieces { all, place, taken: 0 }
    }
    /// The next one; none where there is none, and for what could not be read.
    pub fn take(&mut self) -> Option<&'a [u8]> {
        self.taken += 1;
        pieces(self.all, self.place).nth(self.taken - 1)?
    }
}

/// A signal's name, or its number.
pub fn signal(value: u64, into: &mut String) {
    match named_as("signals", value & 0xffff_ffff) {
        Some(name) => into.push_str(name),
        None => put!(into, "{}", value as i32),
    }
}

/// A request's name, or the parts that the kernel's headers make it of.
pub fn request(value: u64, into: &mut String) {
    let value = value & 0xffff_ffff;
    if let Some(name) = named_as("ioctl", value) {
        return into.push_str(name);
    }
    let direction = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"][(value >> 30) as usize & 3];
    put!(into, "_IOC({direction}");
    for part in [value >> 8 & 0xff, value & 0xff, value >> 16 & 0x3fff] {
        into.push_str(", ");
        hex(part, into);
    }
    into.push(')');
}

/// The third argument of socket(2).
pub fn protocol(family: u64, value: u64, into: &mut String) {
    match family as u32 {
        2 | 10 => named("inet_protocol", value & 0xffff_ffff, into),
        16 => named("netlink_protocol", value & 0xffff_ffff, into),
        _ => put!(into, "{}", value as i32),
    }
}

/// The option of a level.
pub fn socket_option(level: u64, value: u64, into: &mut String) {
    let set = match level as u32 {
        0 => "ip",
        1 => "so",
        6 => "tcp",
        41 => "ipv6",
        _ => return hex(value & 0xffff_ffff, into),
    };
    named(set, value & 0xffff_ffff, into);
}

/// The arguments of futex(2) behind the operation.
pub fn futex(arguments: &[u64; 6], pieces: &mut Pieces<'_>, into: &mut String) {
    const PRIVATE_AND_CLOCK: u64 = 128 | 256;
    let &[_, operation, value, timeout, second, third] = arguments;
    let time = |pieces: &mut Pieces<'_>, into: &mut String| match pieces.take().filter(|_| timeout != 0) {
        Some(bytes) => timespec(bytes, into),
        None => pointer(timeout, into),
    };
    let compares = |into: &mut String| {
        if third as u32 == u32::MAX { into.push_str("FUTEX_BITSET_MATCH_ANY") } else { hex(third & 0xffff_ffff, into) }
    };
    match operation & 0xffff_ffff & !PRIVATE_AND_CLOCK {
        // FUTEX_WAIT
        0 => {
            put!(into, "{}, ", value as u32);
            time(pieces, into);
        }
        // FUTEX_WAKE, FUTEX_FD
        1 | 2 => put!(into, "{}", value as u32),
        // FUTEX_REQUEUE, FUTEX_CMP_REQUEUE
        3 | 4 => {
            put!(into, "{}, {}, ", value as u32, timeout as u32);
            pointer(second, into);
            if operation & 0x7f == 4 {
                put!(into, ", {}", third as u32);
            }
        }
        // FUTEX_LOCK_PI
        6 => time(pieces, into),
        // FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI: nothing.
        7 | 8 => {
            let end = into.trim_end_matches(", ").len();
            into.truncate(end);
        }
        // FUTEX_WAIT_BITSET
        9 => {
            put!(into, "{}, ", value as u32);
            time(pieces, into);
            into.push_str(", ");
            compares(into);
        }
        // FUTEX_WAKE_BITSET
        10 => {
            put!(into, "{}, ", value as u32);
            compares(into);
        }
        _ => {
            put!(into, "{}, ", value as u32);
            hex(timeout, into);
            into.push_str(", ");
            pointer(second, into);
            into.push_str(", ");
            hex(third & 0xffff_ffff, into);
        }
    }
}

/// The third argument of fcntl(2).
pub fn fcntl(command: u64, value: u64, pieces: &mut Pieces<'_>, into: &mut String) -> Option<()> {
    match command as u32 {
        // F_DUPFD, F_DUPFD_CLOEXEC, F_SETOWN, F_SETPIPE_SZ
        0 | 1030 | 8 | 1031 => put!(into, "{}", value as i32),
        // F_SETFD
        2 => named("fd_flags", value & 0xffff_ffff, into),
        // F_SETFL
        4 => named("open", value & 0xffff_ffff, into),
        // Locks.
        5..=7 | 36..=38 => {
            let lock = pieces.take().filter(|b| b.len() == 32)?;
            into.push_str("{l_type=");
            named("lock_type", u16_in(lock, 0).into(), into);
            into.push_str(", l_whence=");
            named("whence", u16_in(lock, 2).into(), into);
            put!(into, ", l_start={}, l_len={}}}", u64_in(lock, 8) as i64, u64_in(lock, 16) as i64);
        }
        _ => hex(value, into),
    }
    Some(())
}

/// The third argument of ioctl(2).
pub fn ioctl(request: u64, made: &Made<'_>, place: usize, into: &mut String) -> Option<()> {
    let back = made.back_piece(place, 0).filter(|_| made.result.is_some_and(|r| r >= 0));
    match request as u32 {
        // TIOCGWINSZ
        0x5413 => {
            let size = back.filter(|b| b.len() == 8)?;
            put!(into, "{{ws_row={}, ws_col={}", u16_in(size, 0), u16_in(size, 2));
            put!(into, ", ws_xpixel={}, ws_ypixel={}}}", u16_in(size, 4), u16_in(size, 6));
        }
        // TIOCGPGRP, TIOCSPGRP, TIOCGSID, FIONREAD, FIONBIO
        0x540f | 0x5410 | 0x5429 | 0x541b | 0x5421 => put!(into, "[{}]", u32_in(back?, 0) as i32),
        _ => pointer(made.arguments[place], into),
    }
    Some(())
}

/// How many arguments an option of prctl(2) has, the option included.
pub fn prctl_arity(option: u64) -> usize {
    match option as u32 {
        // PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_SECCOMP, PR_GET_TIMERSLACK
        3 | 7 | 21 | 30 => 1,
        // PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ,
        // PR_CAPBSET_DROP, PR_SET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER
        1 | 2 | 4 | 8 | 15 | 16 | 23 | 24 | 29 | 36 | 37 => 2,
        _ => 5,
    }
}

/// The second argument of prctl(2).
pub fn prctl(option: u64, value: u64, made: &Made<'_>, place: usize, into: &mut String) -> Option<()> {
    match option as u32 {
        1 => signal(value, into),
        4 | 8 | 36 => put!(into, "{value}"),
        15 => short(made.taken(place).take()?, into),
        16 => short(made.back_piece(place, 0).filter(|_| made.result == Some(0))?, into),
        2 | 37 => return None,
        _ => hex(value, into),
    }
    Some(())
}

/// A list of texts: the pointers, then the texts that were read.
pub fn strings(pieces: &mut Pieces<'_>, into: &mut String) -> Option<()> {
    let pointers = pieces.take()?.as_chunks::<8>().0;
    into.push('[');
    for (k, value) in pointers.iter().map(|p| u64::from_le_bytes(*p)).take_while(|&p| p != 0).enumerate() {
        into.push_str(if k == 0 { "" } else { ", " });
        if k == ELEMENTS {
            into.push_str("...");
            break;
        }
        match pieces.take() {
            Some(text) => short(text, into),
            None => pointer(value, into),
        }
    }
    into.push(']');
    Some(())
}

/// Buffers and what is in them, up to so many bytes in all.
pub fn iovec(pieces: &mut Pieces<'_>, most: u64, into: &mut String) -> Option<()> {
    let vectors = pieces.take()?;
    let mut left = most;
    into.push('[');
    for (k, vector) in vectors.chunks_exact(16).enumerate() {
        into.push_str(if k == 0 { "{iov_base=" } else { ", {iov_base=" });
        let (base, whole) = (u64_in(vector, 0), u64_in(vector, 8));
        let length = whole.min(left);
        left -= length;
        match pieces.take().filter(|_| base != 0) {
            Some(bytes) => quoted(bytes, length > SHOWN as u64, into),
            None => pointer(base, into),
        }
        put!(into, ", iov_len={whole}}}");
    }
    into.push(']');
    Some(())
}

/// struct msghdr, its name and its buffers.
pub fn msghdr(pieces: &mut Pieces<'_>, most: u64, into: &mut String) -> Option<()> {
    let header = pieces.take().filter(|b| b.len() == 56)?;
    let name = pieces.take();
    into.push_str("{msg_name=");
    if name.and_then(|n| sockaddr(n, into)).is_none() {
        pointer(u64_in(header, 0), into);
    }
    put!(into, ", msg_namelen={}, msg_iov=", u32_in(header, 8));
    if iovec(pieces, most, into).is_none() {
        pointer(u64_in(header, 16), into);
    }
    put!(into, ", msg_iovlen={}", u64_in(header, 24));
    if u64_in(header, 32) != 0 {
        into.push_str(", msg_control=");
        pointer(u64_in(header, 32), into);
    }
    put!(into, ", msg_controllen={}, msg_flags=", u64_in(header, 40));
    named("msg", u32_in(header, 48).into(), into);
    into.push('}');
    Some(())
}

/// struct pollfd, several.
pub fn poll(bytes: &[u8], count: u64, into: &mut String) {
    into.push('[');
    for (k, entry) in bytes.chunks_exact(8).enumerate() {
        into.push_str(if k == 0 { "" } else { ", " });
        put!(into, "{{fd={}", u32_in(entry, 0) as i32);
        if (u32_in(entry, 0) as i32) >= 0 {
            into.push_str(", events=");
            named("poll_events", u16_in(entry, 4).into(), into);
        }
        into.push('}');
    }
    goes_on(count, into);
}

/// Descriptors of a set, those below a number.
pub fn fd_set(bytes: &[u8], below: u64, into: &mut String) {
    into.push('[');
    let mut separator = "";
    for fd in 0..(bytes.len() * 8).min(below as usize) {
        if bytes[fd / 8] >> (fd % 8) & 1 != 0 {
            put!(into, "{separator}{fd}");
            separator = " ";
        }
    }
    into.push(']');
}

/// struct epoll_event, several.
pub fn epoll(bytes: &[u8], into: &mut String) {
    into.push('[');
    for (k, event) in bytes.chunks_exact(12).enumerate() {
        into.push_str(if k == 0 { "" } else { ", " });
        epoll_event(event, into);
    }
    into.push(']');
}

/// struct clone_args, and the number that the parent got.
pub fn clone_args(pieces: &mut Pieces<'_>, parent: Option<&[u8]>, into: &mut String) -> Option<()> {
    let bytes = pieces.take().filter(|b| b.len() >= 64)?;
    let field = |k: usize| u64_in(bytes, k * 8);
    into.push_str("{flags=");
    named("clone_flags", field(0), into);
    let flags = field(0);
    for (name, k, told_by) in [("pidfd", 1, 0x1000), ("child_tid", 2, 0x0120_0000), ("parent_tid", 3, 0x0010_0000)] {
        if flags & told_by != 0 {
            put!(into, ", {name}=");
            pointer(field(k), into);
        }
    }
    into.push_str(", exit_signal=");
    signal(field(4), into);
    into.push_str(", stack=");
    pointer(field(5), into);
    into.push_str(", stack_size=");
    hex(field(6), into);
    if flags & 0x0008_0000 != 0 {
        into.push_str(", tls=");
        pointer(field(7), into);
    }
    into.push('}');
    if let Some(number) = parent.filter(|b| b.len() == 4) {
        put!(into, " => {{parent_tid=[{}]}}", u32_in(number, 0) as i32);
    }
    Some(())
}
