//! What generated code calls: the interpreter's handlers, one op at a time.
//!
//! A handler goes on with the op behind its own. Here that is an op that stops, so one instruction runs; a null from
//! the handler says, as ever, that the block was left and `Cpu::rip` is valid.

use super::is_far_from_hole;
use crate::cpu::Cpu;
use crate::cpu::block::{BlockCache, Mode, NO_KEY};
use crate::cpu::fault::Pending;
use crate::cpu::flags::{Flags, bit};
use crate::cpu::op::{CHANGES_MODE, NEEDS_RUN_LOOP, Op};
use crate::cpu::phys::PAGE;
use crate::cpu::state::gpr;
use crate::cpu::tlb::Class;

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
    // SAFETY: the caller's.
    unsafe {
        place(cpu, header);
        cpu.run_op(header.add(number as usize))
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
    // IRET may let in an NMI that waits; only the run loop can ask for one.
    let was_blocked = cpu.state.nmi_blocked;
    // SAFETY: the caller's. With its fetch key gone, the CPU runs no op of another block, so the block's own may be used:
    // one for a comparison and the branch behind it looks at both.
    unsafe {
        place(cpu, header);
        let first = header.add(number as usize);
        let (rip, rest) = (cpu.op_address(&*first), (*first).rest);
        let mut op = first;
        while !op.is_null() {
            op = ((*op).handler)(cpu, op);
        }
        cpu.tap_op(rip, rest, cpu.pending == Pending::Nothing);
    }
    cpu.live.flags = pack(cpu.flags);
    // SAFETY: the header is that of a live block.
    let after = unsafe { (*header).aux };
    if cpu.pending != Pending::Nothing || after & NEEDS_RUN_LOOP != 0 {
        return 0;
    }
    if after & CHANGES_MODE != 0 {
        return if was_blocked || cpu.needs_run_loop() { 0 } else { cpu.code_at(cpu.mode(), cpu.rip) };
    }
    missed(cpu, cpu.rip)
}

/// The code at a guest address that the jump cache does not know under the key that is in force, or 0, with the address in
/// `Cpu::rip`, for the run loop.
pub extern "sysv64" fn missed(cpu: &mut Cpu, rip: u64) -> usize {
    cpu.rip = rip;
    if cpu.live.key == NO_KEY {
        return 0;
    }
    cpu.code_at(Mode(cpu.live.key as u16), rip)
}

impl Cpu {
    /// True if the run loop has something to do before the next instruction, after one that reached no device.
    fn needs_run_loop(&mut self) -> bool {
        self.state.interrupt_shadow
            || self.state.is_halted
            || self.has_rflag(bit::TF | bit::RF)
            || self.has_breakpoints()
            || self.bus().stop_requested()
            || self.has_rflag(bit::IF) && self.bus().interrupt_pending()
    }
    /// The code of a block that generated code goes on with, looked for as the run loop does it; 0 if that has to.
    fn code_at(&mut self, mode: Mode, rip: u64) -> usize {
        if !self.probes.is_unseen()
            || self.probes.offsets().has(rip)
            || mode.0 & Mode::CODE != 2
            || !is_far_from_hole(rip)
        {
            return 0;
        }
        let key = self.current_key(mode, rip);
        if key == NO_KEY {
            return 0;
        }
        let slot = BlockCache::jump_slot(rip);
        let jump = self.blocks.jumps[slot];
        let mut code = jump.code;
        if jump.rip != rip || jump.key != key {
            let class = if self.class == Class::Checked { Class::User } else { self.class };
            if self.tlb.entry(class, rip).fetch != rip & !(PAGE - 1) {
                return 0;
            }
            let index = self.tlb.page_index(class, rip) as u32;
            let gpa = self.phys.page_address(index as usize) | (rip % PAGE);
            let is_same = jump.rip == rip
                && jump.place == BlockCache::key(gpa, mode)
                && jump.stamp == self.blocks.stamp(index)
                && code != self.live.uncompiled;
            if is_same {
                self.blocks.jumps[slot].key = key;
            } else {
                let Some(block) = self.blocks.find(gpa, mode).filter(|b| b.pages.1.is_none()) else { return 0 };
                code = self.jump_code(block.header(), rip);
                let jump = self.blocks.jump(rip, key, block, code);
                self.blocks.jumps[slot] = jump;
            }
        }
        if code == self.live.uncompiled {
            return 0;
        }
        self.live.key = key;
        self.live.code_page = rip & !(PAGE - 1);
        code
    }
}
