//! Words of monitor commands: addresses, registers, counts.

use super::{Context, Error};
use crate::session::{AccessKind, Place, Registers};

/// Names of the general registers in the processor's numbering.
const NAMES: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// `0x...`, decimal digits, or `$register`.
pub fn address(context: &Context, text: &str) -> Result<u64, Error> {
    let parsed = match text.strip_prefix('$') {
        Some(name) => {
            let registers = context.session.ask(|seat| Ok(seat.registers()))?;
            register(&registers, name)
        }
        None => number(text),
    };
    parsed.ok_or_else(|| Error::Address(text.to_owned()))
}

fn register(r: &Registers, name: &str) -> Option<u64> {
    match name {
        "pc" | "rip" => Some(r.linear_rip()),
        "sp" => Some(r.general[4]),
        "fp" => Some(r.general[5]),
        "cr2" => Some(r.cr2),
        "cr3" => Some(r.cr3),
        _ => NAMES.iter().position(|n| *n == name).map(|i| r.general[i]),
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16).ok(),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => text.replace([',', '_'], "").parse().ok(),
        None => None,
    }
}

/// A count from 1 to `most`; `default` when the word is missing.
pub fn count(text: Option<&&str>, what: &'static str, default: u64, most: u64) -> Result<u64, Error> {
    let Some(text) = text else { return Ok(default) };
    number(text).filter(|n| (1..=most).contains(n)).ok_or_else(|| Error::Number {
        text: (*text).to_owned(),
        what,
        most,
    })
}

/// `[phys:]ADDR [LEN]` as what is looked for.
pub fn access(context: &Context, words: &[&str], usage: Error) -> Result<crate::session::Access, Error> {
    let (text, len) = match words {
        [address] => (*address, None),
        [address, len] => (*address, Some(len)),
        _ => return Err(usage),
    };
    let len = count(len, "length", 8, 1 << 20)?;
    let place = match text.strip_prefix("phys:") {
        Some(text) => Place::Physical(address(context, text)?),
        None => Place::Linear(address(context, text)?, context.settings.space),
    };
    Ok(crate::session::Access { place, len, kind: AccessKind::Write })
}
