//! Open files: who opened them, what they are, how much went through them, how they ended.
//!
//! A row is a `struct file` of the kernel: one open(2), pipe end, socket or the like, however many descriptors and processes
//! share it, from its first descriptor until nothing holds it any more.

mod calls;
mod joined;
mod table;
#[cfg(test)]
mod tests;

use calls::Class;
use joined::{Joined, Note, Opener, What};
use reenact_plugin::{
    Abi, About, Analysis, ArgumentError, Arguments, Descriptor, Event, File, Out, Plugin, Rows, Runnable, Scene,
    SyscallFrame, Task, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Files = Files;

/// What is registered, and the analysis: it takes no arguments.
pub struct Files;

impl Plugin for Files {
    fn about(&self) -> About {
        About {
            name: "files",
            version: 1,
            summary: "open files, pipes and sockets: from open to close, with bytes read and written",
            arguments: &[],
            tables: &[table::TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Files))
    }
}

/// RDI is a descriptor, RSI the file that it is for.
const INSTALL: usize = 0;
/// RDI is the file that nothing holds any more.
const RELEASE: usize = 1;
/// RDI is the file that is read.
const READ: usize = 2;
/// RDI is the file that is written.
const WRITE: usize = 3;
/// A call is over, and signals are looked at: its result may go away.
const SIGNAL: usize = 4;
/// A program is in place.
const EXECUTES: usize = 5;
/// The thread ends.
const EXIT: usize = 6;
const FUNCTIONS: [&str; 7] =
    ["fd_install", "__fput", "vfs_read", "vfs_write", "arch_do_signal_or_restart", "finalize_exec", "do_exit"];

/// The places of RSI and RDI among the registers.
const RSI: usize = 6;
const RDI: usize = 7;

impl Analysis for Files {
    type Slice = ();
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
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Note>) {
        out.notes.extend(match *event {
            Event::Syscall { abi: Abi::I386, number, .. } if calls::class(number.into()).is_some() => {
                scene.task().map(|task| Note::Foreign { task: task.key })
            }
            Event::UserReturn => over(scene, false),
            Event::Function { index } => function(scene, index),
            _ => None,
        });
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

fn function(scene: &dyn Scene, index: usize) -> Option<Note> {
    let first = || scene.registers().general[RDI];
    match index {
        INSTALL => {
            let registers = scene.registers().general;
            let by = opener(scene, scene.task()?);
            Some(Note::Installed { by, descriptor: registers[RDI] as u32, at: registers[RSI] })
        }
        RELEASE => {
            let task = scene.task().map(|t| t.key);
            let number = task.and_then(|t| scene.syscall_frame(t.at)).map_or(-1, |f| f.number);
            Some(Note::Released { moment: scene.moment(), at: first(), task, number })
        }
        READ | WRITE => scene.task().map(|task| Note::Moves { task: task.key, at: first(), is_write: index == WRITE }),
        SIGNAL => over(scene, true),
        EXECUTES => inherited(scene),
        EXIT => scene.task().map(|task| Note::Exit { task: task.key }),
        _ => None,
    }
}

fn opener(scene: &dyn Scene, task: Task) -> Opener {
    Opener { moment: scene.moment(), time_ns: scene.time_ns(), task }
}

/// A call is over.
fn over(scene: &dyn Scene, is_signal: bool) -> Option<Note> {
    let task = scene.task()?;
    let frame = scene.syscall_frame(task.key.at)?;
    let class = calls::class(frame.number)?;
    let result = frame.rax as i64;
    let what = if result < 0 { What::Nothing } else { what(scene, task, class, &frame) };
    Some(Note::Over { by: opener(scene, task), is_signal, result, what })
}

fn what(scene: &dyn Scene, task: Task, class: Class, frame: &SyscallFrame) -> What {
    let file = |descriptor: u64| scene.file(task.key.at, descriptor as u32).map(|f| (descriptor as u32, f));
    let at = |place: Option<usize>| place.and_then(|p| file(frame.arguments[p])).map(|(_, f)| f.at);
    let opened = |files: Vec<(Descriptor, File)>| What::Opened(files.into_boxed_slice());
    match class {
        Class::Moves => What::Moved,
        Class::Through { from, to } => What::Through { from: at(from), to: at(to) },
        Class::Makes => opened(file(frame.rax).into_iter().collect()),
        Class::Changes => opened(file(frame.arguments[0]).into_iter().collect()),
        Class::MakesTwo(place) => {
            let mut bytes = [0; 8];
            if scene.read(frame.arguments[place], &mut bytes) < 8 {
                return What::Nothing;
            }
            let both = u64::from_le_bytes(bytes);
            opened([both & 0xffff_ffff, both >> 32].into_iter().filter_map(file).collect())
        }
    }
}

/// The kernel executes a program by itself: its files were opened by no call.
fn inherited(scene: &dyn Scene) -> Option<Note> {
    let task = scene.task()?;
    let number = scene.syscall_frame(task.key.at).map_or(-1, |f| f.number);
    if calls::is_execution(number) {
        return None;
    }
    let files = scene.descriptors(task.key.at)?.into_boxed_slice();
    Some(Note::Inherited { by: opener(scene, task), files })
}
