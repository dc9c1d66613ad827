//! One decoded guest instruction, ready to run: 32 bytes, a handler and its operands.

use super::Cpu;
use super::fault::Stop;
use iced_x86::Instruction;

/// Runs one instruction and goes on with the next; null leaves the block.
///
/// In optimised builds a handler ends by calling the next handler in tail position, which the compiler turns
/// into a jump; otherwise it returns the next op to the loop in `Cpu::run_block`.
pub type Handler = unsafe extern "C" fn(&mut Cpu, *const Op) -> *const Op;

/// An instruction that is not worth a handler of its own: plain Rust behind one shared handler.
/// On `Ok` the instruction retires; control transfers set `cpu.rip` (which is already the next instruction's).
/// On `Err` nothing architectural has changed, apart from what the manual says of a partial execution.
pub type Slow = fn(&mut Cpu, &Op, &Instruction) -> Result<(), Stop>;

/// A decoded instruction. Register operands are byte offsets into `Cpu::regs`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Op {
    /// What runs it.
    pub handler: Handler,
    /// Immediate operand, branch target (relative to the block's start) or the `Slow` function.
    pub imm: u64,
    /// Displacement; for RIP-relative operands relative to the block's start.
    pub disp: i32,
    /// Destination register slot, in bytes.
    pub dst: u8,
    /// Source register slot, in bytes.
    pub src: u8,
    /// Base register slot, in bytes.
    pub base: u8,
    /// Index register slot, in bytes.
    pub index: u8,
    /// Left shift of the index, 0..=3.
    pub scale: u8,
    /// Segment of the memory operand, an index into `State::seg`.
    pub seg: u8,
    /// Offset of the instruction from the start of its block.
    pub offset: u8,
    /// Length of the instruction.
    pub len: u8,
    /// Instructions from this one to the end of the block, this one included.
    pub rest: u8,
    /// Address size in bytes: 2, 4 or 8.
    pub address_bytes: u8,
    /// Index into `Block::instructions`, for `Slow` functions.
    pub instruction: u8,
    /// Condition code, shift count, or what else the handler's family keeps here.
    pub aux: u8,
}

/// In a header's `aux`: behind the block's last instruction the run loop has to look up.
pub const NEEDS_RUN_LOOP: u8 = 1;
/// In a header's `aux`: the block's last instruction may change the mode or let an interrupt in, but no more.
pub const CHANGES_MODE: u8 = 2;

/// In a header's `aux`: the handler of the last instruction but one is for the last one too.
pub const JOINED: u8 = 4;

const _: () = assert!(size_of::<Op>() == 32);
