//! What the instructions do, one file a family. These are the threaded handlers of `op::Handler`; a family's
//! meaning is written once, as a pure function on values, and handlers only fetch and put operands.

pub mod alu;
pub mod bits;
pub mod branch;
pub mod data;
pub mod muldiv;
pub mod place;
pub mod shift;
pub mod stack;
pub mod string;
pub mod x87;

use super::Cpu;
use super::fault::Stop;
use super::op::{Handler, Op, Slow};
use super::state::gpr;

/// Goes on with the next op of the block.
///
/// # Safety
/// `op` is an op of the running block, and not its last.
#[inline(always)]
pub(crate) unsafe fn next(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: the caller says that an op follows; handlers expect exactly this.
    unsafe {
        let op = op.add(1);
        // In optimised builds this is a sibling call, which becomes a jump; otherwise the loop does it.
        if cfg!(debug_assertions) { op } else { ((*op).handler)(cpu, op) }
    }
}

/// Leaves the block before `op`: it did not complete, `Cpu::pending` says why.
#[cold]
#[inline(never)]
pub(crate) fn leave(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: `op` is an op of the running block.
    let op = unsafe { &*op };
    cpu.budget += i64::from(op.rest);
    cpu.rip = cpu.regs[gpr::BLOCK].wrapping_add(u64::from(op.offset)) & cpu.rip_mask();
    std::ptr::null()
}

/// Goes to `rip` after the block's last instruction: straight into the next block if the jump cache knows it,
/// else back to the run loop.
///
/// # Safety
/// Only as the last thing of a block's last op.
#[inline(always)]
pub(crate) unsafe fn chain(cpu: &mut Cpu, rip: u64) -> *const Op {
    // SAFETY: the slot is inside the jump cache, and an entry with the current key leads to a live block.
    unsafe {
        let jump = cpu.blocks.jumps.as_ptr().add(super::block::BlockCache::jump_slot(rip));
        if (*jump).rip == rip && (*jump).key == cpu.fetch_key {
            let budget = cpu.budget - i64::from((*(*jump).header).rest);
            if budget >= 0 {
                cpu.budget = budget;
                cpu.block = (*jump).header;
                cpu.regs[gpr::BLOCK] = rip;
                let op = (*jump).header.add(1);
                return if cfg!(debug_assertions) { op } else { ((*op).handler)(cpu, op) };
            }
        }
    }
    cpu.rip = rip;
    std::ptr::null()
}

/// Where a direct branch went before: the ops that follow a branch op in its block are these two words twice, for
/// the taken and the other way. A link is valid while its key is the current one. Links stay inside one page, because
/// the same physical block may run at another linear address, where only the page it is in is sure to be the same; for
/// the same reason none leads to an instruction that straddles two pages.
#[repr(C)]
pub(crate) struct Link {
    /// `Cpu::fetch_key` when it was made.
    key: u64,
    header: *const Op,
}

const _: () = assert!(size_of::<[Link; 2]>() == size_of::<Op>());

/// The slot behind a branch op, with links that are never valid.
pub(crate) fn unused_links() -> Op {
    // SAFETY: an Op is integers and one function pointer, which is not null and is never called: a branch does not run
    // on into its links. As a link key this value is neither NO_KEY nor any epoch that will ever be reached.
    unsafe { std::mem::transmute::<[u8; size_of::<Op>()], Op>([0xfe; size_of::<Op>()]) }
}

/// Goes to `rip` in the same way as [`chain`], by the link that belongs to this way of the branch.
///
/// # Safety
/// As [`chain`]; `branch` is a branch op, which decode has given a slot for its links.
#[inline(always)]
pub(crate) unsafe fn chain_by_link(cpu: &mut Cpu, branch: *const Op, way: usize, rip: u64) -> *const Op {
    // SAFETY: the slot behind a branch op belongs to its links; a link with the current key leads to a live block.
    unsafe {
        let link = branch.add(1).cast::<Link>().add(way);
        if (*link).key == cpu.fetch_key {
            let header = (*link).header;
            let budget = cpu.budget - i64::from((*header).rest);
            if budget >= 0 {
                cpu.budget = budget;
                cpu.block = header;
                cpu.regs[gpr::BLOCK] = rip;
                let op = header.add(1);
                return if cfg!(debug_assertions) { op } else { ((*op).handler)(cpu, op) };
            }
        }
        make_link(cpu, link.cast_mut(), rip)
    }
}

/// [`chain`], remembering the way if the target is in the same page. Its ABI is that of handlers: only a call that cannot
/// unwind becomes a jump, and a stack that grows with each branch overflows.
///
/// # Safety
/// As [`chain_by_link`].
#[cold]
#[inline(never)]
unsafe extern "C" fn make_link(cpu: &mut Cpu, link: *mut Link, rip: u64) -> *const Op {
    // SAFETY: as `chain`; the link belongs to the running block, which nothing else borrows.
    unsafe {
        let jump = cpu.blocks.jumps[super::block::BlockCache::jump_slot(rip)];
        let is_near = (rip ^ cpu.regs[gpr::BLOCK]) < crate::cpu::phys::PAGE;
        let is_free = !cpu.probes.offsets().has(rip);
        if is_free && is_near && jump.rip == rip && jump.key == cpu.fetch_key && is_in_one_page(jump.header) {
            link.write(Link { key: jump.key, header: jump.header });
        }
        chain(cpu, rip)
    }
}

/// False for an instruction that straddles two pages: at another linear address the second page may be another.
///
/// # Safety
/// `header` is the header of a live block.
unsafe fn is_in_one_page(header: *const Op) -> bool {
    // SAFETY: a header's `imm` is the address of its block.
    unsafe { (*((*header).imm as *const super::block::Block)).pages.1.is_none() }
}

/// The end of a block that does not end in a branch: goes on behind its last instruction.
pub(crate) unsafe extern "C" fn fall_through(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: this is the last op of the running block.
    unsafe { chain(cpu, cpu.regs[gpr::BLOCK].wrapping_add((*op).imm) & cpu.rip_mask()) }
}

unsafe fn call_slow(cpu: &mut Cpu, op: *const Op) -> Result<(), Stop> {
    // SAFETY: decode put a `Slow` function into `imm` of ops with these handlers, and its instruction into the block.
    unsafe {
        let o = &*op;
        let f: Slow = std::mem::transmute::<usize, Slow>(o.imm as usize);
        let insn = cpu.instruction(o);
        cpu.rip = cpu.regs[gpr::BLOCK].wrapping_add(u64::from(o.offset) + u64::from(o.len)) & cpu.rip_mask();
        f(cpu, o, &*insn)
    }
}

/// A [`Slow`] instruction in the middle of a block: it does not change control flow or mode.
pub(crate) unsafe extern "C" fn slow(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: as `call_slow`; an op follows.
    unsafe {
        match call_slow(cpu, op) {
            Ok(()) => next(cpu, op),
            Err(Stop) => leave(cpu, op),
        }
    }
}

/// A [`Slow`] instruction that ends its block and goes back to the run loop.
pub(crate) unsafe extern "C" fn slow_last(cpu: &mut Cpu, op: *const Op) -> *const Op {
    // SAFETY: as `call_slow`.
    unsafe {
        match call_slow(cpu, op) {
            Ok(()) => std::ptr::null(),
            Err(Stop) => leave(cpu, op),
        }
    }
}

impl Cpu {
    /// All ones up to the width of the instruction pointer.
    #[inline(always)]
    pub(crate) fn rip_mask(&self) -> u64 {
        self.rip_width
    }
}

/// Writes a handler body: runs `$body` (a `Result<(), Stop>`), then the next op or out.
macro_rules! handler {
    ($cpu:ident, $op:ident, $body:block) => {{
        // SAFETY: handlers run on an op of the running block that is not its last.
        unsafe {
            let o = &*$op;
            match (|$cpu: &mut Cpu, $op: &Op| -> Result<(), Stop> {
                let _ = $op;
                $body
            })($cpu, o)
            {
                Ok(()) => $crate::cpu::exec::next($cpu, $op),
                Err(Stop) => $crate::cpu::exec::leave($cpu, $op),
            }
        }
    }};
}
pub(crate) use handler;

/// As [`handler`], for operands that come on two paths (see [`place::Path`]): where the fast one fails, the op goes
/// to `$full`.
macro_rules! two_path_handler {
    ($cpu:ident, $op:ident, $is_full:expr, $full:expr, $body:block) => {{
        // SAFETY: as `handler`; a failed fast path has changed nothing, so the same op may run again.
        unsafe {
            let o = &*$op;
            match (|$cpu: &mut Cpu, $op: &Op| -> Result<(), Stop> {
                let _ = $op;
                $body
            })($cpu, o)
            {
                Ok(()) => $crate::cpu::exec::next($cpu, $op),
                Err(Stop) if $is_full => $crate::cpu::exec::leave($cpu, $op),
                Err(Stop) => $full($cpu, $op),
            }
        }
    }};
}
pub(crate) use two_path_handler;

/// Picks `$f::<.., W, ..>` by an operand size in bytes.
macro_rules! by_width {
    ($bytes:expr, $W:ident => $f:expr) => {
        match $bytes {
            1 => {
                type $W = u8;
                let handler: $crate::cpu::op::Handler = $f;
                handler
            }
            2 => {
                type $W = u16;
                let handler: $crate::cpu::op::Handler = $f;
                handler
            }
            4 => {
                type $W = u32;
                let handler: $crate::cpu::op::Handler = $f;
                handler
            }
            _ => {
                type $W = u64;
                let handler: $crate::cpu::op::Handler = $f;
                handler
            }
        }
    };
}
pub(crate) use by_width;

/// What decode learns about an instruction: its handler, and whether it must be the last of its block.
#[derive(Clone, Copy)]
pub struct Choice {
    /// The handler.
    pub handler: Handler,
    /// It ends the block.
    pub is_last: bool,
}
