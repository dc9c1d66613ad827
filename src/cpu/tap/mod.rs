//! Taps: an observer that is shown what happens, at once, with the CPU to look at and nothing to change.
//!
//! Other than a probe, a tap does not end the run. What it is shown for a stretch of history depends on that history alone:
//! not on where runs end, which engine executes, or how large its caches are. So an instruction is shown when it retires,
//! once, however often it was begun. What nobody wants costs nothing.

mod memory;

use super::Cpu;
use super::block::Block;
use super::bus::Bus;
use super::op::Op;
use super::probe::Offsets;
use super::run::Exit;
use super::state::gpr;
use memory::Moves;

/// How a program asked the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// SYSCALL.
    Syscall,
    /// SYSENTER.
    Sysenter,
    /// INT 0x80.
    Interrupt,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// CPL 3 made a system call; the CPU stands at the kernel's first instruction.
    Syscall {
        /// By which instruction.
        gate: Gate,
        /// The instruction behind it.
        return_to: u64,
    },
    /// An instruction of a lower CPL entered CPL 3.
    UserReturn,
    /// An exception or interrupt was delivered; the CPU stands at its handler.
    Delivery {
        /// 0..=255.
        vector: u8,
        /// The error code, if this one has one.
        error: Option<u32>,
        /// CR2, for page faults.
        address: Option<u64>,
        /// INTR or NMI.
        is_external: bool,
        /// INT n, INT3, INTO.
        is_software: bool,
        /// The saved instruction pointer.
        rip: u64,
        /// The interrupted code was at CPL 3.
        from_user: bool,
    },
    /// The instruction at a linear address that was asked for retired; the registers shown are those in front of it.
    Executed {
        /// The address.
        at: u64,
    },
    /// Instructions retired one behind the other.
    Block {
        /// The linear address of the first.
        from: u64,
        /// The address behind the last.
        to: u64,
    },
    /// The CPU begins an instruction; it begins it anew if it faults and is returned to.
    Begun {
        /// Its linear address.
        at: u64,
    },
    /// Bytes of RAM were read or written, at most 8 and inside one page, by an instruction that retired or by the CPU itself. The
    /// registers shown are those in front of the instruction.
    Memory {
        /// Linear address; none for accessed and dirty bits.
        linear: Option<u64>,
        /// Guest-physical address.
        physical: u64,
        /// Bytes.
        size: u8,
        /// A write, else a read.
        is_write: bool,
        /// What was there.
        old: u64,
        /// What is there now.
        new: u64,
    },
    /// A port was accessed.
    Port {
        /// Which.
        port: u16,
        /// 1, 2 or 4.
        size: u8,
        /// A write, else a read.
        is_write: bool,
        /// What was moved.
        value: u32,
    },
    /// Device memory was accessed.
    Mmio {
        /// Guest-physical address.
        physical: u64,
        /// Bytes.
        size: u8,
        /// A write, else a read.
        is_write: bool,
        /// What was moved.
        value: u64,
    },
    /// The first serial port sent bytes: those behind this many of [`super::bus::Bus::console`].
    Console {
        /// Bytes that are not new.
        from: usize,
    },
    /// Time passed while the CPU was halted.
    Idle {
        /// Nanoseconds since power-on, behind it.
        until_ns: u64,
    },
}

/// Registers in front of an instruction that has retired since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// General registers in encoding order.
    pub regs: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// The privilege level.
    pub cpl: u8,
}

/// Something that happened, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Instructions retired in front of the instruction or delivery.
    pub moment: u64,
    /// The registers to be shown, where those of the CPU are behind.
    pub front: Option<&'a Front>,
    /// What happened.
    pub what: What,
}

/// Who is shown what happens.
pub trait Tap {
    /// Called between instructions, or from inside one that is about to retire. `cpu` is all there is to see.
    fn see(&mut self, cpu: &Cpu, seen: &Seen<'_>);
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Linear addresses of whatever address space, else guest-physical ones.
    pub is_linear: bool,
    /// The first.
    pub from: u64,
    /// The last.
    pub last: u64,
}

/// What a tap wants to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// [`What::Syscall`].
    pub syscalls: bool,
    /// [`What::UserReturn`].
    pub user_returns: bool,
    /// [`What::Delivery`].
    pub deliveries: bool,
    /// [`What::Executed`] for these linear addresses, ascending.
    pub executed: Vec<u64>,
    /// [`What::Block`]; nothing is translated then.
    pub blocks: bool,
    /// [`What::Begun`]; each instruction runs alone then.
    pub begun: bool,
    /// [`What::Memory`] for reads of these bytes.
    pub reads: Vec<Bytes>,
    /// [`What::Memory`] for writes.
    pub writes: Vec<Bytes>,
    /// [`What::Port`].
    pub ports: bool,
    /// [`What::Mmio`].
    pub mmio: bool,
    /// [`What::Console`].
    pub console: bool,
    /// [`What::Idle`].
    pub idle: bool,
}

impl Wanted {
    fn has_memory(&self) -> bool {
        !self.reads.is_empty() || !self.writes.is_empty()
    }
}

/// What is wanted, and who wants it while the CPU runs.
#[derive(Default)]
pub struct Taps {
    wanted: Wanted,
    /// Offsets in a page of the addresses in `wanted.executed`.
    offsets: Offsets,
    /// Accesses to memory are wanted.
    has_memory: bool,
    /// Accesses of the instruction that runs.
    moves: Box<Moves>,
    tap: Option<*mut dyn Tap>,
}

impl Taps {
    /// True if the instruction at this linear address is wanted.
    pub(super) fn stops_at(&self, address: u64) -> bool {
        self.offsets.has(address) && self.wanted.executed.binary_search(&address).is_ok()
    }
    /// Nobody taps.
    pub(super) fn forget(&mut self) {
        self.tap = None;
    }
    /// Blocks are to be run one by one, without generated code.
    pub(super) fn has_blocks(&self) -> bool {
        self.wanted.blocks
    }
    /// Each instruction is to be run alone.
    pub(super) fn has_begun(&self) -> bool {
        self.wanted.begun
    }
    /// Accesses to memory are wanted.
    #[inline(always)]
    pub(super) fn has_memory(&self) -> bool {
        self.has_memory
    }
}

impl Cpu {
    /// Shows `wanted` to whoever taps the CPU from now on, instead of what was shown before.
    pub fn tap(&mut self, wanted: Wanted) {
        if self.taps.wanted == wanted {
            return;
        }
        debug_assert!(wanted.executed.is_sorted());
        let is_other_code = wanted.executed != self.taps.wanted.executed;
        self.taps.offsets = Offsets::default();
        wanted.executed.iter().for_each(|&at| self.taps.offsets.add(at));
        let is_other_memory = (&wanted.reads, &wanted.writes) != (&self.taps.wanted.reads, &self.taps.wanted.writes);
        self.taps.wanted = wanted;
        if is_other_memory {
            self.taps.has_memory = self.taps.wanted.has_memory();
            self.tlb.keep_hidden(self.taps.has_memory);
            self.flush_translations();
        }
        if is_other_code {
            let offsets = self.taps.offsets.clone();
            self.cut_blocks(&offsets);
            // Jump cache and links may lead to what is wanted now.
            self.blocks.mappings_changed();
            self.update_mode();
        }
    }
    /// As [`Cpu::run`], and `tap` is shown what [`Cpu::tap`] asked for.
    pub fn run_tapped(&mut self, bus: &mut (dyn Bus + 'static), until: u64, tap: &mut dyn Tap) -> Exit {
        let tap: *mut (dyn Tap + '_) = tap;
        // SAFETY: only the lifetime is another, and the pointer is gone before that ends: below, or, after a panic, when the CPU
        // is run again, and nothing but a run uses it.
        self.taps.tap = Some(unsafe { std::mem::transmute::<*mut (dyn Tap + '_), *mut (dyn Tap + 'static)>(tap) });
        let exit = self.run_as_tapped(bus, until);
        self.taps.forget();
        exit
    }
    fn show(&mut self, moment: u64, front: Option<&Front>, what: What) {
        let Some(tap) = self.taps.tap.take() else { return };
        // SAFETY: `run_tapped` holds the exclusive borrow that this pointer came from until it clears it; the tap gets the CPU
        // without the pointer, so that it is not used twice.
        unsafe { (*tap).see(self, &Seen { moment, front, what }) };
        self.taps.tap = Some(tap);
    }

    /// Virtual nanoseconds since power-on at a Moment of the running stretch; only for a tap that is being shown something.
    pub fn clock_ns(&self, moment: u64) -> u64 {
        self.bus.map_or(0, |bus| {
            // SAFETY: the pointer is good while the CPU runs, and nothing else uses the bus while a tap looks.
            unsafe { (*bus).clock_ns(moment) }
        })
    }
    /// What the guest has sent; as [`Cpu::clock_ns`].
    pub fn console(&self) -> &[u8] {
        self.bus.map_or(&[], |bus| {
            // SAFETY: as in `clock_ns`.
            unsafe { (*bus).console() }
        })
    }

    /// The Moment in front of the running instruction, the last of its block.
    fn moment_of_last(&self) -> u64 {
        self.icount() - 1
    }
    /// The instruction of a system call is done.
    #[inline]
    pub(super) fn tap_syscall(&mut self, from_cpl: u8, gate: Gate, return_to: u64) {
        if self.taps.wanted.syscalls && from_cpl == 3 {
            self.show(self.moment_of_last(), None, What::Syscall { gate, return_to });
        }
    }
    /// An instruction that may have changed the privilege level is done.
    #[inline]
    pub(super) fn tap_return(&mut self, from_cpl: u8) {
        if self.taps.wanted.user_returns && from_cpl != 3 && self.state.cpl == 3 {
            self.show(self.moment_of_last(), None, What::UserReturn);
        }
    }
    /// An event was delivered: by the instruction that runs if `is_inside`, else between two.
    #[inline]
    pub(super) fn tap_delivery(&mut self, is_inside: bool, delivery: impl FnOnce() -> What) {
        if self.taps.wanted.deliveries {
            let moment = self.icount() - u64::from(is_inside);
            self.show(moment, None, delivery());
        }
    }
    /// The console's bytes so far, before a port is written; `None` if nobody wants to know.
    pub(super) fn console_before(&self) -> Option<usize> {
        self.taps.wanted.console.then(|| self.console().len())
    }
    /// A port was written.
    pub(super) fn tap_console(&mut self, before: Option<usize>) {
        if let Some(from) = before.filter(|&from| self.console().len() > from) {
            self.show(self.now(), None, What::Console { from });
        }
    }
    /// Time passed while the CPU was halted.
    pub fn tap_idle(&mut self, tap: &mut dyn Tap, until_ns: u64) {
        if self.taps.wanted.idle {
            let seen = Seen { moment: self.icount(), front: None, what: What::Idle { until_ns } };
            tap.see(self, &seen);
        }
    }
    /// The registers as they are now.
    pub(super) fn front(&self) -> Front {
        let mut regs = [0; 16];
        regs.copy_from_slice(&self.regs[..16]);
        Front { regs, rip: self.rip, cpl: self.state.cpl }
    }
    /// A wanted instruction retired.
    pub(super) fn tap_executed(&mut self, moment: u64, front: &Front, at: u64) {
        self.show(moment, Some(front), What::Executed { at });
    }
    /// The next instruction is about to begin.
    pub(super) fn tap_begun(&mut self) {
        let at = self.code_address();
        self.show(self.icount(), None, What::Begun { at });
    }
    /// Where a block begins that is about to run and to be paid for: its Moment and linear address.
    #[inline(always)]
    pub(super) fn block_start(&self) -> Option<(u64, u64)> {
        self.taps.wanted.blocks.then(|| (self.icount(), self.code_address()))
    }
    /// A block was run and left, wherever that was.
    ///
    /// # Safety
    /// `header` is the header of a block that is alive or was killed since it was begun.
    pub(super) unsafe fn tap_block(&mut self, start: Option<(u64, u64)>, header: *const Op) {
        let Some((moment, from)) = start else { return };
        let retired = self.icount() - moment;
        // SAFETY: the caller's; a header's `imm` is the address of its block, and its ops are behind it.
        let len = unsafe {
            if retired >= u64::from((*header).rest) {
                (*((*header).imm as *const Block)).bytes()
            } else {
                u64::from((*header.add(retired as usize + 1)).offset)
            }
        };
        if retired > 0 {
            self.show(moment, None, What::Block { from, to: from.wrapping_add(len) });
        }
    }
    /// The registers in front of the instruction that runs, which has changed none yet.
    fn front_inside(&self) -> Front {
        let mut front = self.front();
        if self.in_flight != 0 {
            // It is a block of its own.
            front.rip = self.regs[gpr::BLOCK] & self.rip_mask();
        }
        front
    }
    /// A port was accessed.
    pub(super) fn tap_port(&mut self, port: u16, size: u8, is_write: bool, value: u32) {
        if self.taps.wanted.ports {
            let front = self.front_inside();
            self.show(self.now(), Some(&front), What::Port { port, size, is_write, value });
        }
    }
    /// Device memory was accessed.
    pub(super) fn tap_mmio(&mut self, physical: u64, size: u8, is_write: bool, value: u64) {
        if self.taps.wanted.mmio {
            let front = self.front_inside();
            self.show(self.now(), Some(&front), What::Mmio { physical, size, is_write, value });
        }
    }
}
