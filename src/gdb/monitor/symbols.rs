//! The kernel's symbols as a file that gdb reads.

use super::{Context, Error, usage};
use std::fs::OpenOptions;
use std::io::Write;

pub fn symbols(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let [path] = words else { return Err(usage("symbols")) };
    let bytes = context.session.ask(|seat| Ok(seat.symbol_file()))??;
    // A file that is there already is the user's.
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut f| f.write_all(&bytes));
    written.map_err(|cause| Error::Write { path: (*path).to_owned(), cause })?;
    context.line(format!("{path} is written; type: symbol-file {path}"));
    Ok(())
}
