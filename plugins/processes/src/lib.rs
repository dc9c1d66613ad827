//! Life of processes and threads: made, executing a program, ended. Each row is made where it is seen; nothing is joined.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Process, Rows, Runnable, Scene, Table,
    Task, Value, Wants, runnable,
};
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// The plugin, for the registry.
pub static PLUGIN: Processes = Processes;

const TABLE: Table = Table {
    name: "processes",
    about: "A process or thread was made, executes another program, or ends",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired then"),
        Column::new("time_ns", Kind::U64, "guest time since power-on then, in nanoseconds"),
        Column::new(
            "event",
            Kind::Name,
            "fork (a process was made), thread (a thread was made in the same process), exec (another program begins), exit (the first thread of a process ends, and with it most often the process), thread exit (another thread ends)",
        ),
        Column::new("pid", Kind::U32, "process that did it"),
        Column::new("tid", Kind::U32, "thread that did it"),
        Column::new("ppid", Kind::U32, "its parent process"),
        Column::new("comm", Kind::Name, "the thread's name; for exec the new one"),
        Column::new("path", Kind::Text, "its program, for exec the new one; null for kernel threads"),
        Column::new(
            "arguments",
            Kind::Text,
            "its arguments as a JSON list, as they stand in its memory; null where they cannot be read",
        ),
        Column::new("uid", Kind::U32, "real user"),
        Column::new("euid", Kind::U32, "effective user"),
        Column::new("gid", Kind::U32, "real group"),
        Column::new("egid", Kind::U32, "effective group"),
        Column::new(
            "is_kernel_thread",
            Kind::Bool,
            "for fork and thread: what was made has no program's memory; else: what did it",
        ),
        Column::new("exit_code", Kind::U32, "for exits: 0..=255; null where a signal ended it"),
        Column::new("signal", Kind::U32, "for exits: the signal that ended it"),
        Column::new("child_pid", Kind::U32, "for fork and thread: process of what was made"),
        Column::new("child_tid", Kind::U32, "for fork and thread: thread that was made"),
    ],
};

/// What is registered, and the analysis: it takes no arguments.
pub struct Processes;

impl Plugin for Processes {
    fn about(&self) -> About {
        About {
            name: "processes",
            version: 1,
            summary: "processes and threads: who made whom, what was executed, how it ended",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Processes))
    }
}

/// RDI is the new task; it is whole, and has not run.
const MADE: usize = 0;
/// A program's file, name, memory and credentials are in place; nothing of it has run.
const EXECUTES: usize = 1;
/// RDI is the status as wait(2) tells it.
const ENDS: usize = 2;
const FUNCTIONS: [&str; 3] = ["wake_up_new_task", "finalize_exec", "do_exit"];

/// The place of RDI among the registers.
const RDI: usize = 7;

impl Analysis for Processes {
    type Slice = ();
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        Wants { functions: FUNCTIONS.to_vec(), needs_linux: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, ()>) {
        let Event::Function { index } = *event else { return };
        let first = scene.registers().general[RDI];
        let task = scene.task();
        match index {
            MADE => made(scene, task, first, out.rows),
            EXECUTES => push(scene, &Row { event: "exec", task, ..Row::default() }, out.rows),
            ENDS => ended(scene, task, first, out.rows),
            _ => {}
        }
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

struct Made {
    is_kernel_thread: Option<bool>,
}

#[derive(Default)]
struct Row {
    event: &'static str,
    task: Option<Task>,
    child: Option<Task>,
    /// Something was made, and this is told of it, not of who made it.
    made: Option<Made>,
    exit_code: Option<u32>,
    signal: Option<u32>,
}

fn made(scene: &dyn Scene, task: Option<Task>, at: u64, rows: &mut dyn Rows) {
    let child = scene.task_at(at);
    let is_thread = child.is_some_and(|c| c.pid != c.key.tid);
    let made = Some(Made { is_kernel_thread: scene.process(at).map(|p| p.is_kernel_thread) });
    let event = if is_thread { "thread" } else { "fork" };
    push(scene, &Row { event, task, child, made, ..Row::default() }, rows);
}

fn ended(scene: &dyn Scene, task: Option<Task>, status: u64, rows: &mut dyn Rows) {
    let is_first = task.is_none_or(|t| t.pid == t.key.tid);
    let event = if is_first { "exit" } else { "thread exit" };
    let signal = Some(status as u32 & 0x7f).filter(|&s| s != 0);
    let exit_code = Some(status as u32 >> 8 & 0xff).filter(|_| signal.is_none());
    push(scene, &Row { event, task, exit_code, signal, ..Row::default() }, rows);
}

fn push(scene: &dyn Scene, row: &Row, rows: &mut dyn Rows) {
    let process = row.task.and_then(|t| scene.process(t.key.at));
    let is_kernel_thread = match &row.made {
        Some(made) => made.is_kernel_thread,
        None => process.as_ref().map(|p| p.is_kernel_thread),
    };
    let Process { ppid, exe, arguments, uid, gid, .. } = process.unwrap_or_default();
    let comm = row.task.as_ref().map(|t| t.comm.text());
    let arguments = arguments.map(|a| json(&a));
    rows.push(
        0,
        &[
            Value::U(scene.moment()),
            Value::U(scene.time_ns()),
            Value::Text(row.event),
            row.task.map(|t| t.pid).into(),
            row.task.map(|t| t.key.tid).into(),
            ppid.into(),
            comm.as_deref().into(),
            exe.as_deref().into(),
            arguments.as_deref().into(),
            uid.map(|u| u.0).into(),
            uid.map(|u| u.1).into(),
            gid.map(|g| g.0).into(),
            gid.map(|g| g.1).into(),
            is_kernel_thread.into(),
            row.exit_code.into(),
            row.signal.into(),
            row.child.map(|c| c.pid).into(),
            row.child.map(|c| c.key.tid).into(),
        ],
    );
}

/// A list of texts in JSON.
fn json(texts: &[String]) -> String {
    let mut list = String::from("[");
    for (k, text) in texts.iter().enumerate() {
        list.push_str(if k == 0 { "\"" } else { ",\"" });
        for c in text.chars() {
            match c {
                '"' | '\\' => list.extend(['\\', c]),
                '\n' => list.push_str("\\n"),
                '\t' => list.push_str("\\t"),
                c if c < ' ' => write!(list, "\\u{:04x}", u32::from(c)).expect("a text grows"),
                c => list.push(c),
            }
        }
        list.push('"');
    }
    list.push(']');
    list
}
