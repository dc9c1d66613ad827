//! MMX and SSE to SSE4.2: one value-level function per instruction, and the operands around it.

mod blend;
mod crc;
mod float;
mod host;
mod lanes;
mod moves;
mod operand;
mod packed;
mod shift;
mod shuffle;
mod state;
mod text;
mod transfer;

use super::op::Slow;
use iced_x86::Instruction;

/// The function of a vector instruction, chosen once at decode time.
pub fn select(insn: &Instruction) -> Option<Slow> {
    state::select(insn)
        .or_else(|| moves::select(insn))
        .or_else(|| packed::select(insn))
        .or_else(|| shift::select(insn))
        .or_else(|| shuffle::select(insn))
        .or_else(|| blend::select(insn))
        .or_else(|| transfer::select(insn))
        .or_else(|| text::select(insn))
        .or_else(|| crc::select(insn))
        .or_else(|| float::select(insn))
}
