//! A case as one line of text, and back: what a failing run prints and `REENACT_CPU_CASE` takes.
//!
//! Layout: `key=value` fields separated by spaces, numbers in hexadecimal, then ` # ` and the disassembly. Registers that
//! are 0 are left out; the FXSAVE image is given as `offset:bytes` runs over an initial image.

use iced_x86::{Code, Formatter, Instruction, IntelFormatter, Mnemonic};

use super::case::{Bytes, Case, FxImage, Retires, State, changes};
use super::compare::{GPR_NAMES, hex, instructions, show_bytes};

/// The line of a case.
pub fn format(case: &Case) -> String {
    let (kind, count) = match case.retires {
        Retires::Exactly(count) => ("exactly", count),
        Retires::Varies(count) => ("varies", count),
    };
    let mut fields = vec![
        format!("seed={:x}", case.seed),
        format!("number={:x}", case.number),
        format!("code={}", hex(&case.code)),
        format!("{kind}={count:x}"),
        format!("rip={:x}", case.before.rip),
        format!("rflags={:x}", case.before.rflags),
    ];
    for (name, value) in GPR_NAMES.iter().zip(case.before.gpr).filter(|(_, value)| *value != 0) {
        fields.push(format!("{name}={value:x}"));
    }
    fields.push(format!("fx={}", show_bytes(&changes(&FxImage::initial().0, &case.before.fx.0))));
    fields.push(format!("memory={}", show_bytes(&case.memory)));
    format!("{} # {}", fields.join(" "), disassembly(case))
}

/// The instructions of a case in Intel syntax, separated by `; `; plain NOPs of a block are left out.
pub fn disassembly(case: &Case) -> String {
    let mut formatter = IntelFormatter::new();
    let mut texts = Vec::new();
    // The shrinker leaves NOPs where instructions were.
    let code = instructions(case);
    let keeps = |one: &&Instruction| code.len() == 1 || one.code() != Code::Nopd;
    for instruction in code.iter().filter(keeps) {
        let mut text = String::new();
        formatter.format(instruction, &mut text);
        texts.push(text);
    }
    texts.join("; ")
}

/// The mnemonics of a case in order without NOPs, for counting failures by kind.
pub fn kind(case: &Case) -> String {
    let code = instructions(case);
    let names = code.iter().map(|instruction| instruction.mnemonic()).filter(|&name| name != Mnemonic::Nop);
    names.map(|name| format!("{name:?}").to_lowercase()).collect::<Vec<_>>().join("+")
}

/// Reads a line back; `None` when it is not one of ours.
pub fn parse(line: &str) -> Option<Case> {
    let fields = line.split(" # ").next()?;
    let mut case = Case::of_code(&[], 0);
    case.before = State::initial();
    for field in fields.split_whitespace() {
        let (key, value) = field.split_once('=')?;
        let number = || u64::from_str_radix(value, 16).ok();
        match key {
            "seed" => case.seed = number()?,
            "number" => case.number = number()?,
            "code" => case.code = unhex(value)?,
            "exactly" => case.retires = Retires::Exactly(number()? as u32),
            "varies" => case.retires = Retires::Varies(number()? as u32),
            "rip" => case.before.rip = number()?,
            "rflags" => case.before.rflags = number()?,
            "fx" => {
                for run in parse_bytes(value)? {
                    case.before
                        .fx
                        .0
                        .get_mut(run.offset as usize..)?
                        .get_mut(..run.bytes.len())?
                        .copy_from_slice(&run.bytes);
                }
            }
            "memory" => case.memory = parse_bytes(value)?,
            name => {
                let register = GPR_NAMES.iter().position(|gpr| *gpr == name)?;
                case.before.gpr[register] = number()?;
            }
        }
    }
    Some(case)
}

fn parse_bytes(text: &str) -> Option<Vec<Bytes>> {
    if text == "-" {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|run| {
            let (offset, bytes) = run.split_once(':')?;
            Some(Bytes { offset: u32::from_str_radix(offset, 16).ok()?, bytes: unhex(bytes)? })
        })
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
