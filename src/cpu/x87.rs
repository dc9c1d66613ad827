//! Stand-in until the x87 lands.
use super::op::Slow;
use iced_x86::Instruction;
#[derive(Default, Clone, Debug)]
pub struct X87;
pub fn select(_: &Instruction) -> Option<Slow> { None }
