//! What was seen of files becomes one row each. What is kept is one entry for each file that is open and each thread.

use crate::calls::is_execution;
use crate::table::{flags, kind};
use reenact_plugin::{Descriptor, File, Rows, Task, TaskKey, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Who, and when.
#[derive(Clone, Copy)]
pub struct Opener {
    /// Instructions retired.
    pub moment: u64,
    /// Guest time.
    pub time_ns: u64,
    /// The thread.
    pub task: Task,
}

/// What was seen.
pub enum Note {
    /// A file gets a descriptor.
    Installed {
        /// By whom.
        by: Opener,
        /// Which.
        descriptor: Descriptor,
        /// The file's address.
        at: u64,
    },
    /// The kernel gave these to a program.
    Inherited {
        /// The program's first thread.
        by: Opener,
        /// Its files.
        files: Box<[(Descriptor, File)]>,
    },
    /// Nothing holds a file any more.
    Released {
        /// When.
        moment: u64,
        /// The file's address.
        at: u64,
        /// Who let it go.
        task: Option<TaskKey>,
        /// In which call; below 0 in none.
        number: i64,
    },
    /// A call reads or writes a file.
    Moves {
        /// Whose call.
        task: TaskKey,
        /// The file's address.
        at: u64,
        /// It writes.
        is_write: bool,
    },
    /// A 64-bit call is over.
    Over {
        /// Whose.
        by: Opener,
        /// It is seen once more when its thread goes on.
        is_signal: bool,
        /// What it gave.
        result: i64,
        /// What it did.
        what: What,
    },
    /// A call of the i386 table is made, and its number will look like that of another one when it is over.
    Foreign {
        /// Whose.
        task: TaskKey,
    },
    /// A thread ends.
    Exit {
        /// Which.
        task: TaskKey,
    },
}

/// What a call did.
pub enum What {
    /// It failed, or cannot be told.
    Nothing,
    /// Its bytes went through the file that was noted.
    Moved,
    /// Its bytes went through these.
    Through {
        /// Address of the file that was read.
        from: Option<u64>,
        /// Of the one that was written.
        to: Option<u64>,
    },
    /// These descriptors are new, or their file is another one now.
    Opened(Box<[(Descriptor, File)]>),
}

/// A file that is open.
struct Open {
    by: Opener,
    descriptor: Descriptor,
    file: Option<File>,
    bytes: [u64; 2],
    calls: [u64; 2],
}

/// Places in `Open::bytes` and `Open::calls`.
const READ: usize = 0;
const WRITTEN: usize = 1;

/// What is kept of a thread while it lives, and of one that ends until its `task_struct` is another's.
#[derive(Default)]
struct Thread {
    moves: Option<(u64, bool)>,
    /// The call that is over was counted when signals were looked at.
    is_counted: bool,
    is_foreign: bool,
    is_ending: bool,
}

/// What is open.
#[derive(Default)]
pub struct Joined {
    files: BTreeMap<u64, Open>,
    /// By the address of the `task_struct`, so that they stay as few as these.
    threads: BTreeMap<u64, (TaskKey, Thread)>,
}

impl Joined {
    /// Takes a note in.
    pub fn note(&mut self, note: Note, rows: &mut dyn Rows) {
        match note {
            Note::Installed { by, descriptor, at } => {
                self.files.entry(at).or_insert_with(|| Open::new(by, descriptor));
            }
            Note::Inherited { by, files } => self.opened(by, &files),
            Note::Released { moment, at, task, number } => {
                let Some(open) = self.files.remove(&at) else { return };
                let is_ending = task.is_some_and(|t| self.thread(t).is_ending);
                open.push(at, Some(moment), ending(is_ending, number), rows);
            }
            Note::Moves { task, at, is_write } => self.thread(task).moves = Some((at, is_write)),
            Note::Over { by, is_signal, result, what } => self.over(by, is_signal, result, &what),
            Note::Foreign { task } => self.thread(task).is_foreign = true,
            Note::Exit { task } => self.thread(task).is_ending = true,
        }
    }

    /// The recording ends.
    pub fn end(self, rows: &mut dyn Rows) {
        self.files.into_iter().for_each(|(at, open)| open.push(at, None, "open", rows));
    }

    fn thread(&mut self, key: TaskKey) -> &mut Thread {
        let thread = self.threads.entry(key.at).or_insert_with(|| (key, Thread::default()));
        if thread.0 != key {
            *thread = (key, Thread::default());
        }
        &mut thread.1
    }

    fn over(&mut self, by: Opener, is_signal: bool, result: i64, what: &What) {
        let thread = self.thread(by.task.key);
        let moved = thread.moves.take();
        let is_counted = std::mem::replace(&mut thread.is_counted, is_signal);
        let is_foreign = thread.is_foreign;
        if !is_signal {
            thread.is_foreign = false;
        }
        if is_counted || is_foreign || result < 0 {
            return;
        }
        match what {
            What::Nothing => {}
            What::Moved => {
                if let Some((at, is_write)) = moved {
                    self.count(at, if is_write { WRITTEN } else { READ }, result);
                }
            }
            What::Through { from, to } => {
                for (at, direction) in [(from, READ), (to, WRITTEN)] {
                    at.iter().for_each(|&at| self.count(at, direction, result));
                }
            }
            What::Opened(files) => self.opened(by, files),
        }
    }

    fn count(&mut self, at: u64, direction: usize, bytes: i64) {
        if let Some(open) = self.files.get_mut(&at) {
            open.bytes[direction] = open.bytes[direction].saturating_add(bytes as u64);
            open.calls[direction] += 1;
        }
    }

    /// What these files are is known now.
    fn opened(&mut self, by: Opener, files: &[(Descriptor, File)]) {
        // Two descriptors of one file tell the same of it.
        let mut told = BTreeSet::new();
        for (descriptor, file) in files.iter().filter(|(_, f)| told.insert(f.at)) {
            let open = self.files.entry(file.at).or_insert_with(|| Open::new(by, *descriptor));
            match &mut open.file {
                Some(known) => known.socket.clone_from(&file.socket),
                None => open.file = Some(file.clone()),
            }
        }
    }
}

fn ending(is_ending: bool, number: i64) -> &'static str {
    match number {
        _ if is_ending => "exit",
        n if is_execution(n) => "exec",
        0.. => "closed",
        _ => "kernel",
    }
}

impl Open {
    fn new(by: Opener, descriptor: Descriptor) -> Open {
        Open { by, descriptor, file: None, bytes: [0; 2], calls: [0; 2] }
    }

    fn push(&self, at: u64, end: Option<u64>, ended: &str, rows: &mut dyn Rows) {
        let Opener { moment, time_ns, task } = &self.by;
        let file = self.file.as_ref();
        let opened = file.map(|f| {
            let mut text = String::new();
            flags(f.flags, &mut text);
            text
        });
        rows.push(
            0,
            &[
                Value::U(*moment),
                Value::U(*time_ns),
                end.into(),
                task.pid.into(),
                task.key.tid.into(),
                Value::Text(&task.comm.text()),
                self.descriptor.into(),
                file.map(|f| f.path.as_str()).into(),
                file.map(|f| kind(f.mode, &f.path)).into(),
                opened.as_deref().into(),
                file.map(|f| f.mode & 0o7777).into(),
                Value::U(self.bytes[READ]),
                Value::U(self.bytes[WRITTEN]),
                Value::U(self.calls[READ]),
                Value::U(self.calls[WRITTEN]),
                Value::Text(ended),
                file.and_then(|f| f.socket.as_deref()).into(),
                Value::U(at),
            ],
        );
    }
}
