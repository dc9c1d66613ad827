//! Calls of a machine that is made up: what is read, what is joined, what rows come out, cut into slices anywhere.

use crate::{EXEC, EXIT, SIGNAL, Syscalls};
use reenact_plugin::{
    Abi, Analysis, Comm, Descriptor, Event, File, Kind, Mapping, Out, Plugin, Process, Registers, Rows, Scene,
    SyscallFrame, Task, TaskKey, Value,
};
use std::collections::BTreeMap;

/// A machine of which all is said.
#[derive(Clone, Default)]
struct Mock {
    moment: u64,
    task: Option<Task>,
    registers: Registers,
    frame: Option<SyscallFrame>,
    memory: BTreeMap<u64, Vec<u8>>,
}

impl Scene for Mock {
    fn moment(&self) -> u64 {
        self.moment
    }
    fn time_ns(&self) -> u64 {
        self.moment
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
    fn file(&self, _: u64, _: Descriptor) -> Option<File> {
        None
    }
    fn descriptors(&self, _: u64) -> Option<Vec<(Descriptor, File)>> {
        None
    }
    fn mapping(&self, _: u64, _: u64) -> Option<Mapping> {
        None
    }
    fn syscall_frame(&self, _: u64) -> Option<SyscallFrame> {
        self.frame
    }
    fn read(&self, linear: u64, into: &mut [u8]) -> usize {
        let Some((from, bytes)) = self.memory.range(..=linear).next_back() else { return 0 };
        let Some(rest) = bytes.get((linear - from) as usize..) else { return 0 };
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        length
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

/// Rows as text: NAME(ARGUMENTS) = RESULT ERRNO STATUS, with the thread in front.
#[derive(Default)]
struct Kept(Vec<String>);

impl Rows for Kept {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        let columns = Syscalls.about().tables[table].columns;
        assert_eq!(row.len(), columns.len());
        for (value, column) in row.iter().zip(columns) {
            let suits = match column.kind {
                Kind::Moment | Kind::Address | Kind::U64 | Kind::U32 => matches!(value, Value::U(_) | Value::Null),
                Kind::I64 => matches!(value, Value::I(_) | Value::Null),
                _ => matches!(value, Value::Text(_) | Value::Null),
            };
            assert!(suits, "{}: {value:?}", column.name);
        }
        let of = |name: &str| row[columns.iter().position(|c| c.name == name).unwrap()];
        let text = |name: &str| match of(name) {
            Value::Text(text) => text.to_owned(),
            Value::U(number) => number.to_string(),
            Value::I(number) => number.to_string(),
            _ => "-".to_owned(),
        };
        self.0.push(format!(
            "{} {}({}) = {} {} {} {}",
            text("tid"),
            text("name"),
            text("arguments"),
            text("result"),
            text("errno"),
            text("status"),
            text("path")
        ));
    }
}

/// What happens, each with the machine as it stands then.
#[derive(Default)]
struct Story {
    mock: Mock,
    events: Vec<(Event<'static>, Mock)>,
}

const RETURN_TO: u64 = 0x40_1000;

impl Story {
    fn thread(&mut self, tid: u32) -> &mut Story {
        let key = TaskKey { at: 0xffff_8880_0000_0000 + u64::from(tid) * 0x1000, tid, start_ns: 1 };
        self.mock.task = Some(Task { key, pid: 1, comm: Comm(*b"program\0\0\0\0\0\0\0\0\0") });
        self
    }
    fn memory(&mut self, at: u64, bytes: &[u8]) -> &mut Story {
        self.mock.memory.insert(at, bytes.to_vec());
        self
    }
    fn happens(&mut self, event: Event<'static>) -> &mut Story {
        self.mock.moment += 100;
        self.events.push((event, self.mock.clone()));
        self
    }
    fn enters(&mut self, number: u32, given: &[u64]) -> &mut Story {
        let mut arguments = [0; 6];
        arguments[..given.len()].copy_from_slice(given);
        self.mock.frame = Some(SyscallFrame { number: number.into(), rax: 0, arguments, rip: RETURN_TO, rsp: 0 });
        self.happens(Event::Syscall { abi: Abi::X86_64, number, arguments, return_to: RETURN_TO })
    }
    fn in_kernel(&mut self, index: usize, rax: i64) -> &mut Story {
        self.mock.frame.as_mut().unwrap().rax = rax as u64;
        self.happens(Event::Function { index })
    }
    fn goes_on(&mut self, rax: i64, rip: u64) -> &mut Story {
        self.mock.frame.as_mut().unwrap().rax = rax as u64;
        self.mock.registers.general[0] = rax as u64;
        self.mock.registers.rip = rip;
        self.happens(Event::UserReturn)
    }
    fn returns(&mut self, rax: i64) -> &mut Story {
        self.goes_on(rax, RETURN_TO)
    }
    /// The rows, with slices of so many events.
    fn told(&self, slice: usize) -> Vec<String> {
        let mut join = Syscalls.start();
        let mut kept = Kept::default();
        for events in self.events.chunks(slice) {
            let mut notes = Vec::new();
            let mut state = Syscalls.begin(&events[0].1);
            for (event, mock) in events {
                let mut none = Kept::default();
                Syscalls.see(&mut state, event, mock, &mut Out { notes: &mut notes, rows: &mut none });
                assert!(none.0.is_empty(), "rows are made where notes are joined");
            }
            notes.into_iter().for_each(|note| Syscalls.join(&mut join, note, &mut kept));
        }
        Syscalls.end(join, self.mock.moment, &mut kept);
        kept.0
    }
    #[track_caller]
    fn tells(&self, rows: &[&str]) {
        for slice in [usize::MAX, 1, 2, 3] {
            assert_eq!(self.told(slice), rows, "in slices of {slice} events");
        }
    }
}

const AT_FDCWD: u64 = -100_i64 as u64;

#[test]
fn a_call_is_one_row_with_what_it_took_and_what_it_filled() {
    let mut story = Story::default();
    story.thread(7).memory(0x1000, b"/etc/passwd\0");
    story.enters(257, &[AT_FDCWD, 0x1000, 0o2_000_000, 0]).returns(3);
    story.enters(0, &[3, 0x2000, 64]).memory(0x2000, b"root:x\n").returns(7);
    story.enters(262, &[AT_FDCWD, 0x1000, 0x3000, 0x100]).returns(-2);
    story.enters(22, &[0x4000]).memory(0x4000, &[3, 0, 0, 0, 4, 0, 0, 0]).returns(0);
    story.tells(&[
        r#"7 openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3 - returned /etc/passwd"#,
        r#"7 read(3, "root:x\n", 64) = 7 - returned -"#,
        r#"7 newfstatat(AT_FDCWD, "/etc/passwd", 0x3000, AT_SYMLINK_NOFOLLOW) = -2 ENOENT returned /etc/passwd"#,
        "7 pipe([3, 4]) = 0 - returned -",
    ]);
}

#[test]
fn a_text_that_was_not_mapped_at_the_entry_is_read_at_the_return() {
    let mut story = Story::default();
    story.thread(7).enters(87, &[0x1000]).memory(0x1000, b"/tmp/x\0").returns(0);
    story.enters(1, &[1, 0x5000, 40]).memory(0x5000, &[b'a'; 40]).returns(40);
    story.enters(1, &[1, 0x9_0000, 4]).returns(-14);
    story.tells(&[
        r#"7 unlink("/tmp/x") = 0 - returned /tmp/x"#,
        &format!(r#"7 write(1, "{}"..., 40) = 40 - returned -"#, "a".repeat(32)),
        "7 write(1, 0x90000, 4) = -14 EFAULT returned -",
    ]);
}

#[test]
fn threads_do_not_mix() {
    let mut story = Story::default();
    story.thread(7).enters(34, &[]).thread(8).enters(39, &[]).returns(1).enters(186, &[]);
    story.thread(7).happens(Event::UserReturn).thread(8).returns(8);
    let rows = story.told(1);
    assert_eq!(rows.len(), 3);
    assert!(rows[0].starts_with("8 getpid() = 1") && rows[2].starts_with("8 gettid() = 8"), "{rows:?}");
}

#[test]
fn a_call_that_a_signal_ends_keeps_its_own_result() {
    let mut story = Story::default();
    // A handler runs: RAX is the handler's, and its look at signals comes again.
    story.thread(7).enters(34, &[]).in_kernel(SIGNAL, -514).in_kernel(SIGNAL, 0).goes_on(0, 0x40_2000);
    story.enters(15, &[]);
    story.mock.frame.as_mut().unwrap().number = -1;
    story.goes_on(-4, RETURN_TO);
    // Nobody handles it: the call is made again.
    story.enters(0, &[0, 0x2000, 1]).in_kernel(SIGNAL, -512).goes_on(0, RETURN_TO - 2);
    story.enters(0, &[0, 0x2000, 1]).memory(0x2000, b"z").in_kernel(SIGNAL, 1).returns(1);
    // No look was seen.
    story.enters(34, &[]).goes_on(0, 0x40_2000);
    story.tells(&[
        "7 pause() = -514 ERESTARTNOHAND interrupted -",
        "7 rt_sigreturn() = -4 EINTR returned -",
        "7 read(0, 0x2000, 1) = -512 ERESTARTSYS restarted -",
        r#"7 read(0, "z", 1) = 1 - returned -"#,
        "7 pause() = - - interrupted -",
    ]);
}

#[test]
fn a_call_that_never_returns_says_why() {
    let mut story = Story::default();
    story.thread(7).enters(34, &[]).thread(8).enters(231, &[3]).in_kernel(EXIT, 0);
    story.thread(9).enters(39, &[]).enters(39, &[]).returns(9);
    story.mock.task = None;
    story.enters(39, &[]);
    story.tells(&[
        "8 exit_group(3) = - - no return -",
        "9 getpid() = - - unmatched: its thread made another call without a return -",
        "9 getpid() = 9 - returned -",
        "- getpid() = - - unmatched: the thread could not be told -",
        "7 pause() = - - running -",
    ]);
}

#[test]
fn execve_is_read_before_its_program_is_gone() {
    let mut list = Vec::new();
    [0x1100_u64, 0x1200, 0].iter().for_each(|p| list.extend_from_slice(&p.to_le_bytes()));
    let mut story = Story::default();
    story.thread(7).enters(59, &[0x1000, 0x1300, 0x1400]);
    story.memory(0x1000, b"/bin/true\0").memory(0x1100, b"true\0").memory(0x1200, b"a b\0");
    story.memory(0x1300, &list).memory(0x1400, &list).in_kernel(EXEC, -38);
    story.mock.memory.clear();
    // The last thread but the first takes the number of the first: same task_struct, other key.
    story.mock.task.as_mut().unwrap().key.tid = 6;
    story.goes_on(0, 0x40_5000);
    story.tells(&[r#"7 execve("/bin/true", ["true", "a b"], 0x1400 /* 2 vars */) = 0 - returned /bin/true"#]);
}

#[test]
fn i386_and_unknown_calls_have_names_and_registers() {
    let mut story = Story::default();
    story.thread(7);
    let arguments = [1, 0x1000, 4, 0, 0, 0];
    story.mock.frame = Some(SyscallFrame { number: 4, rax: 0, arguments, rip: RETURN_TO, rsp: 0 });
    story.happens(Event::Syscall { abi: Abi::I386, number: 4, arguments, return_to: RETURN_TO });
    story.returns(0xffff_fff7);
    story.enters(999, &[1]).returns(-38);
    story.tells(&[
        "7 write(0x1, 0x1000, 0x4, 0, 0, 0) = -9 EBADF returned -",
        "7 syscall_999(0x1, 0, 0, 0, 0, 0) = -38 ENOSYS returned -",
    ]);
}

/// Nothing that a program can put into its registers or memory does harm.
#[test]
fn hostile_arguments_are_bounded() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut story = Story::default();
    let junk: Vec<u8> = (0..0x4000).map(|_| if next() % 3 == 0 { 0 } else { next() as u8 }).collect();
    let all_set = vec![0xff; 0x4000];
    story.thread(7).memory(0x1_0000, &junk).memory(0x2_0000, &all_set);
    for number in (0..470).chain([u32::MAX]) {
        for round in 0..12 {
            let arguments: [u64; 6] = std::array::from_fn(|_| match next() % 5 {
                0 => next(),
                1 => next() % 40,
                2 => u64::MAX - next() % 4096,
                _ => 0x1_0000 + next() % 0x1_4000,
            });
            story.enters(number, &arguments).returns([0, 5, i64::MAX, -14][round % 4]);
        }
    }
    let rows = story.told(usize::MAX);
    assert_eq!(rows.len(), 471 * 12);
    assert!(rows.iter().all(|r| r.len() < 100_000));
}
