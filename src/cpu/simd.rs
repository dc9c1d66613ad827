//! Stand-in until the vector instructions land.
use super::op::Slow;
use iced_x86::Instruction;
pub fn select(_: &Instruction) -> Option<Slow> { None }
