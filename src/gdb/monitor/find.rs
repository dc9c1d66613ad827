//! The last or next write to some bytes.

use super::time::{hint, position};
use super::{Context, Error, parse, usage};
use crate::session::{Direction, Touched};

pub fn last_write(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    find(context, words, Direction::Backward, "last-write")
}

pub fn next_write(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    find(context, words, Direction::Forward, "next-write")
}

fn find(context: &mut Context, words: &[&str], direction: Direction, name: &str) -> Result<(), Error> {
    let access = parse::access(context, words, usage(name))?;
    let (from, found, text) = context.session.ask(move |seat| {
        let from = seat.position();
        let found = seat.find_access(direction, &access)?;
        let bits = seat.mode().bits();
        let line = seat.disassemble(found.rip, 1, bits, None).ok().and_then(|lines| lines.into_iter().next());
        Ok((from, found, line.map_or_else(|| "(not mapped here)".to_owned(), |line| line.text)))
    })?;
    show(context, &found, &text);
    context.row("came from", position(from));
    hint(context);
    Ok(())
}

fn show(context: &mut Context, found: &Touched, text: &str) {
    context.row("written by", position(found.before));
    context.row("instruction", format!("{:#x}  {text}", found.rip));
    context.row("address space", format!("{:#x}", found.root));
    context.row("address", format!("{:#x}", found.address));
    context.row("bytes before", hex(&found.old));
    context.row("bytes after", hex(&found.new));
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "not mapped".into();
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
