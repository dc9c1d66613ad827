//! x86-64 as a pure thing: registers, paging, decoded blocks and the meaning of every instruction.
//!
//! The CPU reaches RAM through [`phys::PhysMemory`] and everything else through the [`bus::Bus`] trait. It
//! reads nothing of the host. `unsafe` here is raw access to guest RAM and to decoded blocks.

pub mod access;
pub mod block;
pub mod bus;
pub mod debug;
pub mod decode;
pub mod exec;
pub mod fault;
pub mod flags;
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(reenact_portable)))]
mod jit;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(reenact_portable))))]
#[path = "jit_none.rs"]
mod jit;
pub mod op;
pub mod paging;
pub mod phys;
pub mod probe;
pub mod run;
pub mod simd;
pub mod softfloat;
pub mod state;
pub mod system;
pub mod tap;
pub mod tlb;
pub mod word;
pub mod x87;

use block::BlockCache;
use bus::Bus;
use fault::{Fault, Pending, Stop};
use flags::{Flags, bit};
use op::Op;
use phys::PhysMemory;
use state::{State, attr, cr, gpr, seg};
use tlb::{Class, Entry, Tlb};

/// One x86-64 processor. The first fields are what every instruction touches.
#[repr(C)]
pub struct Cpu {
    /// General registers in encoding order, then [`gpr::ZERO`] and [`gpr::BLOCK`].
    pub regs: [u64; gpr::SLOTS],
    /// The six status flags.
    pub flags: Flags,
    /// Instructions that may still be retired before `deadline`. Blocks subtract their length on entry.
    pub(crate) budget: i64,
    /// The enter op of the running block.
    pub(crate) block: *const Op,
    pub(crate) tlb_base: *mut Entry,
    pub(crate) tlb_mask: u64,
    /// What generated code keeps here.
    pub(crate) live: jit::Live,
    /// What entries of the jump cache must carry to be valid now: see [`block`].
    pub(crate) fetch_key: u64,
    /// All ones up to the width of RIP in this mode.
    pub(crate) rip_width: u64,
    /// The instruction pointer (offset in CS); inside a block only valid after the block was left.
    pub rip: u64,
    /// RFLAGS without its six status bits.
    pub(crate) rflags_rest: u64,
    /// The Moment at which `budget` is zero.
    pub(crate) deadline: u64,
    pub(crate) pending: Pending,
    /// XMM registers.
    pub xmm: [u128; 16],
    /// SIMD control and status.
    pub mxcsr: u32,
    /// x87 and MMX registers.
    pub x87: x87::X87,
    /// All other registers.
    pub state: State,
    pub(crate) class: Class,
    /// True while the running instruction may touch what is special: see [`Pending::Alone`].
    pub(crate) is_alone: bool,
    /// 1 while an instruction that runs alone is charged but not yet retired, else 0.
    pub(crate) in_flight: u8,
    /// The running instruction takes no single-step trap: SYSCALL and software interrupts that clear TF.
    pub(crate) is_step_hidden: bool,
    bus: Option<*mut dyn Bus>,
    pub(crate) probes: probe::Probes,
    taps: tap::Taps,
    /// The Moment at which a repeated string instruction was left between two iterations; else any other.
    pub(crate) repeating_at: u64,
    pub(crate) tlb: Tlb,
    /// RAM.
    pub phys: PhysMemory,
    pub(crate) tables: paging::Tables,
    pub(crate) blocks: BlockCache,
    /// The translator, if this CPU runs by one.
    pub(crate) jit: Option<Box<jit::Jit>>,
}

// SAFETY: the raw pointers are into memory that this value owns, or into the RAM of the machine that owns it.
unsafe impl Send for Cpu {}

impl Cpu {
    /// RFLAGS as PUSHF would store it, all bits.
    pub fn rflags(&self) -> u64 {
        self.rflags_rest | self.flags.bits()
    }
    /// Replaces all of RFLAGS; bits that do not exist are dropped, bit 1 is set.
    pub fn set_rflags(&mut self, value: u64) {
        self.flags = Flags::from_bits(value);
        let old = self.rflags_rest;
        self.rflags_rest = (value & bit::ALL & !bit::STATUS) | bit::FIXED;
        if (old ^ self.rflags_rest) & (bit::AC | bit::VM | bit::TF | bit::RF) != 0 {
            self.update_mode();
        }
    }
    /// True if the bit (see [`flags::bit`], not a status flag) is set.
    #[inline]
    pub fn has_rflag(&self, mask: u64) -> bool {
        self.rflags_rest & mask != 0
    }
    /// I/O privilege level.
    pub fn iopl(&self) -> u8 {
        ((self.rflags_rest & bit::IOPL) >> 12) as u8
    }
    /// Protection is on (CR0.PE).
    pub fn is_protected(&self) -> bool {
        self.state.cr0 & cr::CR0_PE != 0
    }
    /// Virtual-8086 mode.
    pub fn is_v86(&self) -> bool {
        self.rflags_rest & bit::VM != 0
    }
    /// Long mode is active (EFER.LMA): 64-bit or compatibility mode.
    pub fn is_long(&self) -> bool {
        self.state.is_long()
    }
    /// 64-bit mode: long mode with a 64-bit code segment.
    pub fn is_64bit(&self) -> bool {
        self.is_long() && self.state.seg[seg::CS].attr & attr::L != 0
    }
    /// Width of the stack pointer in bytes: 8, 4 or 2.
    pub fn stack_bytes(&self) -> u8 {
        if self.is_64bit() {
            8
        } else if self.state.seg[seg::SS].attr & attr::DB != 0 {
            4
        } else {
            2
        }
    }
    /// Default operand size of the code segment in bytes: 8 stands for 64-bit mode.
    pub fn code_bytes(&self) -> u8 {
        if self.is_64bit() {
            8
        } else if self.state.seg[seg::CS].attr & attr::DB != 0 {
            4
        } else {
            2
        }
    }
    /// Refuses the running instruction with an exception.
    #[cold]
    pub fn fault<T>(&mut self, fault: Fault) -> Result<T, Stop> {
        self.pending = Pending::Fault(fault);
        Err(Stop)
    }
    /// Has the running instruction executed again alone in its block, unless it already is.
    pub fn must_be_alone(&mut self) -> Result<(), Stop> {
        if self.is_alone {
            return Ok(());
        }
        self.pending = Pending::Alone;
        Err(Stop)
    }
    /// What the CPU is wired to. Only inside [`Cpu::run`].
    pub(crate) fn bus(&mut self) -> &mut dyn Bus {
        let bus = self.bus.expect("the bus is set for as long as the CPU runs");
        // SAFETY: run() holds the exclusive borrow that this pointer came from until it clears it.
        unsafe { &mut *bus }
    }
    /// Instructions retired before the one that runs alone now (or so far, between instructions).
    pub(crate) fn now(&self) -> u64 {
        debug_assert!(self.is_alone);
        self.icount() - u64::from(self.in_flight)
    }
    /// Instructions retired, counting every block that was entered as a whole.
    pub fn icount(&self) -> u64 {
        self.deadline.wrapping_sub(self.budget as u64)
    }
    /// Declares how many instructions have been retired. For restoring a state.
    pub fn set_icount(&mut self, icount: u64) {
        self.deadline = icount;
        self.budget = 0;
    }
    /// False when the CPU is halted and no maskable interrupt would be taken.
    pub fn can_be_woken(&self) -> bool {
        !self.state.is_halted || self.has_rflag(bit::IF)
    }
}
