//! Instructions as text, in the syntax of the GNU assembler.

use super::{Error, Memory, Seat};
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};

/// One instruction of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its linear address.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its text; `(bad)` for bytes that are no instruction.
    pub text: String,
}

/// Bytes of the longest instruction.
const LONGEST: usize = 15;

impl Seat {
    /// Up to `count` instructions from `address` on in the current address space, read as code of `bits` (16, 32, 64).
    ///
    /// # Errors
    /// [`Error::Unmapped`] when nothing is there; code that ends at unmapped memory ends the list.
    pub fn disassemble(&self, address: u64, count: usize, bits: u32) -> Result<Vec<Line>, Error> {
        let mut at = address;
        let mut lines = Vec::new();
        while lines.len() < count {
            let bytes = match self.read(Memory::Current, at, LONGEST) {
                Ok(bytes) => bytes,
                Err(_) if !lines.is_empty() => break,
                Err(e) => return Err(e),
            };
            let line = one(at, &bytes, bits);
            at = at.wrapping_add(line.bytes.len() as u64);
            lines.push(line);
        }
        Ok(lines)
    }

    /// The next instruction as text.
    pub fn next_instruction(&self) -> String {
        match self.disassemble(self.linear_rip(), 1, self.mode().bits()).ok().and_then(|mut lines| lines.pop()) {
            Some(line) => line.text,
            None => "(not mapped: it will fault)".to_owned(),
        }
    }
}

fn one(address: u64, bytes: &[u8], bits: u32) -> Line {
    let mut decoder = Decoder::with_ip(bits, bytes, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    if instruction.is_invalid() {
        return Line { address, bytes: bytes.iter().take(1).copied().collect(), text: "(bad)".into() };
    }
    let mut text = String::new();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_space_after_operand_separator(false);
    formatter.format(&instruction, &mut text);
    Line { address, bytes: bytes.iter().take(instruction.len()).copied().collect(), text }
}
