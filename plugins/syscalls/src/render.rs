//! The arguments of a call as text, in the manner of strace, from its registers and the pieces that were read of memory.

use crate::calls::{Argument, Call, Word};
use crate::capture::{ELEMENTS, SHOWN, pieces};
use crate::lists::{self, Pieces};
use crate::names::hex;
use crate::quote::{quoted, quoted_hex};
use crate::sockaddr::sockaddr;
use crate::structures::{SHAPES, device, file_mode, makes_a_file, mode, named, pointer, put, timespec, u32_in};
use std::fmt::Write;

/// A call that is over, or as far as it came.
pub struct Made<'a> {
    /// Which.
    pub call: &'a Call,
    /// Its registers.
    pub arguments: &'a [u64; 6],
    /// What came out of it; none while it runs or if it never returned.
    pub result: Option<i64>,
    /// What was read at its entry.
    pub entry: &'a [u8],
    /// What was read at its return.
    pub back: &'a [u8],
}

/// Numbers of the calls that are written in a way of their own.
const CLONE: u32 = 56;

/// Writes all arguments.
pub fn arguments(made: &Made<'_>, into: &mut String) {
    if made.call.number == CLONE {
        return clone(made, into);
    }
    let start = into.len();
    for (place, argument) in made.call.arguments.iter().enumerate() {
        if made.is_left_out(place, argument) {
            continue;
        }
        if into.len() > start {
            into.push_str(", ");
        }
        made.argument(place, argument, into);
    }
}

/// The first path among the arguments.
pub fn path<'a>(made: &Made<'a>) -> Option<&'a [u8]> {
    let place = made.call.arguments.iter().position(|a| matches!(a.word, Word::Path))?;
    made.pieces(place, made.call.arguments[place].is_out).take()
}

impl<'a> Made<'a> {
    /// What was read of an argument: for what the call takes, at its entry if all of it was mapped then.
    fn pieces(&self, place: usize, is_out: bool) -> Pieces<'a> {
        let is_whole_at_entry = pieces(self.entry, place).all(|piece| piece.is_some());
        let is_read_again = pieces(self.back, place).next().is_some();
        let is_at_entry = !is_out && (is_whole_at_entry || !is_read_again);
        Pieces::new(if is_at_entry { self.entry } else { self.back }, place)
    }

    /// What was read of an argument that the call takes.
    pub fn taken(&self, place: usize) -> Pieces<'a> {
        self.pieces(place, false)
    }

    fn is_ok(&self) -> bool {
        self.result.is_some_and(|r| r >= 0)
    }

    /// The argument says nothing, because of what stands in front of it.
    fn is_left_out(&self, place: usize, argument: &Argument) -> bool {
        let before = place.checked_sub(1).map_or(0, |p| self.arguments[p]);
        match argument.word {
            Word::Mode => {
                let opens = place.checked_sub(1).map(|p| self.call.arguments[p].word);
                matches!(opens, Some(Word::Names(set)) if set.name() == "open") && !makes_a_file(before)
            }
            Word::Device => !matches!(before & 0o170_000, 0o020_000 | 0o060_000) && self.call.name.starts_with("mknod"),
            Word::Ptr if self.call.name == "mremap" && place == 4 => before & 6 == 0,
            // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE, F_GETPIPE_SZ, F_GET_SEALS.
            Word::FcntlArgument => matches!(before, 1 | 3 | 9 | 11 | 1025 | 1032 | 1034),
            Word::Hex if self.call.name == "prctl" => lists::prctl_arity(self.arguments[0]) <= place,
            Word::PrctlArgument => lists::prctl_arity(self.arguments[0]) <= place,
            _ => false,
        }
    }

    fn argument(&self, place: usize, argument: &Argument, into: &mut String) {
        let value = self.arguments[place];
        match argument.word {
            Word::Int => put!(into, "{}", value as i32),
            Word::Uint => put!(into, "{}", value as u32),
            Word::Long => put!(into, "{}", value as i64),
            Word::Size => put!(into, "{value}"),
            Word::Hex => hex(value, into),
            Word::Ptr => pointer(value, into),
            Word::DirFd if value as i32 == -100 => into.push_str("AT_FDCWD"),
            Word::DirFd => put!(into, "{}", value as i32),
            Word::Mode => mode(value as u32, into),
            Word::FileMode => file_mode(value as u32, into),
            Word::Device => device(value, into),
            Word::Names(set) => set.show(value & 0xffff_ffff, into),
            Word::Signal => lists::signal(value, into),
            Word::Request => lists::request(value, into),
            Word::Protocol => lists::protocol(self.arguments[0], value, into),
            Word::SockOption => lists::socket_option(self.arguments[place - 1], value, into),
            _ => self.memory(place, argument, into),
        }
    }

    /// An argument that points to something; an address if that was not read.
    fn memory(&self, place: usize, argument: &Argument, into: &mut String) {
        let value = self.arguments[place];
        let start = into.len();
        if self.pointed_at(place, argument, into).is_none() {
            into.truncate(start);
            pointer(value, into);
        }
    }

    fn pointed_at(&self, place: usize, argument: &Argument, into: &mut String) -> Option<()> {
        let value = self.arguments[place];
        let mut pieces = self.pieces(place, argument.is_out);
        let count = argument.count.map_or(0, |c| self.arguments[c]);
        match argument.word {
            Word::FutexRest => lists::futex(self.arguments, &mut pieces, into),
            Word::FcntlArgument => lists::fcntl(self.arguments[1], value, &mut pieces, into)?,
            Word::IoctlArgument => lists::ioctl(self.arguments[1], self, place, into)?,
            Word::PrctlArgument => lists::prctl(self.arguments[0], value, self, place, into)?,
            _ if value == 0 => return None,
            Word::Path => quoted(pieces.take()?, false, into),
            Word::Text => short(pieces.take()?, into),
            Word::Bytes | Word::Random => {
                let count = if argument.is_out { self.result.filter(|&r| r >= 0)? as u64 } else { count };
                let write = if matches!(argument.word, Word::Random) { quoted_hex } else { quoted };
                write(pieces.take()?, count > SHOWN as u64, into);
            }
            Word::Shape(shape) => {
                let bytes = pieces.take().filter(|b| b.len() == shape.size)?;
                (shape.show)(bytes, into);
            }
            Word::Remaining => timespec(pieces.take()?, into),
            Word::LengthAt => self.length(place, into)?,
            Word::Strings => lists::strings(&mut pieces, into)?,
            Word::Environment => {
                let count = u32_in(pieces.take()?, 0);
                put!(into, "{value:#x} /* {count} var{} */", if count == 1 { "" } else { "s" });
            }
            Word::Sockaddr => sockaddr(pieces.take()?, into)?,
            Word::SockOptionValue => {
                let bytes = pieces.take().filter(|b| b.len() == 4)?;
                put!(into, "[{}]", u32_in(bytes, 0) as i32);
            }
            Word::Iovec => lists::iovec(&mut pieces, self.most(argument), into)?,
            Word::Msghdr => lists::msghdr(&mut pieces, self.most(argument), into)?,
            Word::PollFds => lists::poll(pieces.take()?, count, into),
            Word::FdSet => lists::fd_set(pieces.take()?, count, into),
            Word::EpollEvents => lists::epoll(pieces.take()?, into),
            Word::CloneArgs => lists::clone_args(&mut pieces, self.back_piece(place, 1), into)?,
            _ => return None,
        }
        Some(())
    }

    /// Bytes that buffers hold: no more than came in.
    fn most(&self, argument: &Argument) -> u64 {
        if argument.is_out { self.result.unwrap_or(0) as u64 } else { u64::MAX }
    }

    /// A piece that was read at the return.
    pub fn back_piece(&self, place: usize, number: usize) -> Option<&'a [u8]> {
        pieces(self.back, place).nth(number)?
    }

    /// A length before and, if the call has changed it, behind.
    fn length(&self, place: usize, into: &mut String) -> Option<()> {
        let before = self.pieces(place, false).take().filter(|b| b.len() == 4)?;
        let before = u32_in(before, 0) as i32;
        let behind = self.back_piece(place, 0).filter(|_| self.is_ok()).map(|b| u32_in(b, 0) as i32);
        match behind {
            Some(behind) if behind != before => put!(into, "[{before} => {behind}]"),
            _ => put!(into, "[{before}]"),
        }
        Some(())
    }
}

/// A text of which one byte more was read than is shown.
pub fn short(bytes: &[u8], into: &mut String) {
    quoted(&bytes[..bytes.len().min(SHOWN)], bytes.len() > SHOWN, into);
}

/// Closes a list of which only the first are shown.
pub fn goes_on(count: u64, into: &mut String) {
    into.push_str(if count > ELEMENTS as u64 { ", ...]" } else { "]" });
}

/// clone(2): what its flags make of its arguments.
fn clone(made: &Made<'_>, into: &mut String) {
    const PARENT: u64 = 0x0010_0000 | 0x1000;
    const TLS: u64 = 0x0008_0000;
    const CHILD: u64 = 0x0100_0000 | 0x0020_0000;
    let &[flags, stack, parent, child, tls, _] = made.arguments;
    into.push_str("child_stack=");
    pointer(stack, into);
    into.push_str(", flags=");
    named_clone(flags, into);
    if flags & PARENT != 0 {
        into.push_str(", parent_tid=");
        match made.back_piece(2, 0).filter(|_| made.is_ok()) {
            Some(number) => (int_at().show)(number, into),
            None => pointer(parent, into),
        }
    }
    if flags & TLS != 0 {
        into.push_str(", tls=");
        pointer(tls, into);
    }
    if flags & CHILD != 0 {
        into.push_str(", child_tidptr=");
        pointer(child, into);
    }
}

/// Flags first, the signal of the end behind them.
fn named_clone(flags: u64, into: &mut String) {
    let (signal, flags) = (flags & 0xff, flags & 0xffff_ff00);
    if flags != 0 || signal == 0 {
        named("clone", flags, into);
    }
    if signal != 0 {
        into.push_str(if flags == 0 { "" } else { "|" });
        named("signals", signal, into);
    }
}

fn int_at() -> &'static crate::structures::Shape {
    &SHAPES[0]
}
