//! A fixed world: what a session would tell of one Position, and tables that are made up as they are read.

use super::super::backtrace::{Backtrace, Frame, How};
use super::super::console::Console;
use super::super::filter::accepts;
use super::super::lanes::{Lane, Stretch};
use super::super::model::Model;
use super::super::rows::{self, Cell, Column, Page, Question, Rows, Source, TableInfo};
use super::super::sight::{Bytes, CodeLine, Process, Sight, StackWord};
use super::super::update::{Effect, Msg, update};
use super::super::work::{Answer, Request, Trouble};
use crate::guest::{Current, Descriptor, Kind, Mapping, Root};
use crate::moment::Moment;
use crate::session::{
    Appearance, Line, Mark, Memory, Mode, Moments, Output, Position, Registers, Segment, X87Registers,
};
use std::ops::Range;
use std::sync::Arc;

pub const END: u64 = 2_000_000_000;
const RIP: u64 = 0xffff_ffff_8120_1040;
const RSP: u64 = 0xffff_c900_0000_3e00;

pub fn at(moment: u64) -> Position {
    Position { moment: Moment(moment), deliveries: 0 }
}

fn registers(moment: u64) -> Registers {
    let mut general: [u64; 16] = std::array::from_fn(|i| 0x1111_1111 * i as u64);
    general[0] = moment;
    general[4] = RSP;
    Registers {
        general,
        rip: RIP,
        rflags: 0x246,
        segments: [Segment::default(); 6],
        ldtr: Segment::default(),
        tr: Segment::default(),
        gdtr: (0xffff_fe00_0000_1000, 0x7f),
        idtr: (0xffff_fe00_0000_0000, 0xfff),
        cr0: 0x8005_0033,
        cr2: 0x7fff_1234,
        cr3: 0x0000_0000_0123_4000,
        cr4: 0x31_0eb0,
        cr8: 0,
        efer: 0xd01,
        kernel_gs_base: 0,
        debug: [0; 6],
        xmm: [0; 16],
        mxcsr: 0x1f80,
        x87: X87Registers::default(),
        msrs: Vec::new(),
        cpl: 0,
        is_halted: false,
        mode: Mode::Long,
    }
}

fn code() -> Vec<CodeLine> {
    let lines: [(u64, &[u8], &str, Option<u64>); 9] = [
        (0x00, &[0x55], "push %rbp", None),
        (0x01, &[0x48, 0x89, 0xe5], "mov %rsp,%rbp", None),
        (0x04, &[0xe8, 0x37, 0x01, 0, 0], "call 0xffffffff81201140", Some(0x140)),
        (0x09, &[0x85, 0xc0], "test %eax,%eax", None),
        (0x0b, &[0x74, 0x33], "je 0xffffffff81201040", Some(0x40)),
        (0x40, &[0x48, 0x8b, 0x47, 0x10], "mov 0x10(%rdi),%rax", None),
        (0x44, &[0x48, 0x89, 0x06], "mov %rax,(%rsi)", None),
        (0x47, &[0x5d], "pop %rbp", None),
        (0x48, &[0xc3], "ret", None),
    ];
    let base = RIP - 0x40;
    let line = |(offset, bytes, text, target): (u64, &[u8], &str, Option<u64>)| CodeLine {
        line: Line {
            address: base + offset,
            bytes: bytes.to_vec(),
            text: text.into(),
            target: target.map(|t| base + t),
        },
        label: (offset == 0).then(|| "vfs_write".to_owned()),
        target: target.map(|t| if t == 0x140 { "rw_verify_area".to_owned() } else { format!("vfs_write+{t:#x}") }),
    };
    lines.map(line).into()
}

fn process(depth: usize, pid: u32, what: &str, is_current: bool) -> Process {
    let is_kernel = what.starts_with('[');
    Process {
        depth,
        pid,
        state: if is_current { 'R' } else { 'S' },
        uid: Some(0),
        threads: Some(1),
        what: what.to_owned(),
        root: (!is_kernel).then_some(u64::from(pid) << 12),
        is_current,
    }
}

fn mapping(start: u64, end: u64, flags: u64, name: &str) -> Mapping {
    Mapping { start, end, flags, file: None, name: Some(name.to_owned()) }
}

/// What is seen at a Moment.
pub fn sight(moment: u64) -> Sight {
    let registers = registers(moment);
    let from = RSP - 0x100;
    let bytes = (0..0x400u64).map(|i| (i < 0x300).then_some((i ^ (moment / 1000 % 7)) as u8)).collect();
    let names = ["ksys_write+0x6b", "do_syscall_64+0x3c", "entry_SYSCALL_64_after_hwframe+0x6e"];
    let frame = |address: u64, name: &str| Frame { address, name: Some(name.to_owned()) };
    let frames = std::iter::once(frame(RIP, "vfs_write+0x40"));
    let callers = names.iter().enumerate().map(|(i, name)| frame(0xffff_ffff_8130_0000 + 0x1000 * i as u64, name));
    let descriptor = |number, kind, path: &str| Descriptor {
        number,
        at: 0,
        kind,
        path: Ok(path.to_owned()),
        position: 512,
        flags: 2,
        inode: 9,
        mode: 0o100_644,
    };
    let word = |i: u64| StackWord {
        address: RSP + 8 * i,
        value: (i < 20).then_some(0x10 * i),
        name: (i == 3).then(|| "ksys_write+0x6b".to_owned()),
    };
    Sight {
        moments: Moments {
            position: at(moment),
            end: Moment(END),
            guest_ns: moment,
            guest_date_ns: 1_767_225_600_000_000_000 + moment,
            recorded_ns: 1_767_225_600_000_000_000,
        },
        root: registers.cr3,
        current: Ok(Current { tid: 42, pid: 42, comm: "cat".into(), root: Some(Root(0x123_4000)) }),
        place: Some("vfs_write+0x40".into()),
        code: Ok(code()),
        memory: Memory::Current,
        bytes: Bytes { from, bytes },
        memory_name: None,
        stack: (0..24).map(word).collect(),
        backtrace: Backtrace { how: How::Guess, frames: frames.chain(callers).collect() },
        processes: Some(Ok(vec![
            process(0, 1, "init  /sbin/init", false),
            process(1, 42, "cat  cat /etc/passwd", true),
            process(0, 2, "[kthreadd]", false),
            process(1, 3, "[rcu_gp]", false),
        ])),
        maps: Some(Ok(vec![
            mapping(0x40_0000, 0x60_0000, 5, "[anon:code]"),
            mapping(0x7ff0_0000_0000, 0x7ff0_0002_1000, 3, "[stack]"),
        ])),
        descriptors: Some(Ok(vec![
            descriptor(0, Kind::Character { major: 4, minor: 64 }, "/dev/ttyS0"),
            descriptor(3, Kind::Regular, "/etc/passwd"),
        ])),
        registers,
    }
}

fn outputs() -> Vec<Output> {
    let lines = ["Linux version 6.1.0\r\n", "Run /sbin/init as init process\r\n", "root:x:0:0:root:/root:/bin/sh\r\n"];
    let output = |(i, text): (usize, &str)| Output {
        at: Moment(400_000_000 * (i as u64 + 1)),
        port: 0,
        bytes: text.as_bytes().to_vec(),
    };
    lines.into_iter().enumerate().map(output).collect()
}

fn found() -> Vec<Appearance> {
    let one = |i: u64| Appearance {
        moment: Moment(100_000 * i),
        physical: 0x20_0000 + 0x1000 * i,
        linear: (i > 0).then_some(0x7fff_0000 + i),
        bytes: b"secret".to_vec(),
        rip: (i > 0).then_some(RIP),
        symbol: (i > 1).then(|| "rep_movs_alternative+0x4a".to_owned()),
        task: (i > 0).then(|| Current { tid: 42, pid: 42, comm: "cat".into(), root: None }),
    };
    (0..4).map(one).collect()
}

/// Tables that are made up as they are read.
pub struct Made;

/// Rows of the table of system calls: far more than there is memory for.
pub const ROWS: u64 = 50_000_000;

fn columns() -> Vec<Column> {
    let column = |name: &str, is_number| Column { name: name.to_owned(), about: String::new(), is_number };
    vec![
        column("moment", true),
        column("comm", false),
        column("name", false),
        column("ret", true),
        column("path", false),
    ]
}

fn row(number: u64) -> Vec<Cell> {
    let names = ["read", "write", "openat", "close"];
    vec![
        Cell::U(number * 40),
        Cell::Text(if number.is_multiple_of(3) { "cat".into() } else { "sh".into() }),
        Cell::Text(names[(number % 4) as usize].into()),
        Cell::I(if number % 4 == 2 { -2 } else { (number % 512) as i64 }),
        if number % 4 == 2 { Cell::Text(format!("/tmp/file{}", number % 100)) } else { Cell::Null },
    ]
}

impl Rows for Made {
    fn tables(&self) -> Result<Vec<TableInfo>, String> {
        let table = |name: &str, about: &str, rows| TableInfo {
            name: name.to_owned(),
            about: about.to_owned(),
            columns: columns(),
            rows,
        };
        Ok(vec![table("syscalls", "A system call", ROWS), table("processes", "A process", 12)])
    }

    fn page(&self, question: &Question) -> Result<Page, String> {
        let Range { start, end } = question.rows.clone();
        let all = match &question.source {
            Source::Table(name) if name == "syscalls" => ROWS,
            Source::Table(_) => 12,
            Source::Sql(sql) => return Err(format!("there is no table in {sql:?}")),
        };
        let wanted = if question.conditions.is_empty() {
            (start..end.min(all)).map(row).collect()
        } else {
            let fits = |row: &Vec<Cell>| accepts(&question.conditions, &columns(), row);
            (0..1000).map(row).filter(fits).skip(start as usize).take((end - start) as usize).collect()
        };
        Ok(Page { columns: columns(), first: start, rows: wanted })
    }

    fn count(&self, question: &Question) -> Result<u64, String> {
        let fits = |row: &Vec<Cell>| accepts(&question.conditions, &columns(), row);
        Ok((0..1000).map(row).filter(fits).count() as u64)
    }

    fn lanes(&self, stretch: Stretch) -> Result<Vec<Lane>, String> {
        let lane = |(i, name): (usize, &'static str)| Lane {
            name,
            counts: (0..stretch.columns as u64).map(|c| (c * (i as u64 + 3)) % 50).collect(),
        };
        Ok(rows::LANES.into_iter().enumerate().map(lane).collect())
    }
}

/// A model in the fixed world, which answers what it asks.
pub struct World {
    pub model: Model,
    /// What was asked of the session, the first sight and mere looks left out.
    pub asked: Vec<Request>,
    /// What was put into the clipboard.
    pub copied: Vec<String>,
    /// How often something was cancelled.
    pub cancelled: usize,
    /// Requests to go somewhere stay without an answer.
    pub is_slow: bool,
    /// Where the next one arrives.
    pub arrives: u64,
}

pub const START: u64 = 1_234_567_890;

impl World {
    pub fn new(size: (u16, u16)) -> World {
        let mut model = Model::new("case.reen".into(), size);
        let effects = model.open(None);
        let mut world =
            World { model, asked: Vec::new(), copied: Vec::new(), cancelled: 0, is_slow: false, arrives: START };
        world.perform(effects);
        world.asked.clear();
        world
    }

    pub fn tell(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(asked) => {
                    if asked.request != Request::Look {
                        self.asked.push(asked.request.clone());
                    }
                    if !(self.is_slow && matches!(asked.request, Request::Go(_))) {
                        self.answer(asked.generation, &asked.request);
                    }
                }
                Effect::Rows(number, ask) => self.tell(Msg::Rows(number, rows::answer(&Made, &ask))),
                Effect::Cancel => self.cancelled += 1,
                Effect::Yank(text) => self.copied.push(text),
            }
        }
    }

    fn answer(&mut self, generation: u64, request: &Request) {
        let now = self.model.now().0.max(START);
        let mark = |name: &str, moment, note: &str| Mark { name: name.into(), position: at(moment), note: note.into() };
        let answer = match request {
            Request::Open => Answer::Opened {
                console: Arc::new(Console::of(&outputs())),
                marks: vec![mark("start", 500_000_000, ""), mark("crash", 1_900_000_000, "jumps to 0")],
                notes: Vec::new(),
                sight: Box::new(sight(START)),
            },
            Request::Go(_) => Answer::Moved { sight: Box::new(sight(self.arrives)), said: None },
            Request::Look => Answer::Looked(Box::new(sight(now))),
            Request::Mark { name, note } => Answer::Marks(vec![mark(name, now, note)]),
            Request::Unmark(_) => Answer::Marks(Vec::new()),
            Request::Find(sought) => Answer::Found { sought: sought.clone(), found: found() },
            Request::MakeTables => Answer::TablesMade(Vec::new()),
            Request::Resolve(_) => Answer::Address(RIP - 0x40),
            Request::Lanes(stretch, watched) => Answer::Lanes(
                *stretch,
                watched.iter().map(|_| Lane { name: "writes", counts: vec![1; stretch.columns] }).collect(),
            ),
        };
        self.tell(Msg::Answer(generation, Ok(answer)));
    }

    /// The request that runs ends like this.
    pub fn end(&mut self, outcome: Result<Answer, Trouble>) {
        let (asked, _) = self.model.work.current.clone().expect("one runs");
        self.tell(Msg::Answer(asked.generation, outcome));
    }

    /// Presses keys, called as the table calls them and separated by spaces.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.tell(Msg::Key(super::steps::key(key)));
        }
    }

    /// Types a line and Enter.
    pub fn enter(&mut self, text: &str) {
        for c in text.chars() {
            self.tell(Msg::Key(super::steps::key(&c.to_string())));
        }
        self.press("enter");
    }
}
