//! MMX and SSE to SSE4.2: one value-level function per instruction, and the operands around it.

mod moves;
mod operand;
mod state;

use super::op::Slow;
use iced_x86::Instruction;

/// The function of a vector instruction, chosen once at decode time.
pub fn select(insn: &Instruction) -> Option<Slow> {
    state::select(insn).or_else(|| moves::select(insn))
}
