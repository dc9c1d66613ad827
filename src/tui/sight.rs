//! What the panes show of the machine at one Position, read in one go on the session's thread, as plain data.
//!
//! A [`Wish`] says what is wanted; nothing is read that no pane shows. What cannot be told is a sentence in its place.

use super::backtrace::{self, Backtrace};
use super::names::Names;
use crate::guest::{Current, Descriptor, Mapping, Task, View};
use crate::session::{Error, Line, Memory, Moments, Registers, Seat};

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Code around this address; `None` is the next instruction.
    pub code: Option<u64>,
    /// Instructions before and after it.
    pub code_lines: (usize, usize),
    /// Whose memory.
    pub memory: Memory,
    /// From this address on; `None` is the stack pointer.
    pub memory_from: Option<u64>,
    /// Bytes of it.
    pub memory_len: usize,
    /// Words of the stack, of eight bytes.
    pub stack_words: usize,
    /// The process for maps and descriptors; `None` is the one that runs.
    pub pid: Option<u32>,
    /// The process tree is shown.
    pub processes: bool,
    /// The process's map is shown.
    pub maps: bool,
    /// Its descriptors are shown.
    pub descriptors: bool,
}

/// A sentence that stands in the place of what cannot be told.
pub type Told<T> = Result<T, String>;

/// An instruction and the names of what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLine {
    /// The instruction.
    pub line: Line,
    /// The function that begins here.
    pub label: Option<String>,
    /// The name of the address that it names.
    pub target: Option<String>,
}

/// A stretch of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The first address.
    pub from: u64,
    /// What is there; `None` where nothing is mapped.
    pub bytes: Vec<Option<u8>>,
}

impl Bytes {
    /// The byte at an address: outside of what was read `None`, unmapped `Some(None)`.
    pub fn at(&self, address: u64) -> Option<Option<u8>> {
        let offset = usize::try_from(address.checked_sub(self.from)?).ok()?;
        self.bytes.get(offset).copied()
    }
}

/// A word on the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackWord {
    /// Where it is.
    pub address: u64,
    /// What it is; `None` where nothing is mapped.
    pub value: Option<u64>,
    /// What that names.
    pub name: Option<String>,
}

/// A process in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Ancestors above it.
    pub depth: usize,
    /// Its number.
    pub pid: u32,
    /// R, S, Z and so on; ? if unknown.
    pub state: char,
    /// Whose rights it has.
    pub uid: Option<u32>,
    /// How many threads.
    pub threads: Option<usize>,
    /// Name and arguments; a name in brackets is a kernel thread.
    pub what: String,
    /// Its page table, if it has one of its own.
    pub root: Option<u64>,
    /// It runs now.
    pub is_current: bool,
}

/// Everything that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Where and when.
    pub moments: Moments,
    /// The processor.
    pub registers: Registers,
    /// The address space: CR3 without flag bits.
    pub root: u64,
    /// Who runs.
    pub current: Told<Current>,
    /// Name of the next instruction's place.
    pub place: Option<String>,
    /// Code, in order of addresses.
    pub code: Told<Vec<CodeLine>>,
    /// Whose memory `bytes` is.
    pub memory: Memory,
    /// Memory.
    pub bytes: Bytes,
    /// What the memory's first address is called.
    pub memory_name: Option<String>,
    /// The stack from its pointer on.
    pub stack: Vec<StackWord>,
    /// Who called whom.
    pub backtrace: Backtrace,
    /// The process tree, if wished for.
    pub processes: Option<Told<Vec<Process>>>,
    /// The process's name and map, if wished for.
    pub maps: Option<Told<Vec<Mapping>>>,
    /// The process's descriptors, if wished for.
    pub descriptors: Option<Told<Vec<Descriptor>>>,
}

impl Sight {
    /// Reads what is wished for.
    ///
    /// # Errors
    /// Only when the session has ended: what cannot be read is told in its place.
    pub fn take(seat: &mut Seat, wish: &Wish) -> Result<Sight, Error> {
        let registers = seat.registers();
        let names = Names::of(seat);
        let code = code(seat, &names, wish);
        let from = wish.memory_from.unwrap_or(registers.general[4] & !0xf);
        let bytes = bytes(seat, wish.memory, from, wish.memory_len);
        let stack = stack(seat, &names, &registers, wish.stack_words);
        Ok(Sight {
            moments: seat.moments(),
            root: seat.root(),
            current: seat.current().map_err(|why| why.to_string()),
            place: names.of_address(seat, registers.linear_rip()),
            code,
            memory: wish.memory,
            memory_name: if wish.memory == Memory::Physical { None } else { names.of_address(seat, from) },
            bytes,
            backtrace: backtrace::of(seat, &names, &registers),
            stack,
            processes: wish.processes.then(|| processes(seat)),
            maps: wish.maps.then(|| of_process(seat, wish.pid, |task| task.memory()?.map())),
            descriptors: wish.descriptors.then(|| of_process(seat, wish.pid, |task| task.descriptors())),
            registers,
        })
    }
}

fn code(seat: &mut Seat, names: &Names, wish: &Wish) -> Told<Vec<CodeLine>> {
    let at = wish.code.unwrap_or(seat.linear_rip());
    let bits = seat.mode().bits();
    let (before, after) = wish.code_lines;
    let entry = names.entry(seat, at);
    let mut lines = seat.disassemble_before(at, before, bits, entry);
    lines.extend(seat.disassemble(at, after.max(1), bits, None).map_err(|e| e.to_string())?);
    let mut named = |line: Line| CodeLine {
        label: names.exactly(seat, line.address),
        target: line.target.and_then(|target| names.of_address(seat, target)),
        line,
    };
    Ok(lines.into_iter().map(&mut named).collect())
}

/// Bytes of a page.
const PAGE: u64 = 4096;

fn bytes(seat: &Seat, memory: Memory, from: u64, len: usize) -> Bytes {
    let len = len.min(usize::try_from(u64::MAX - from).unwrap_or(usize::MAX).saturating_add(1));
    let mut bytes: Vec<Option<u8>> = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = from + bytes.len() as u64;
        let in_page = ((PAGE - at % PAGE) as usize).min(len - bytes.len());
        match seat.read(memory, at, in_page) {
            Ok(read) => bytes.extend(read.into_iter().map(Some)),
            Err(_) => bytes.extend(std::iter::repeat_n(None, in_page)),
        }
    }
    Bytes { from, bytes }
}

fn stack(seat: &mut Seat, names: &Names, registers: &Registers, words: usize) -> Vec<StackWord> {
    let from = registers.general[4];
    let read = bytes(seat, Memory::Current, from, words * 8);
    let word = |bytes: &[Option<u8>]| {
        let mut value = 0;
        for (i, byte) in bytes.iter().enumerate() {
            value |= u64::from((*byte)?) << (8 * i);
        }
        Some(value)
    };
    let chunks = read.bytes.chunks_exact(8).enumerate();
    chunks
        .map(|(i, bytes)| {
            let value = word(bytes);
            StackWord {
                address: from + 8 * i as u64,
                value,
                name: value.and_then(|value| names.of_address(seat, value)),
            }
        })
        .collect()
}

fn processes(seat: &mut Seat) -> Told<Vec<Process>> {
    let read = |view: &View| {
        let current = view.current_task().and_then(Task::leader).map(Task::address).ok();
        let tree = view.process_tree()?;
        Ok(tree.into_iter().map(|branch| process(branch.depth, branch.task, current)).collect())
    };
    seat.guest(read).map_err(|why| why.to_string())
}

fn process(depth: usize, task: Task, current: Option<u64>) -> Process {
    let comm = task.comm().unwrap_or_else(|_| "?".to_owned());
    let memory = task.memory();
    let arguments = memory.as_ref().ok().and_then(|m| m.argv().ok()).filter(|all| !all.is_empty());
    let what = match (task.is_kernel_thread(), arguments) {
        (Ok(true), _) => format!("[{comm}]"),
        (_, Some(arguments)) => format!("{comm}  {}", arguments.join(" ")),
        (_, None) => comm,
    };
    Process {
        depth,
        pid: task.pid().unwrap_or(0),
        state: task.state().map_or('?', |s| s.letter()),
        uid: task.credentials().ok().map(|c| c.uid),
        threads: task.threads().ok().map(|t| t.len()),
        what,
        root: memory.and_then(|m| m.root()).ok().map(|root| root.0),
        is_current: current == Some(task.address()),
    }
}

/// Asks a process: the one of a number, or the one that runs.
fn of_process<T>(seat: &mut Seat, pid: Option<u32>, ask: impl FnOnce(Task) -> crate::guest::Known<T>) -> Told<T> {
    let mut missing = None;
    let found = seat.guest(|view| {
        let Some(pid) = pid else { return ask(view.current_task()?).map(Some) };
        let all = view.processes()?;
        let Some(task) = all.into_iter().find(|task| task.pid() == Ok(pid)) else {
            missing = Some(pid);
            return Ok(None);
        };
        ask(task).map(Some)
    });
    match found {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("process {} is not there at this Moment", missing.unwrap_or(0))),
        Err(why) => Err(why.to_string()),
    }
}
