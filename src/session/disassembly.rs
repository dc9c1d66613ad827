//! Instructions as text, in the syntax of the GNU assembler.

use super::{Error, Memory, Seat};
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, OpKind};

/// One instruction of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its linear address.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its text; `(bad)` for bytes that are no instruction.
    pub text: String,
    /// The address that it names: where a direct branch or call goes, or what lies at a distance from RIP.
    pub target: Option<u64>,
}

/// Bytes of the longest instruction.
const LONGEST: usize = 15;
/// How far from a function's entry its code is read in a row to find where its instructions begin, in bytes.
const FARTHEST: u64 = 4096;
/// Places to begin at that are tried where no entry is known.
const GUESSES: usize = 32;

impl Seat {
    /// Up to `count` instructions from `address` on in the current address space, read as code of `bits` (16, 32, 64);
    /// `end` ends the list, too.
    ///
    /// # Errors
    /// [`Error::Unmapped`] when nothing is there; code that ends at unmapped memory ends the list.
    pub fn disassemble(&self, address: u64, count: usize, bits: u32, end: Option<u64>) -> Result<Vec<Line>, Error> {
        let mut at = address;
        let mut lines = Vec::new();
        while lines.len() < count && end.is_none_or(|end| at < end) {
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

    /// The last `count` instructions in front of `address`. Code has no marks where instructions begin: it is read from
    /// `entry` if that is given and near, else from the first place from where the reading arrives at `address`.
    pub fn disassemble_before(&self, address: u64, count: usize, bits: u32, entry: Option<u64>) -> Vec<Line> {
        let reach = count.saturating_mul(LONGEST) as u64;
        let known = entry.filter(|&e| e < address && address - e <= reach.max(FARTHEST));
        let guesses = (1..=reach).rev().filter_map(|back| address.checked_sub(back));
        let mut from = known.into_iter().chain(guesses.take(GUESSES));
        let Some(starts) = from.find_map(|from| self.starts(from, address, bits)) else { return Vec::new() };
        let Some(&first) = starts.get(starts.len().saturating_sub(count)) else { return Vec::new() };
        self.disassemble(first, count, bits, Some(address)).unwrap_or_default()
    }

    /// Where instructions begin from one address on, if they lead to the other.
    fn starts(&self, from: u64, to: u64, bits: u32) -> Option<Vec<u64>> {
        let len = usize::try_from(to.checked_sub(from)?).ok()?;
        let bytes = self.read(Memory::Current, from, len).ok().filter(|bytes| bytes.len() == len)?;
        let mut decoder = Decoder::with_ip(bits, &bytes, from, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let mut starts = Vec::new();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                return None;
            }
            starts.push(instruction.ip());
        }
        Some(starts)
    }

    /// The next instruction as text.
    pub fn next_instruction(&self) -> String {
        match self.disassemble(self.linear_rip(), 1, self.mode().bits(), None).ok().and_then(|mut lines| lines.pop()) {
            Some(line) => line.text,
            None => "(not mapped: it will fault)".to_owned(),
        }
    }
}

/// The instruction at the head of some bytes.
pub(super) fn decode(address: u64, bytes: &[u8], bits: u32) -> Option<Instruction> {
    let instruction = Decoder::with_ip(bits, bytes, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn target(instruction: &Instruction) -> Option<u64> {
    let is_near = (0..instruction.op_count())
        .any(|i| matches!(instruction.op_kind(i), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64));
    match is_near {
        true => Some(instruction.near_branch_target()),
        false => instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address()),
    }
}

fn one(address: u64, bytes: &[u8], bits: u32) -> Line {
    let Some(instruction) = decode(address, bytes, bits) else {
        return Line { address, bytes: bytes.iter().take(1).copied().collect(), text: "(bad)".into(), target: None };
    };
    let mut text = String::new();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_space_after_operand_separator(false);
    formatter.format(&instruction, &mut text);
    Line { address, bytes: bytes.iter().take(instruction.len()).copied().collect(), text, target: target(&instruction) }
}
