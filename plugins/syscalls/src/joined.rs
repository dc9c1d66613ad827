//! Entries and returns of the same thread find each other; a row is made of each pair.
//!
//! A thread that is in a call cannot run its program, so its next return to CPL 3 ends the call, whatever made the kernel
//! return. What is kept is one call for each thread that is in one.

use crate::calls::{call, name};
use crate::names::{hex, set};
use crate::render::{self, Made};
use reenact_plugin::{Abi, Rows, Task, TaskKey, Value};
use std::collections::BTreeMap;

/// What was seen.
pub enum Note {
    /// A call was made.
    Entry(Entry),
    /// A thread goes back to its program.
    Return(Back),
    /// A call is over, and signals are looked at before its thread goes back.
    Signal(Back),
    /// execve(2) leaves the old program.
    Exec(Back),
    /// A thread ends.
    Exit {
        /// When.
        moment: u64,
        /// Which.
        task: TaskKey,
    },
}

/// A call was made.
pub struct Entry {
    /// When.
    pub moment: u64,
    /// Guest time then.
    pub time_ns: u64,
    /// By whom.
    pub task: Option<Task>,
    /// By which table.
    pub abi: Abi,
    /// Which.
    pub number: u32,
    /// With what.
    pub arguments: [u64; 6],
    /// Where the program goes on.
    pub return_to: u64,
    /// What was read of its memory.
    pub read: Box<[u8]>,
}

/// A call comes back, or something else of a thread.
pub struct Back {
    /// When.
    pub moment: u64,
    /// Whose.
    pub task: TaskKey,
    /// The number in the frame; below 0 where it is no call (any more).
    pub number: i64,
    /// What is in RAX.
    pub rax: u64,
    /// Where the program goes on.
    pub rip: u64,
    /// What was read of its memory.
    pub read: Box<[u8]>,
}

struct Pending {
    entry: Entry,
    /// What it gave, where signals were looked at before the thread went back.
    signal: Option<Back>,
    /// What execve took.
    exec: Option<Box<[u8]>>,
}

/// How a call ended.
struct End<'a> {
    status: &'a str,
    moment: Option<u64>,
    result: Option<i64>,
    back: &'a [u8],
}

/// The calls that threads are in.
#[derive(Default)]
pub struct Joined {
    pending: BTreeMap<TaskKey, Pending>,
    text: String,
}

impl Joined {
    /// Takes a note in.
    pub fn note(&mut self, note: Note, rows: &mut dyn Rows) {
        match note {
            Note::Entry(entry) => self.entry(entry, rows),
            Note::Return(back) => self.returned(&back, rows),
            Note::Signal(back) => {
                // Only the first look: behind it the frame may be a handler's.
                if let Some(pending) = self.pending.get_mut(&back.task).filter(|p| p.signal.is_none()) {
                    pending.signal = Some(back);
                }
            }
            Note::Exec(back) => {
                if let Some(pending) = self.pending.get_mut(&back.task) {
                    pending.exec = Some(back.read);
                }
            }
            Note::Exit { moment, task } => {
                if let Some(pending) = self.pending.remove(&task) {
                    let back = pending.signal.as_ref().map_or(&[][..], |signal| &signal.read);
                    let end = End { status: "no return", moment: Some(moment), result: None, back };
                    push(&mut self.text, &pending.entry, &end, rows);
                }
            }
        }
    }

    /// The recording ends.
    pub fn end(mut self, rows: &mut dyn Rows) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            let end = End { status: "running", moment: None, result: None, back: &[] };
            push(&mut self.text, &pending.entry, &end, rows);
        }
    }

    fn entry(&mut self, entry: Entry, rows: &mut dyn Rows) {
        let Some(task) = entry.task else {
            let end = End { status: "unmatched: the thread could not be told", moment: None, result: None, back: &[] };
            return push(&mut self.text, &entry, &end, rows);
        };
        let pending = Pending { entry, signal: None, exec: None };
        if let Some(lost) = self.pending.insert(task.key, pending) {
            let status = "unmatched: its thread made another call without a return";
            let end = End { status, moment: None, result: None, back: &[] };
            push(&mut self.text, &lost.entry, &end, rows);
        }
    }

    fn returned(&mut self, back: &Back, rows: &mut dyn Rows) {
        let Some(pending) = self.pending.remove(&back.task).or_else(|| self.renamed(back)) else { return };
        let (status, result) = pending.outcome(back);
        let read = match (&pending.exec, &pending.signal) {
            (Some(exec), _) => exec,
            (_, Some(signal)) => &signal.read,
            _ => &back.read,
        };
        push(&mut self.text, &pending.entry, &End { status, moment: Some(back.moment), result, back: read }, rows);
    }

    /// A thread other than the first that executes a program takes the number of the first.
    fn renamed(&mut self, back: &Back) -> Option<Pending> {
        if !is_execution(Abi::X86_64, back.number as u32) && !is_execution(Abi::I386, back.number as u32) {
            return None;
        }
        let at = back.task.at;
        let (first, last) = (TaskKey { at, tid: 0, start_ns: 0 }, TaskKey { at, tid: u32::MAX, start_ns: u64::MAX });
        let key = *self.pending.range(first..=last).find(|(_, p)| p.exec.is_some())?.0;
        self.pending.remove(&key)
    }
}

fn is_execution(abi: Abi, number: u32) -> bool {
    match abi {
        Abi::X86_64 => matches!(number, 59 | 322),
        Abi::I386 => matches!(number, 11 | 358),
    }
}

/// Goes back to where a signal came, with the RAX of then.
fn is_signal_return(abi: Abi, number: u32) -> bool {
    match abi {
        Abi::X86_64 => number == 15,
        Abi::I386 => matches!(number, 119 | 173),
    }
}

impl Pending {
    /// How the call ended, given where its thread goes on.
    fn outcome(&self, back: &Back) -> (&'static str, Option<i64>) {
        let Entry { abi, number, return_to, .. } = self.entry;
        let rax = Some(result(abi, back.rax));
        let given = self.signal.as_ref().map(|s| result(abi, s.rax));
        if is_signal_return(abi, number) || is_execution(abi, number) && rax == Some(0) {
            return ("returned", rax);
        }
        match back.rip {
            rip if rip == return_to => ("returned", given.or(rax)),
            // Back to the SYSCALL or INT instruction.
            rip if rip == return_to.wrapping_sub(2) => ("restarted", given),
            // SYSENTER goes on where the kernel's page for programs says.
            _ if abi == Abi::I386 && given.is_none() => ("returned", rax),
            _ => ("interrupted", given),
        }
    }
}

/// A result; 32 bits of it for i386.
fn result(abi: Abi, rax: u64) -> i64 {
    match abi {
        Abi::X86_64 => rax as i64,
        Abi::I386 => (rax as i32).into(),
    }
}

fn push(text: &mut String, entry: &Entry, end: &End<'_>, rows: &mut dyn Rows) {
    let known = call(entry.number).filter(|_| entry.abi == Abi::X86_64);
    let result = end.result;
    text.clear();
    let mut path = None;
    match known {
        Some(call) => {
            let made = Made { call, arguments: &entry.arguments, result, entry: &entry.read, back: end.back };
            render::arguments(&made, text);
            path = render::path(&made).map(|p| String::from_utf8_lossy(p).into_owned());
        }
        None => registers(&entry.arguments, text),
    }
    let unnamed;
    let name = match name(entry.abi, entry.number) {
        Some(name) => name,
        None => {
            unnamed = format!("syscall_{}", entry.number);
            &unnamed
        }
    };
    let task = entry.task.as_ref();
    let comm = task.map(|t| t.comm.text());
    let a = &entry.arguments;
    rows.push(
        0,
        &[
            Value::U(entry.moment),
            Value::U(entry.time_ns),
            task.map(|t| t.pid).into(),
            task.map(|t| t.key.tid).into(),
            comm.as_deref().into(),
            Value::Text(if entry.abi == Abi::X86_64 { "x86_64" } else { "i386" }),
            entry.number.into(),
            Value::Text(name),
            Value::Text(text),
            result.into(),
            result.and_then(errno).into(),
            end.moment.into(),
            end.moment.map(|m| m.saturating_sub(entry.moment)).into(),
            Value::Text(end.status),
            path.as_deref().into(),
            Value::U(a[0]),
            Value::U(a[1]),
            Value::U(a[2]),
            Value::U(a[3]),
            Value::U(a[4]),
            Value::U(a[5]),
        ],
    );
}

/// The name of an error.
fn errno(result: i64) -> Option<&'static str> {
    if !(-4095..0).contains(&result) {
        return None;
    }
    set("errno").expect("names.txt has it").of(result.unsigned_abs())
}

fn registers(arguments: &[u64; 6], into: &mut String) {
    for (k, &argument) in arguments.iter().enumerate() {
        into.push_str(if k == 0 { "" } else { ", " });
        hex(argument, into);
    }
}
