//! Every system call of every program: who made it, with what, what came out of it, how long it took.
//!
//! What is seen is read at once (`capture`); entries and returns find each other, and text is made, where notes are joined
//! (`joined`, `render`).

mod calls;
mod capture;
mod joined;
mod lists;
mod names;
mod quote;
mod render;
mod sockaddr;
mod structures;
mod table;
#[cfg(test)]
mod tests;

use joined::{Back, Entry, Joined, Note};
use reenact_plugin::{
    Abi, About, Analysis, ArgumentError, Arguments, Event, Out, Plugin, Rows, Runnable, Scene, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Syscalls = Syscalls;

/// What is registered, and the analysis: it takes no arguments.
pub struct Syscalls;

impl Plugin for Syscalls {
    fn about(&self) -> About {
        About {
            name: "syscalls",
            version: 1,
            summary: "every system call: arguments decoded as strace does, result, duration",
            arguments: &[],
            tables: &[table::TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Syscalls))
    }
}

/// A call is about to be told of a signal, or to be restarted: what it gave is still in its frame.
const SIGNAL: usize = 0;
/// The memory of the old program is still there, and the kernel has read what it needs of it.
const EXEC: usize = 1;
/// The thread ends.
const EXIT: usize = 2;
const FUNCTIONS: [&str; 3] = ["arch_do_signal_or_restart", "begin_new_exec", "do_exit"];

impl Analysis for Syscalls {
    /// For the pieces of one call, so that they are not grown anew each time.
    type Slice = Vec<u8>;
    type Note = Note;
    type Join = Joined;

    fn wants(&self) -> Wants {
        Wants {
            syscalls: true,
            user_returns: true,
            functions: FUNCTIONS.to_vec(),
            needs_linux: true,
            ..Wants::default()
        }
    }
    fn begin(&self, _: &dyn Scene) -> Vec<u8> {
        Vec::new()
    }
    fn see(&self, pieces: &mut Vec<u8>, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Note>) {
        let note = match *event {
            Event::Syscall { abi, number, arguments, return_to } => {
                let read = read_at_entry(pieces, scene, abi, number, &arguments);
                let (moment, time_ns) = (scene.moment(), scene.time_ns());
                let task = scene.task();
                Some(Note::Entry(Entry { moment, time_ns, task, abi, number, arguments, return_to, read }))
            }
            Event::UserReturn => returned(pieces, scene).map(Note::Return),
            Event::Function { index: SIGNAL } => back(pieces, scene).filter(|b| b.number >= 0).map(Note::Signal),
            Event::Function { index: EXEC } => back(pieces, scene).map(Note::Exec),
            Event::Function { index: EXIT } => {
                scene.task().map(|task| Note::Exit { moment: scene.moment(), task: task.key })
            }
            _ => None,
        };
        out.notes.extend(note);
    }
    fn start(&self) -> Joined {
        Joined::default()
    }
    fn join(&self, join: &mut Joined, note: Note, rows: &mut dyn Rows) {
        join.note(note, rows);
    }
    fn end(&self, join: Joined, _moment: u64, rows: &mut dyn Rows) {
        join.end(rows);
    }
}

fn read_at_entry(pieces: &mut Vec<u8>, scene: &dyn Scene, abi: Abi, number: u32, arguments: &[u64; 6]) -> Box<[u8]> {
    pieces.clear();
    if let (Abi::X86_64, Some(call)) = (abi, calls::call(number).filter(|c| c.reads.0)) {
        capture::capture(scene, call, arguments, None, pieces);
    }
    pieces.as_slice().into()
}

/// The thread that runs goes back to its program.
fn returned(pieces: &mut Vec<u8>, scene: &dyn Scene) -> Option<Back> {
    let mut back = back(pieces, scene)?;
    let registers = scene.registers();
    (back.rax, back.rip) = (registers.general[0], registers.rip);
    Some(back)
}

/// The call that the thread is in, as its frame tells.
fn back(pieces: &mut Vec<u8>, scene: &dyn Scene) -> Option<Back> {
    let task = scene.task()?.key;
    pieces.clear();
    let frame = scene.syscall_frame(task.at);
    let (number, rax, rip) = frame.map_or((-1, 0, 0), |f| (f.number, f.rax, f.rip));
    if let (Some(frame), Ok(number)) = (frame, u32::try_from(number))
        && let Some(call) = calls::call(number).filter(|c| c.reads.1)
    {
        capture::capture(scene, call, &frame.arguments, Some(rax as i64), pieces);
    }
    Some(Back { moment: scene.moment(), task, number, rax, rip, read: pieces.as_slice().into() })
}
