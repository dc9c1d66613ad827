//! The table's columns, and the words in them.

use reenact_plugin::{Column, Kind, Table};

/// What is made.
pub const TABLE: Table = Table {
    name: "files",
    about: "An open file, pipe end or socket, from its first descriptor until nothing holds it",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when it got its first descriptor"),
        Column::new("time_ns", Kind::U64, "guest time since power-on then, in nanoseconds"),
        Column::new(
            "close_moment",
            Kind::Moment,
            "instructions retired when nothing held it any more; null if something does at the end",
        ),
        Column::new("pid", Kind::U32, "process that opened it"),
        Column::new("tid", Kind::U32, "thread that opened it"),
        Column::new("comm", Kind::Name, "that thread's name then"),
        Column::new("fd", Kind::U32, "its first descriptor, in that process"),
        Column::new(
            "path",
            Kind::Text,
            "its path when it was opened, or socket:[INODE], pipe:[INODE], anon_inode:[NAME]; null where it could not be told",
        ),
        Column::new(
            "kind",
            Kind::Name,
            "file, directory, character device, block device, fifo, pipe, socket, link, anonymous; null without a path",
        ),
        Column::new(
            "flags",
            Kind::Name,
            "how it was opened, as far as the kernel keeps it: O_RDWR|O_APPEND; null without a path",
        ),
        Column::new(
            "permissions",
            Kind::U32,
            "the inode's permissions, the lowest 12 bits of st_mode; null without a path",
        ),
        Column::new("bytes_read", Kind::U64, "bytes that system calls read from it"),
        Column::new("bytes_written", Kind::U64, "bytes that system calls wrote to it"),
        Column::new("reads", Kind::U64, "calls that read from it without an error"),
        Column::new("writes", Kind::U64, "calls that wrote to it without an error"),
        Column::new(
            "ended",
            Kind::Name,
            "how it ended: closed (by a system call), exec (it was to be closed then), exit (its last holder ended), kernel (let go by a kernel thread), open (at the end of the recording)",
        ),
        Column::new("socket", Kind::Text, "for a socket, what it is and was last seen connected to; else null"),
        Column::new("address", Kind::Address, "of the kernel's struct file, which later files may have again"),
    ],
};

/// What an inode's mode says that a file is.
pub fn kind(mode: u32, path: &str) -> &'static str {
    match mode & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "directory",
        0o020_000 => "character device",
        0o060_000 => "block device",
        0o010_000 if path.starts_with("pipe:") => "pipe",
        0o010_000 => "fifo",
        0o140_000 => "socket",
        0o120_000 => "link",
        _ => "anonymous",
    }
}

/// The flags that the kernel keeps, by their names in the order of the user's headers.
const FLAGS: [(&str, u32); 12] = [
    ("O_APPEND", 0o2000),
    ("O_NONBLOCK", 0o4000),
    ("O_SYNC", 0o4_010_000),
    ("O_DSYNC", 0o10_000),
    ("O_ASYNC", 0o20_000),
    ("O_DIRECT", 0o40_000),
    ("O_TMPFILE", 0o20_200_000),
    ("O_DIRECTORY", 0o200_000),
    ("O_NOFOLLOW", 0o400_000),
    ("O_NOATIME", 0o1_000_000),
    ("O_PATH", 0o10_000_000),
    ("O_EXCL", 0o200),
];

/// O_LARGEFILE, which every 64-bit program has, and O_CLOEXEC, which belongs to a descriptor, are left out.
const HIDDEN: u32 = 0o100_000 | 0o2_000_000;

/// Writes how a file was opened.
pub fn flags(value: u32, into: &mut String) {
    into.push_str(match value & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    });
    let mut rest = value & !3 & !HIDDEN;
    for (name, flag) in FLAGS {
        if rest & flag == flag {
            into.push('|');
            into.push_str(name);
            rest &= !flag;
        }
    }
    if rest != 0 {
        into.push_str(&format!("|{rest:#o}"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn flags_are_named_and_what_has_no_name_is_octal() {
        let mut text = String::new();
        super::flags(0o2_102_002, &mut text);
        assert_eq!(text, "O_RDWR|O_APPEND");
        text.clear();
        super::flags(0o400_000_000, &mut text);
        assert_eq!(text, "O_RDONLY|0o400000000");
    }
}
