//! `monitor` commands: what gdb has no words for. One table says which there are; each group has its file.

mod code;
mod find;
mod look;
mod parse;
mod settings;
mod symbols;
mod time;

use super::Settings;
use crate::session::{self, Session};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The session refused.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// No such command.
    #[error("there is no \"monitor {0}\"; monitor help lists what there is")]
    Unknown(String),
    /// The wrong number or kind of words.
    #[error("write: monitor {0}")]
    Usage(String),
    /// The kernel's symbols cannot be told.
    #[error("{0}")]
    Guest(#[from] crate::guest::Absent),
    /// A file that cannot be written.
    #[error("cannot write {path}: {cause}; name another file")]
    Write {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Not an address.
    #[error("\"{0}\" is no address: write hexadecimal like 0x401000, a decimal number, or a register like $rsp")]
    Address(String),
    /// Not a number in its bounds.
    #[error("\"{text}\" is no {what}: write a number from 1 to {most}")]
    Number {
        /// What was written.
        text: String,
        /// What it should be.
        what: &'static str,
        /// The largest that is taken.
        most: u64,
    },
}

/// What a command works with.
struct Context<'a> {
    session: &'a Session,
    settings: &'a mut Settings,
    say: &'a mut dyn FnMut(&str),
}

impl Context<'_> {
    /// Prints one line.
    fn line(&mut self, text: impl AsRef<str>) {
        (self.say)(&format!("{}\n", text.as_ref()));
    }

    /// Prints `name` and `value` in columns.
    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        self.line(format!("{name:<15} {}", value.as_ref()));
    }
}

type Function = fn(&mut Context, &[&str]) -> Result<(), Error>;

struct Verb {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    function: Function,
}

const fn verb(name: &'static str, arguments: &'static str, help: &'static str, function: Function) -> Verb {
    Verb { name, arguments, help, function }
}

const VERBS: &[Verb] = &[
    verb("help", "", "this list", help),
    verb("when", "", "where in time the machine stands", time::when),
    verb(
        "goto",
        "M|+N|-N|P%|end|exit|MARK",
        "go to another time: an instruction number, or relative to now",
        time::goto,
    ),
    verb("mark", "NAME", "name this place in time; marks are kept beside the recording", time::mark),
    verb("marks", "", "all marks", time::marks),
    verb("last-write", "[phys:]ADDR [LEN]", "go back to the last write to LEN bytes (8) at ADDR", find::last_write),
    verb("next-write", "[phys:]ADDR [LEN]", "go behind the next write", find::next_write),
    verb("inputs", "[N]", "the N (8) inputs before now, and those to come", time::inputs),
    verb("regs", "", "control, segment and model-specific registers", look::regs),
    verb("translate", "ADDR", "the physical address of a linear one", look::translate),
    verb("phys", "ADDR [LEN]", "LEN (64) bytes of physical memory", look::phys),
    verb("dis", "[ADDR [N]]", "N (8) instructions at ADDR ($rip)", code::dis),
    verb("mode", "[16|32|64|auto]", "how dis reads code", settings::mode),
    verb(
        "step",
        "[thread|cpu]",
        "what stepi steps: this context (default), or the processor into every interrupt",
        settings::step,
    ),
    verb(
        "space",
        "[any|here|ROOT]",
        "the address space (CR3) that breakpoints and watchpoints are tied to",
        settings::space,
    ),
    verb(
        "symbols",
        "FILE",
        "write the symbols of the kernel and its modules to FILE, for symbol-file",
        symbols::symbols,
    ),
    verb("verify", "", "replay the whole recording elsewhere and compare every digest and output", look::verify),
];

/// Runs one command and prints what it has to say, errors too.
pub fn run(session: &Session, settings: &mut Settings, command: &str, say: &mut dyn FnMut(&str)) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut context = Context { session, settings, say };
    let (name, arguments) = words.split_first().map_or(("help", &[][..]), |(name, rest)| (*name, rest));
    let result = match VERBS.iter().find(|v| v.name == name) {
        Some(verb) => (verb.function)(&mut context, arguments),
        None => Err(Error::Unknown(name.to_owned())),
    };
    if let Err(error) = result {
        context.line(error.to_string());
    }
}

fn help(context: &mut Context, _: &[&str]) -> Result<(), Error> {
    for verb in VERBS {
        let form = format!("{} {}", verb.name, verb.arguments);
        context.line(format!("monitor {form:<30} {}", verb.help));
    }
    Ok(())
}

/// How a command is written.
fn usage(name: &str) -> Error {
    let arguments = VERBS.iter().find(|v| v.name == name).map_or("", |v| v.arguments);
    Error::Usage(format!("{name} {arguments}").trim_end().to_owned())
}
