//! Open descriptors of a process: number, kind, path, position, and for sockets who talks to whom.

use super::absent::{Known, Why};
use super::layout::Member;
use super::mm::major_minor;
use super::socket::Socket;
use super::task::Task;
use super::view::Object;

/// More descriptors than a process can have (`sysctl_nr_open_max` is larger, its default is this).
const MOST_DESCRIPTORS: u32 = 1 << 20;

/// What an open file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    Regular,
    /// A directory.
    Directory,
    /// A character device with its numbers.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device with its numbers.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A pipe, with or without a name.
    Pipe,
    /// A symbolic link, opened as itself.
    Link,
    /// A socket; absent if its structures cannot be read.
    Socket(Known<Socket>),
    /// What the kernel keeps in a file without one: event counters, timers, epoll sets.
    Anonymous,
}

/// An open descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// The address of the open file, which descriptors may share.
    pub at: u64,
    /// What it is.
    pub kind: Kind,
    /// What readlink of /proc/PID/fd/N gives.
    pub path: Known<String>,
    /// Position in bytes.
    pub position: u64,
    /// Flags of open(2), as the kernel keeps them.
    pub flags: u32,
    /// The file's number in its file system.
    pub inode: u64,
    /// The file's type and permissions (inode(7)).
    pub mode: u16,
}

impl Task<'_> {
    /// The open descriptors, ascending. Threads of one process usually share them.
    pub fn descriptors(self) -> Known<Vec<Descriptor>> {
        let files = self.object().optional(Member::TaskFiles)?;
        let files =
            files.ok_or(Why::NotApplicable { who: "a process without memory or files" }.for_fact("descriptors"))?;
        let table = files.pointer(Member::FilesTable)?;
        let numbers = open_numbers(table)?;
        let files = table.pointer(Member::TableFiles)?;
        let space = files.view.kernel();
        let mut found = Vec::new();
        for number in numbers {
            // A number is taken before its file is there.
            let at = space.u64(files.at.wrapping_add(u64::from(number) * 8))?;
            if at != 0 {
                found.push(descriptor(number, files.view.object(at))?);
            }
        }
        Ok(found)
    }

    /// The open descriptor of a number; `None` if there is none.
    pub fn descriptor(self, number: u32) -> Known<Option<Descriptor>> {
        let Some(files) = self.object().optional(Member::TaskFiles)? else { return Ok(None) };
        let table = files.pointer(Member::FilesTable)?;
        if number >= table.u32(Member::TableMax)?.min(MOST_DESCRIPTORS) {
            return Ok(None);
        }
        let files = table.pointer(Member::TableFiles)?;
        let at = files.view.kernel().u64(files.at.wrapping_add(u64::from(number) * 8))?;
        (at != 0).then(|| descriptor(number, files.view.object(at))).transpose()
    }
}

fn open_numbers(table: Object) -> Known<Vec<u32>> {
    let most = table.u32(Member::TableMax)?;
    if most > MOST_DESCRIPTORS {
        return Err(Why::Broken { at: table.at, expected: "a table of descriptors" }.for_fact("descriptors"));
    }
    let bitmap = table.pointer(Member::TableOpen)?;
    let bytes = bitmap.view.kernel().bytes(bitmap.at, most.div_ceil(8) as usize)?;
    let is_open = |n: &u32| bytes.get(*n as usize / 8).is_some_and(|byte| byte >> (n % 8) & 1 != 0);
    Ok((0..most).filter(is_open).collect())
}

fn descriptor(number: u32, file: Object) -> Known<Descriptor> {
    let inode = file.pointer(Member::FileInode)?;
    let mode = inode.u16(Member::InodeMode)?;
    Ok(Descriptor {
        number,
        at: file.at,
        kind: kind(file, inode, mode)?,
        path: file.part(Member::FilePath).and_then(Object::path),
        position: file.u64(Member::FilePosition)?,
        flags: file.u32(Member::FileFlags)?,
        inode: inode.u64(Member::InodeNumber)?,
        mode,
    })
}

/// By the type bits of the mode (inode(7)).
fn kind(file: Object, inode: Object, mode: u16) -> Known<Kind> {
    let device = || inode.u32(Member::InodeDevice).map(major_minor);
    Ok(match mode >> 12 {
        0o01 => Kind::Pipe,
        0o02 => device().map(|(major, minor)| Kind::Character { major, minor })?,
        0o04 => Kind::Directory,
        0o06 => device().map(|(major, minor)| Kind::Block { major, minor })?,
        0o10 => Kind::Regular,
        0o12 => Kind::Link,
        0o14 => Kind::Socket(file.pointer(Member::FilePrivate).and_then(Socket::of)),
        _ => Kind::Anonymous,
    })
}
