//! What generated code calls: the interpreter's handlers, one op at a time.
//!
//! A handler goes on with the op behind its own. Here that is an op that stops, so one instruction runs; a null from
//! the handler says, as ever, that the block was left and `Cpu::rip` is valid.

use crate::cpu::Cpu;
use crate::cpu::block::{BlockCache, NO_KEY};
use crate::cpu::fault::Pending;
use crate::cpu::flags::Flags;
use crate::cpu::op::Op;
use crate::cpu::phys::PAGE;
use crate::cpu::state::gpr;

/// An op that says that the one before it has completed.
unsafe extern "C" fn back(_: &mut Cpu, op: *const Op) -> *const Op {
    op
}

/// Status flags as generated code keeps them: OF in the low byte, SF ZF AF PF CF in the next as LAHF stores them.
pub fn pack(flags: Flags) -> u32 {
    let bits = flags.bits();
    (bits as u32 & 0xff | 2) << 8 | (bits >> 11) as u32 & 1
}
/// The other way.
pub fn unpack(packed: u32) -> Flags {
    Flags::from_bits(u64::from(packed >> 8 & 0xff) | u64::from(packed & 1) << 11)
}

/// Makes a block the running one.
unsafe fn place(cpu: &mut Cpu, header: *const Op) {
    cpu.block = header;
    // SAFETY: the caller's header. The block's place in its page stands in it.
    cpu.regs[gpr::BLOCK] = cpu.live.code_page.wrapping_add(unsafe { (*header).disp } as u64);
}

/// Runs one op; false if the block was left.
///
/// # Safety
/// `header` is the header of the block whose code runs, which has an op of this number.
#[inline(always)]
unsafe fn run(cpu: &mut Cpu, header: *const Op, number: u32) -> bool {
    // SAFETY: the caller's; a handler gets an op and one behind it.
    unsafe {
        let mut pair = [*header.add(number as usize); 2];
        pair[1].handler = back;
        place(cpu, header);
        !((pair[0].handler)(cpu, pair.as_ptr())).is_null()
    }
}

/// Leaves the block behind op `number` if the mappings that it was entered under may be gone.
unsafe fn go_on(cpu: &mut Cpu, header: *const Op, number: u32) -> bool {
    if cpu.live.key != NO_KEY {
        return true;
    }
    // SAFETY: as `run`.
    let op = unsafe { &*header.add(number as usize) };
    cpu.budget += i64::from(op.rest) - 1;
    cpu.rip = cpu.regs[gpr::BLOCK].wrapping_add(u64::from(op.offset) + u64::from(op.len));
    false
}

/// One op that neither reads nor writes status flags. False if the block was left.
///
/// # Safety
/// Only from generated code: as [`run`].
pub unsafe extern "sysv64" fn plain(cpu: &mut Cpu, header: *const Op, number: u32) -> u32 {
    // SAFETY: the caller's.
    unsafe { u32::from(run(cpu, header, number) && go_on(cpu, header, number)) }
}
/// One op. False if the block was left.
///
/// # Safety
/// As [`plain`].
pub unsafe extern "sysv64" fn with_flags(cpu: &mut Cpu, header: *const Op, number: u32) -> u32 {
    cpu.flags = unpack(cpu.live.flags);
    // SAFETY: the caller's.
    let is_done = unsafe { run(cpu, header, number) && go_on(cpu, header, number) };
    cpu.live.flags = pack(cpu.flags);
    u32::from(is_done)
}
/// The last op of a block: where its code goes on, or 0 for the run loop.
///
/// # Safety
/// As [`plain`].
pub unsafe extern "sysv64" fn last(cpu: &mut Cpu, header: *const Op, number: u32) -> usize {
    cpu.flags = unpack(cpu.live.flags);
    // SAFETY: the caller's. With its fetch key gone, the CPU runs no op of another block, so the block's own may be used:
    // one for a comparison and the branch behind it looks at both.
    unsafe {
        place(cpu, header);
        let mut op = header.add(number as usize);
        while !op.is_null() {
            op = ((*op).handler)(cpu, op);
        }
    }
    cpu.live.flags = pack(cpu.flags);
    // SAFETY: the header is that of a live block.
    let needs_run_loop = unsafe { (*header).aux & crate::cpu::op::NEEDS_RUN_LOOP != 0 };
    if needs_run_loop || cpu.pending != Pending::Nothing {
        return 0;
    }
    let rip = cpu.rip;
    let jump = cpu.blocks.jumps[BlockCache::jump_slot(rip)];
    if jump.rip != rip || jump.key != cpu.live.key || jump.code == cpu.live.uncompiled {
        return 0;
    }
    cpu.live.code_page = rip & !(PAGE - 1);
    jump.code
}
