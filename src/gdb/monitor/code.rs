//! Disassembly by the server, for code that is not 64-bit and that gdb would misread.

use super::{Context, Error, parse, usage};

pub fn dis(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    if words.len() > 2 {
        return Err(usage("dis"));
    }
    let address = match words.first() {
        Some(text) => parse::address(context, text)?,
        None => context.session.ask(|seat| Ok(seat.linear_rip()))?,
    };
    let count = parse::count(words.get(1), "count", 8, 1000)?;
    let bits = context.settings.code_bits;
    let (lines, here) = context.session.ask(move |seat| {
        let bits = bits.unwrap_or(seat.mode().bits());
        Ok((seat.disassemble(address, count as usize, bits, None)?, seat.linear_rip()))
    })?;
    for line in lines {
        let arrow = if line.address == here { "=>" } else { "  " };
        let bytes: Vec<_> = line.bytes.iter().map(|b| format!("{b:02x}")).collect();
        context.line(format!("{arrow} {:#018x}  {:<30}  {}", line.address, bytes.join(" "), line.text));
    }
    Ok(())
}
