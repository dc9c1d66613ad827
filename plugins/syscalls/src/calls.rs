//! The tables of system calls (`x86_64.txt`, `i386.txt`): names, and what kind each argument is of.

use crate::names::{Set, set};
use crate::structures::{SHAPES, Shape};
use reenact_plugin::Abi;
use std::sync::LazyLock;

/// What an argument is.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// 32 bits, signed.
    Int,
    /// 32 bits, unsigned.
    Uint,
    /// 64 bits, signed.
    Long,
    /// 64 bits, unsigned.
    Size,
    /// 64 bits in hex.
    Hex,
    /// An address of which nothing is read.
    Ptr,
    /// A descriptor that a path starts at.
    DirFd,
    /// Permissions, in octal; left out where the call makes no file.
    Mode,
    /// A file's type and permissions.
    FileMode,
    /// A device's numbers; left out where the call makes none.
    Device,
    /// A value with names.
    Names(&'static Set),
    /// A signal: its name or its number.
    Signal,
    /// A request of ioctl(2): its name or its parts.
    Request,
    /// A path.
    Path,
    /// A text that is no path.
    Text,
    /// Bytes; their number is another argument or, where the call fills them, the result.
    Bytes,
    /// Bytes that nobody expects to be text.
    Random,
    /// A list of texts, as of execve.
    Strings,
    /// A list of texts of which the number is told.
    Environment,
    /// A socket address; its length is another argument, or what that points to.
    Sockaddr,
    /// A length that the call reads and changes.
    LengthAt,
    /// What depends on socket(2)'s first argument.
    Protocol,
    /// What depends on the level in front of it.
    SockOption,
    /// Bytes of an option.
    SockOptionValue,
    /// What depends on the command in front of it.
    FcntlArgument,
    /// What depends on the request in front of it.
    IoctlArgument,
    /// What depends on the option in front of it.
    PrctlArgument,
    /// All arguments behind the operation.
    FutexRest,
    /// Buffers; their number is another argument.
    Iovec,
    /// A message's header.
    Msghdr,
    /// Descriptors to wait for; their number is another argument.
    PollFds,
    /// A set of descriptors below another argument.
    FdSet,
    /// Events; the result tells how many.
    EpollEvents,
    /// How to make a thread.
    CloneArgs,
    /// Time left, where the call was interrupted.
    Remaining,
    /// A structure of a fixed size.
    Shape(&'static Shape),
}

/// An argument.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// What it is.
    pub word: Word,
    /// The call fills it.
    pub is_out: bool,
    /// Which argument tells how much of it there is.
    pub count: Option<usize>,
}

/// A system call.
#[derive(Debug, Default)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// Memory is to be read at its entry, at its return.
    pub reads: (bool, bool),
}

struct Tables {
    x86_64: Vec<Option<Call>>,
    i386: Vec<Option<&'static str>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    x86_64: parse_x86_64(include_str!("x86_64.txt")),
    i386: parse_i386(include_str!("i386.txt")),
});

/// What is known of a 64-bit system call.
pub fn call(number: u32) -> Option<&'static Call> {
    TABLES.x86_64.get(number as usize)?.as_ref()
}

/// The name of a system call of either table.
pub fn name(abi: Abi, number: u32) -> Option<&'static str> {
    match abi {
        Abi::X86_64 => call(number).map(|c| c.name),
        Abi::I386 => *TABLES.i386.get(number as usize)?,
    }
}

/// Puts a value at a number, with holes in front of it.
fn place<T>(table: &mut Vec<Option<T>>, number: usize, value: T) {
    table.resize_with(table.len().max(number + 1), || None);
    table[number] = Some(value);
}

fn parse_x86_64(text: &'static str) -> Vec<Option<Call>> {
    let mut table = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let mut words = line.split_whitespace();
        let number: u32 = words.next().and_then(|w| w.parse().ok()).expect("a line starts with a number");
        let name = words.next().expect("a call has a name");
        let arguments: Vec<Argument> = words.map(parse_argument).collect();
        let reads = (
            arguments.iter().any(|a| !a.is_out && reads_memory(a.word)),
            arguments.iter().any(|a| reads_memory(a.word)),
        );
        place(&mut table, number as usize, Call { number, name, arguments, reads });
    }
    table
}

fn parse_i386(text: &'static str) -> Vec<Option<&'static str>> {
    let mut table = Vec::new();
    for word in text.lines().filter(|l| !l.starts_with('#')).flat_map(str::split_whitespace) {
        let (number, name) = word.split_once('=').expect("an entry is NUMBER=NAME");
        place(&mut table, number.parse().expect("a number"), name);
    }
    table
}

fn parse_argument(text: &str) -> Argument {
    let (word, count) = text.split_once(':').map_or((text, None), |(w, n)| (w, Some(n)));
    let count = count.map(|n| n.parse().expect("the place of an argument"));
    let (word, is_out) = word.strip_suffix('>').map_or((word, false), |w| (w, true));
    Argument { word: parse_word(word), is_out, count }
}

fn parse_word(word: &str) -> Word {
    match word {
        "int" | "fd" => Word::Int,
        "uint" => Word::Uint,
        "long" => Word::Long,
        "size" => Word::Size,
        "hex" => Word::Hex,
        "ptr" => Word::Ptr,
        "dirfd" => Word::DirFd,
        "mode" => Word::Mode,
        "file_mode" => Word::FileMode,
        "device" => Word::Device,
        "signal" => Word::Signal,
        "request" => Word::Request,
        "path" => Word::Path,
        "text" => Word::Text,
        "bytes" => Word::Bytes,
        "random" => Word::Random,
        "strings" => Word::Strings,
        "environment" => Word::Environment,
        "sockaddr" => Word::Sockaddr,
        "length_at" => Word::LengthAt,
        "protocol" => Word::Protocol,
        "sockopt" => Word::SockOption,
        "sockopt_value" => Word::SockOptionValue,
        "fcntl_argument" => Word::FcntlArgument,
        "ioctl_argument" => Word::IoctlArgument,
        "prctl_argument" => Word::PrctlArgument,
        "futex_rest" => Word::FutexRest,
        "iovec" => Word::Iovec,
        "msghdr" => Word::Msghdr,
        "pollfds" => Word::PollFds,
        "fd_set" => Word::FdSet,
        "epoll_events_at" => Word::EpollEvents,
        "clone_args" => Word::CloneArgs,
        "remaining" => Word::Remaining,
        _ => match SHAPES.iter().find(|s| s.name == word) {
            Some(shape) => Word::Shape(shape),
            None => Word::Names(set(word).unwrap_or_else(|| panic!("{word} is no kind and no set of names"))),
        },
    }
}

fn reads_memory(word: Word) -> bool {
    !matches!(
        word,
        Word::Int
            | Word::Uint
            | Word::Long
            | Word::Size
            | Word::Hex
            | Word::Ptr
            | Word::DirFd
            | Word::Mode
            | Word::FileMode
            | Word::Device
            | Word::Names(_)
            | Word::Signal
            | Word::Request
            | Word::Protocol
            | Word::SockOption
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_whole() {
        assert_eq!(name(Abi::X86_64, 257), Some("openat"));
        assert_eq!(name(Abi::X86_64, 450), Some("set_mempolicy_home_node"));
        assert_eq!(name(Abi::X86_64, 400), None);
        assert_eq!(name(Abi::I386, 4), Some("write"));
        assert_eq!(name(Abi::I386, 450), Some("set_mempolicy_home_node"));
        assert!((0..335).all(|n| call(n).is_some()) && (424..463).all(|n| call(n).is_some()));
    }

    #[test]
    fn no_call_has_more_than_six_arguments_or_counts_by_one_that_it_lacks() {
        for call in TABLES.x86_64.iter().flatten() {
            assert!(call.arguments.len() <= 6, "{}", call.name);
            let count = call.arguments.iter().filter_map(|a| a.count).max();
            assert!(count.is_none_or(|c| c < call.arguments.len()), "{}", call.name);
        }
    }
}
