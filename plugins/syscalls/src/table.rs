//! The table's columns.

use reenact_plugin::{Column, Kind, Table};

/// What is made.
pub const TABLE: Table = Table {
    name: "syscalls",
    about: "A system call, from its entry on",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when the program made the call"),
        Column::new("time_ns", Kind::U64, "guest time since power-on then, in nanoseconds"),
        Column::new("pid", Kind::U32, "process; null where the thread could not be told"),
        Column::new("tid", Kind::U32, "thread; null where it could not be told"),
        Column::new("comm", Kind::Name, "the thread's name when it made the call; null where it could not be told"),
        Column::new("abi", Kind::Name, "which table the number is of: x86_64 or i386"),
        Column::new("number", Kind::U32, "the call's number"),
        Column::new("name", Kind::Name, "the call's name, syscall_NUMBER where it has none"),
        Column::new("arguments", Kind::Text, "the arguments, decoded; registers in hex for i386 and unknown calls"),
        Column::new(
            "result",
            Kind::I64,
            "what the kernel gave back: minus an error number where it failed; null where nothing came back",
        ),
        Column::new(
            "errno",
            Kind::Name,
            "the error's name, those included that only the kernel knows (ERESTARTSYS); null without an error",
        ),
        Column::new(
            "end_moment",
            Kind::Moment,
            "instructions retired when the program went on or its thread ended; null where neither was seen",
        ),
        Column::new("duration_instructions", Kind::U64, "end_moment - moment: instructions of all threads"),
        Column::new(
            "status",
            Kind::Name,
            "returned, interrupted (a signal's handler ran before the program went on), restarted (the call is made again: the next row of the thread), no return (the thread ended in it), running (at the end of the recording), unmatched: WHY",
        ),
        Column::new("path", Kind::Text, "the first path among the arguments; null without one"),
        Column::new("arg0", Kind::Address, "first argument as it stood in its register"),
        Column::new("arg1", Kind::Address, "second argument"),
        Column::new("arg2", Kind::Address, "third argument"),
        Column::new("arg3", Kind::Address, "fourth argument"),
        Column::new("arg4", Kind::Address, "fifth argument"),
        Column::new("arg5", Kind::Address, "sixth argument"),
    ],
};
