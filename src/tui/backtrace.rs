//! Who called whom, as far as the stack tells without unwinding tables.
//!
//! Where the frame pointers form a chain, they are followed. Elsewhere every word on the stack that points behind a call
//! instruction is taken for a return address, which also finds some that are left over: the pane says which way it was.

use super::names::Names;
use crate::session::{Memory, Registers, Seat};

/// How the frames were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By the chain of frame pointers.
    FramePointers,
    /// By looking for return addresses; some may be left-overs.
    Guess,
}

/// A return address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it goes on.
    pub address: u64,
    /// What that is called.
    pub name: Option<String>,
}

/// From the innermost on; the first is the next instruction itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backtrace {
    /// How.
    pub how: How,
    /// The frames.
    pub frames: Vec<Frame>,
}

/// Frames that are shown.
const MOST_FRAMES: usize = 32;
/// Words that are searched.
const MOST_WORDS: usize = 1024;
/// A chain of this length is none by accident.
const SHORTEST_CHAIN: usize = 2;
/// Bytes of a kernel stack (THREAD_SIZE); it begins at a multiple of that.
const KERNEL_STACK: u64 = 16 << 10;

/// The backtrace at the current Position.
pub fn of(seat: &mut Seat, names: &Names, registers: &Registers) -> Backtrace {
    let (rsp, rbp) = (registers.general[4], registers.general[5]);
    let chain = chain(seat, names, rsp, rbp);
    let (how, returns) = match chain.len() {
        SHORTEST_CHAIN.. => (How::FramePointers, chain),
        _ => (How::Guess, guess(seat, names, rsp, registers.cpl == 3)),
    };
    let all = std::iter::once(registers.linear_rip()).chain(returns);
    let frames = all.map(|address| Frame { address, name: names.of_address(seat, address) }).collect();
    Backtrace { how, frames }
}

fn word(seat: &Seat, at: u64) -> Option<u64> {
    let bytes = seat.read(Memory::Current, at, 8).ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn chain(seat: &mut Seat, names: &Names, rsp: u64, rbp: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let (mut lowest, mut frame) = (rsp, rbp);
    while found.len() < MOST_FRAMES && frame >= lowest && frame.is_multiple_of(8) {
        let Some(link) = word(seat, frame) else { break };
        let Some(back) = frame.checked_add(8).and_then(|at| word(seat, at)) else { break };
        if !is_return_address(seat, names, back) {
            break;
        }
        found.push(back);
        (lowest, frame) = (frame + 16, link);
    }
    found
}

fn guess(seat: &mut Seat, names: &Names, rsp: u64, is_user: bool) -> Vec<u64> {
    let words = if is_user { MOST_WORDS } else { ((KERNEL_STACK - rsp % KERNEL_STACK) / 8) as usize };
    let stack = seat.read(Memory::Current, rsp, 8 * words.min(MOST_WORDS * 2)).unwrap_or_default();
    let mut found = Vec::new();
    for bytes in stack.chunks_exact(8) {
        let value = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        if found.len() < MOST_FRAMES && is_return_address(seat, names, value) {
            found.push(value);
        }
    }
    found
}

/// True if there is code in front of an address that ends with a call.
fn is_return_address(seat: &mut Seat, names: &Names, address: u64) -> bool {
    const LONGEST_CALL: u64 = 7;
    // Small numbers are the most frequent words of all.
    if address < 0x1000 || !names.is_code(seat, address) {
        return false;
    }
    let Some(from) = address.checked_sub(LONGEST_CALL) else { return false };
    let Ok(bytes) = seat.read(Memory::Current, from, LONGEST_CALL as usize) else { return false };
    ends_with_call(&bytes)
}

/// CALL rel32 (E8), or CALL r/m (FF /2) of two to seven bytes.
fn ends_with_call(bytes: &[u8]) -> bool {
    let tail = |n: usize| bytes.len().checked_sub(n).and_then(|from| bytes.get(from..));
    let is_indirect = |n: usize| {
        tail(n).is_some_and(|b| matches!(b, [0xff, modrm, ..] if modrm >> 3 & 7 == 2 && length(*modrm, b.get(2)) == n))
    };
    tail(5).is_some_and(|b| b.first() == Some(&0xe8)) || (2..=7).any(is_indirect)
}

/// Bytes of FF with this ModRM and SIB.
fn length(modrm: u8, sib: Option<&u8>) -> usize {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let has_sib = mode != 3 && rm == 4;
    let displacement = match mode {
        0 if rm == 5 || has_sib && sib.is_some_and(|sib| sib & 7 == 5) => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    2 + usize::from(has_sib) + displacement
}

#[cfg(test)]
mod tests {
    use super::ends_with_call;

    #[test]
    fn calls_are_told_from_what_only_ends_alike() {
        assert!(ends_with_call(&[0x90, 0x90, 0xe8, 1, 2, 3, 4]));
        assert!(ends_with_call(&[0, 0, 0, 0, 0, 0xff, 0xd0]), "call *%rax");
        assert!(ends_with_call(&[0, 0, 0, 0, 0xff, 0x50, 0x08]), "call *8(%rax)");
        assert!(ends_with_call(&[0, 0xff, 0x15, 1, 2, 3, 4]), "call *disp(%rip)");
        assert!(!ends_with_call(&[0, 0, 0, 0, 0, 0xff, 0xe0]), "jmp *%rax");
        assert!(!ends_with_call(&[0, 0, 0, 0xff, 0x50, 0x08, 0x90]));
        assert!(!ends_with_call(&[]));
    }
}
