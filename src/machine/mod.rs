//! The machine: CPU, RAM and the PC's chips, as a pure function of its initial state and its Inputs.
//!
//! Nothing in here reads the host. Time is the Moment plus what the clock advanced while the CPU was halted.

pub mod acpi;
pub mod boot;
pub mod clock;
pub mod device;
pub mod digest;
pub mod pc;
pub mod ram;
mod saved;
pub mod transcript;

use crate::cpu::Cpu;
pub use crate::cpu::block::{Engine, Geometry};
use crate::cpu::phys::PAGE;
use crate::cpu::run::Exit as CpuExit;
use crate::cpu::tap::Tap;
use crate::moment::Moment;
use boot::{BootError, BootPlan};
use device::rtc::RamSize;
use digest::{Hash, PageHashes, PageSet};
use pc::{Pc, PcConfig, PcError, PcExit};
use ram::{Ram, RamError};
pub use saved::{CpuState, MachineState};

/// The CPU model that this build has, by name and version: stored in recordings.
pub use crate::cpu::system::cpuid::{MODEL as CPU_MODEL, VERSION as CPU_MODEL_VERSION};

/// What a machine is made from.
pub struct MachinePlan {
    /// RAM in bytes.
    pub ram_bytes: u64,
    /// Wall-clock time that the real-time clock starts at, ns since 1970.
    pub wall_clock_ns: u64,
    /// What to load.
    pub boot: BootPlan,
}

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// RAM.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// Kernel or initrd.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A saved state.
    #[error(transparent)]
    State(#[from] PcError),
}

/// Why [`Machine::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The Moment asked for is reached.
    Limit,
    /// The CPU is halted until the given virtual time (ns since power-on), or until an Input.
    Halted {
        /// When the next timer is due, if any.
        until_ns: Option<u64>,
    },
    /// The guest ended the run.
    Pc(PcExit),
    /// Triple fault.
    Shutdown,
    /// The CPU is halted with interrupts off, or no timer can wake it.
    Dead,
    /// Something that is observed happened: see `Cpu::take_hits`.
    Observed,
}

/// Timer events in a row that do not wake a halted CPU before it counts as dead.
const EVENTS_UNTIL_DEAD: u32 = 1 << 20;

/// A whole virtual machine.
pub struct Machine {
    /// The processor.
    pub cpu: Cpu,
    /// Everything else on the board.
    pub pc: Pc,
    ram: Ram,
    hashes: PageHashes,
    /// Pages written since their hash was taken, and since they were last asked for.
    unhashed: PageSet,
    unclaimed: PageSet,
}

impl Machine {
    /// A machine just before its first instruction.
    pub fn new(plan: &MachinePlan, geometry: Geometry) -> Result<Machine, MachineError> {
        let ram = Ram::new(plan.ram_bytes)?;
        let entry = boot::load(ram.memory(), plan.ram_bytes, &plan.boot)?;
        let mut cpu = Cpu::new(ram.view(), geometry);
        saved::enter(&mut cpu, &entry);
        let mut machine = Machine::of(cpu, board(plan), ram);
        machine.mark_loaded();
        Ok(machine)
    }
    /// A machine in a saved state. RAM is the caller's: it is zero until pages are loaded.
    pub fn in_state(ram_bytes: u64, state: &MachineState, geometry: Geometry) -> Result<Machine, MachineError> {
        let ram = Ram::new(ram_bytes)?;
        let mut cpu = Cpu::new(ram.view(), geometry);
        cpu.restore(&state.cpu, state.icount);
        Ok(Machine::of(cpu, Pc::restore(state.pc.clone())?, ram))
    }
    fn of(cpu: Cpu, pc: Pc, ram: Ram) -> Machine {
        let pages = cpu.phys.page_count();
        let hashes = PageHashes::of_zeros(pages);
        let (unhashed, unclaimed) = (PageSet::new(pages), PageSet::new(pages));
        Machine { cpu, pc, ram, hashes, unhashed, unclaimed }
    }
    /// Pages that the loader wrote are dirty; the untouched rest is known to be zero.
    fn mark_loaded(&mut self) {
        for i in 0..self.cpu.phys.page_count() {
            let is_loaded = self.ram.is_loaded(self.cpu.phys.page_address(i));
            debug_assert!(is_loaded || self.cpu.phys.page_bytes(i) == [0; PAGE as usize].as_slice());
            if is_loaded {
                self.cpu.phys.mark_dirty(i);
            }
        }
    }
    /// Where the machine stands.
    pub fn now(&self) -> Moment {
        Moment(self.cpu.icount())
    }
    /// Virtual nanoseconds since power-on.
    pub fn clock_ns(&self) -> u64 {
        self.pc.now_ns(self.cpu.icount())
    }
    /// RAM.
    pub fn ram(&self) -> &Ram {
        &self.ram
    }

    /// Runs until `limit`, or until the guest ends the run, or (with `waits`) until the CPU is halted. Without
    /// `waits` a halted CPU is taken to its next timer event at once.
    ///
    /// Stopping at a limit and going on changes nothing: running to M and then to N is running to N.
    pub fn run(&mut self, limit: Moment, waits: bool) -> Exit {
        self.run_with(limit, waits, None)
    }
    /// As [`Machine::run`], and `tap` is shown what `Cpu::tap` asked for.
    pub fn run_tapped(&mut self, limit: Moment, waits: bool, tap: &mut dyn Tap) -> Exit {
        self.run_with(limit, waits, Some(tap))
    }
    fn run_with(&mut self, limit: Moment, waits: bool, mut tap: Option<&mut dyn Tap>) -> Exit {
        let mut idle_events = 0;
        loop {
            let now = self.cpu.icount();
            if let Some(exit) = self.pc.take_exit() {
                return Exit::Pc(exit);
            }
            if now >= limit.0 {
                return Exit::Limit;
            }
            self.pc.advance(self.pc.now_ns(now));
            let until = match self.pc.arm() {
                Some(ns) => limit.0.min(now + ns.saturating_sub(self.pc.now_ns(now))),
                None => limit.0,
            };
            let exit = match &mut tap {
                Some(tap) => self.cpu.run_tapped(&mut self.pc, until, *tap),
                None => self.cpu.run(&mut self.pc, until),
            };
            match exit {
                CpuExit::Limit | CpuExit::Stopped => {}
                CpuExit::Shutdown => return Exit::Shutdown,
                CpuExit::Observed => return Exit::Observed,
                CpuExit::Halted => {
                    if self.cpu.icount() >= limit.0 {
                        return Exit::Limit;
                    }
                    let until_ns = self.pc.next_event_ns();
                    if !self.cpu.can_be_woken() {
                        return Exit::Dead;
                    }
                    idle_events = if self.cpu.icount() == now { idle_events + 1 } else { 0 };
                    if waits {
                        return Exit::Halted { until_ns };
                    }
                    let Some(ns) = until_ns.filter(|_| idle_events < EVENTS_UNTIL_DEAD) else { return Exit::Dead };
                    let ns = ns.saturating_sub(self.clock_ns());
                    match &mut tap {
                        Some(tap) => self.advance_halted_tapped(ns, *tap),
                        None => self.advance_halted(ns),
                    }
                }
            }
        }
    }

    /// Moves the clock on while the CPU is halted.
    pub fn advance_halted(&mut self, ns: u64) {
        self.pc.advance_halted(ns);
    }
    /// As [`Machine::advance_halted`], for a tap to see.
    pub fn advance_halted_tapped(&mut self, ns: u64, tap: &mut dyn Tap) {
        self.pc.advance_halted(ns);
        if ns > 0 {
            let until_ns = self.clock_ns();
            self.cpu.tap_idle(tap, until_ns);
        }
    }

    /// Up to 15 bytes of code at the instruction pointer, as far as they are mapped.
    pub fn code_bytes(&self) -> Vec<u8> {
        let cpu = &self.cpu;
        let base = if cpu.is_64bit() { 0 } else { cpu.state.seg[crate::cpu::state::seg::CS].base };
        let byte = |i: u64| {
            let gpa = cpu.translate_quietly(base.wrapping_add(cpu.rip).wrapping_add(i))?;
            let mut b = [0];
            cpu.phys.read(gpa, &mut b).map(|()| b[0])
        };
        (0..15).map_while(byte).collect()
    }

    /// RAM pages written since the last call (since power-on for the first), ascending: also those that the loader or
    /// [`Machine::load_page`] wrote.
    pub fn take_changed(&mut self) -> Vec<u32> {
        self.note_changes();
        self.unclaimed.take()
    }
    /// RAM pages written since anybody last asked (this, [`Machine::take_changed`] or [`Machine::digest`]), ascending. They stay
    /// among what the others report.
    pub fn newly_changed(&mut self) -> Vec<u32> {
        self.note_changes()
    }
    /// The BLAKE3 hash of a RAM page, as of the last [`Machine::digest`].
    pub fn page_hash(&self, index: usize) -> &Hash {
        self.hashes.page(index)
    }
    /// Replaces the bytes of a RAM page. To be followed by [`Machine::restore`], because translations are not looked at.
    pub fn load_page(&mut self, index: usize, bytes: &[u8; 4096]) {
        self.cpu.load_page(index, bytes);
    }
    fn note_changes(&mut self) -> Vec<u32> {
        let changed = self.cpu.take_dirty();
        for &page in &changed {
            self.unhashed.add(page);
            self.unclaimed.add(page);
        }
        changed
    }
    fn hash_pages(&mut self) {
        self.note_changes();
        let changed = self.unhashed.take();
        self.hashes.update(&self.cpu.phys, &changed);
    }

    /// The Digest of the whole state now.
    pub fn digest(&mut self) -> Hash {
        self.hash_pages();
        let state = self.save();
        let bytes = postcard::to_stdvec(&state).expect("plain data encodes");
        self.hashes.digest(&bytes)
    }
}

fn board(plan: &MachinePlan) -> Pc {
    let below_4g = plan.ram_bytes.min(crate::cpu::phys::LOW_LIMIT);
    let ram = RamSize { below_4g, above_4g: plan.ram_bytes - below_4g };
    Pc::new(PcConfig { unix_start: (plan.wall_clock_ns / clock::NS_PER_SECOND) as i64, ram })
}
