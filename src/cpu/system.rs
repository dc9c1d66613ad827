//! Stand-in until the system instructions land.
use super::Cpu;
use super::fault::Fault;
use super::op::Slow;
use iced_x86::Instruction;
/// A triple fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown;
pub fn select(_: &Instruction) -> Option<Slow> { None }
impl Cpu {
    pub(crate) fn deliver_fault(&mut self, f: Fault) -> Result<(), Shutdown> { eprintln!("fault {f:?} at {:x}", self.rip); Err(Shutdown) }
    pub(crate) fn deliver_interrupt(&mut self, _v: u8) -> Result<(), Shutdown> { Err(Shutdown) }
    pub(crate) fn deliver_debug_trap(&mut self) -> Result<(), Shutdown> { Err(Shutdown) }
    pub(crate) fn deliver_debug_fault(&mut self) -> Result<(), Shutdown> { Err(Shutdown) }
}
