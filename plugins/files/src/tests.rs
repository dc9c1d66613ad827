//! Files of a machine that is made up: opened, shared, read, written, released; cut into slices anywhere.

use crate::{EXECUTES, EXIT, Files, INSTALL, RDI, READ, RELEASE, RSI, SIGNAL, WRITE};
use reenact_plugin::{
    Abi, Analysis, Comm, Descriptor, Event, File, Mapping, Out, Plugin, Process, Registers, Rows, Scene, SyscallFrame,
    Task, TaskKey, Value,
};
use std::collections::BTreeMap;

/// A machine of which all is said.
#[derive(Clone, Default)]
struct Mock {
    moment: u64,
    task: Option<Task>,
    registers: Registers,
    frame: Option<SyscallFrame>,
    files: BTreeMap<Descriptor, File>,
    memory: [u8; 8],
}

impl Scene for Mock {
    fn moment(&self) -> u64 {
        self.moment
    }
    fn time_ns(&self) -> u64 {
        0
    }
    fn registers(&self) -> Registers {
        self.registers
    }
    fn task(&self) -> Option<Task> {
        self.task
    }
    fn task_at(&self, _: u64) -> Option<Task> {
        None
    }
    fn tasks(&self) -> Vec<Task> {
        Vec::new()
    }
    fn process(&self, _: u64) -> Option<Process> {
        None
    }
    fn file(&self, _: u64, descriptor: Descriptor) -> Option<File> {
        self.files.get(&descriptor).cloned()
    }
    fn descriptors(&self, _: u64) -> Option<Vec<(Descriptor, File)>> {
        Some(self.files.clone().into_iter().collect())
    }
    fn mapping(&self, _: u64, _: u64) -> Option<Mapping> {
        None
    }
    fn syscall_frame(&self, _: u64) -> Option<SyscallFrame> {
        self.frame
    }
    fn read(&self, _: u64, into: &mut [u8]) -> usize {
        into.copy_from_slice(&self.memory);
        into.len()
    }
    fn read_physical(&self, _: u64, _: &mut [u8]) -> usize {
        0
    }
    fn symbol(&self, _: u64) -> Option<(&str, u64)> {
        None
    }
    fn address_of(&self, _: &str) -> Option<u64> {
        None
    }
    fn syscall_name(&self, _: u32) -> Option<&str> {
        None
    }
    fn no_linux(&self) -> Option<String> {
        None
    }
}

/// Rows: from moment to moment, tid, fd, path, kind, flags, bytes and calls, how it ended.
#[derive(Default)]
struct Kept(Vec<String>);

impl Rows for Kept {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        let columns = Files.about().tables[table].columns;
        assert_eq!(row.len(), columns.len());
        let of = |name: &str| match row[columns.iter().position(|c| c.name == name).unwrap()] {
            Value::Text(text) => text.to_owned(),
            Value::U(number) => number.to_string(),
            _ => "-".to_owned(),
        };
        let shown = ["moment", "close_moment", "tid", "fd", "path", "kind", "flags"];
        let rest = ["bytes_read", "bytes_written", "reads", "writes", "ended"];
        self.0.push(shown.iter().chain(&rest).map(|name| of(name)).collect::<Vec<_>>().join(" "));
    }
}

#[derive(Default)]
struct Story {
    mock: Mock,
    events: Vec<(Event<'static>, Mock)>,
}

impl Story {
    fn thread(&mut self, tid: u32) -> &mut Story {
        let key = TaskKey { at: u64::from(tid) * 0x1000, tid, start_ns: 1 };
        self.mock.task = Some(Task { key, pid: 1, comm: Comm::default() });
        self
    }
    fn call(&mut self, number: i64, rax: i64, given: &[u64]) -> &mut Story {
        let mut arguments = [0; 6];
        arguments[..given.len()].copy_from_slice(given);
        self.mock.frame = Some(SyscallFrame { number, rax: rax as u64, arguments, rip: 0, rsp: 0 });
        self
    }
    fn happens(&mut self, event: Event<'static>) -> &mut Story {
        self.mock.moment += 1;
        self.events.push((event, self.mock.clone()));
        self
    }
    fn function(&mut self, index: usize, first: u64, second: u64) -> &mut Story {
        (self.mock.registers.general[RDI], self.mock.registers.general[RSI]) = (first, second);
        self.happens(Event::Function { index })
    }
    fn returns(&mut self) -> &mut Story {
        self.happens(Event::UserReturn)
    }
    fn has(&mut self, descriptor: Descriptor, at: u64, path: &str, mode: u32, flags: u32) -> &mut Story {
        let file = File { path: path.to_owned(), at, flags, mode, position: 0, socket: None };
        self.mock.files.insert(descriptor, file);
        self
    }
    #[track_caller]
    fn tells(&self, rows: &[&str]) {
        for slice in [usize::MAX, 1, 2, 3] {
            let (mut join, mut kept) = (Files.start(), Kept::default());
            for events in self.events.chunks(slice) {
                let mut notes = Vec::new();
                for (event, mock) in events {
                    Files.see(&mut (), event, mock, &mut Out { notes: &mut notes, rows: &mut Kept::default() });
                }
                notes.into_iter().for_each(|note| Files.join(&mut join, note, &mut kept));
            }
            Files.end(join, self.mock.moment, &mut kept);
            assert_eq!(kept.0, rows, "in slices of {slice} events");
        }
    }
}

const REGULAR: u32 = 0o100_644;

#[test]
fn a_file_is_one_row_from_its_first_descriptor_to_its_release() {
    let mut story = Story::default();
    story.thread(5).function(INSTALL, 3, 0xf0).has(3, 0xf0, "/data", REGULAR, 0o2002).call(257, 3, &[]).returns();
    // Two threads read and write; what fails is not counted.
    story.call(0, 0, &[3]).function(READ, 0xf0, 0).thread(6).call(1, 0, &[3]).function(WRITE, 0xf0, 0);
    story.call(1, 7, &[3]).returns().thread(5).call(0, 100, &[3]).returns();
    story.call(0, 0, &[3]).function(READ, 0xf0, 0).call(0, -4, &[3]).returns();
    story.call(20, 9, &[3]).returns();
    // A second descriptor changes nothing.
    story.function(INSTALL, 9, 0xf0).call(3, 0, &[3]).function(RELEASE, 0xf0, 0);
    // The address is another file's now; one that nobody has a descriptor of is not told.
    story.function(INSTALL, 3, 0xf0).function(RELEASE, 0xe0, 0);
    story.tells(&["1 11 5 3 /data file O_RDWR|O_APPEND 100 16 1 2 closed", "12 - 5 3 - - - 0 0 0 0 open"]);
}

#[test]
fn a_signal_does_not_hide_or_double_what_a_call_moved() {
    let mut story = Story::default();
    story.thread(5).function(INSTALL, 3, 0xf0).has(3, 0xf0, "/data", REGULAR, 0).call(2, 3, &[]).returns();
    // A handler's frame replaces the result.
    story.call(0, 5, &[3]).function(READ, 0xf0, 0).function(SIGNAL, 0, 0).call(0, 0, &[3]).returns();
    story.call(19, 50, &[3]).function(SIGNAL, 0, 0).returns();
    story.tells(&["1 - 5 3 /data file O_RDONLY 55 0 2 0 open"]);
}

#[test]
fn pairs_inherited_files_and_ends() {
    let mut story = Story::default();
    story.thread(1).has(0, 0xc0, "/dev/console", 0o020_600, 0o100_002).has(1, 0xc0, "/dev/console", 0o020_600, 2);
    story.mock.frame = None;
    story.function(EXECUTES, 0, 0);
    story.mock.memory = [3, 0, 0, 0, 4, 0, 0, 0];
    story.has(3, 0xa0, "pipe:[7]", 0o010_600, 0).has(4, 0xb0, "pipe:[7]", 0o010_600, 1);
    story.function(INSTALL, 3, 0xa0).function(INSTALL, 4, 0xb0).call(22, 0, &[0x100]).returns();
    story.call(59, 0, &[]).function(RELEASE, 0xa0, 0);
    story.function(EXIT, 0, 0).call(1, 0, &[]).function(RELEASE, 0xb0, 0);
    // Another thread has the same task_struct: it does not end. A kernel thread is in no call.
    story.thread(1).function(INSTALL, 5, 0xd0);
    story.mock.task.as_mut().unwrap().key.tid = 9;
    story.mock.frame = None;
    story.function(RELEASE, 0xd0, 0);
    story.tells(&[
        "2 5 1 3 pipe:[7] pipe O_RDONLY 0 0 0 0 exec",
        "3 7 1 4 pipe:[7] pipe O_WRONLY 0 0 0 0 exit",
        "8 9 1 5 - - - 0 0 0 0 kernel",
        "1 - 1 0 /dev/console character device O_RDWR 0 0 0 0 open",
    ]);
}

#[test]
fn numbers_of_i386_are_not_taken_for_others() {
    let mut story = Story::default();
    story.thread(5).function(INSTALL, 3, 0xf0).has(3, 0xf0, "/data", REGULAR, 1).call(2, 3, &[]).returns();
    // getpid of i386 looks like writev.
    let arguments = [3, 0, 0, 0, 0, 0];
    story.happens(Event::Syscall { abi: Abi::I386, number: 20, arguments, return_to: 0 });
    story.call(20, 5, &[3]).returns().call(20, 6, &[3]).returns();
    story.tells(&["1 - 5 3 /data file O_WRONLY 0 6 0 1 open"]);
}
