//! Taps: an observer that is shown what happens, at once, with the CPU to look at and nothing to change.
//!
//! Other than a probe, a tap does not end the run. What it is shown for a stretch of history depends on that history alone:
//! not on where runs end, which engine executes, or how large its caches are. So an instruction is shown when it retires,
//! once, however often it was begun. What nobody wants costs nothing.

use super::Cpu;
use super::bus::Bus;
use super::probe::Offsets;
use super::run::Exit;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub struct Seen {
    /// Instructions retired in front of the instruction or delivery.
    pub moment: u64,
    /// The registers to be shown, where those of the CPU are behind.
    pub front: Option<Front>,
    /// What happened.
    pub what: What,
}

/// Who is shown what happens.
pub trait Tap {
    /// Called between instructions, or from inside one that is about to retire. `cpu` is all there is to see.
    fn see(&mut self, cpu: &Cpu, seen: &Seen);
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
    /// [`What::Console`].
    pub console: bool,
    /// [`What::Idle`].
    pub idle: bool,
}

/// What is wanted, and who wants it while the CPU runs.
#[derive(Default)]
pub struct Taps {
    wanted: Wanted,
    /// Offsets in a page of the addresses in `wanted.executed`.
    offsets: Offsets,
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
        self.taps.wanted = wanted;
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
    fn show(&mut self, moment: u64, front: Option<Front>, what: What) {
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
    pub(super) fn tap_executed(&mut self, moment: u64, front: Front, at: u64) {
        self.show(moment, Some(front), What::Executed { at });
    }
}
