//! The local APIC of the one CPU, in xAPIC mode: priorities, acceptance and end of interrupt.
//!
//! Refused by name: x2APIC and TSC-deadline mode. There is no second CPU, so an IPI that does not name this one
//! goes nowhere. Source: Intel SDM vol. 3, chapter 11 (APIC).

mod registers;
mod timer;
mod vectors;

use serde::{Deserialize, Serialize};
use timer::Timer;
use vectors::Vectors;

/// Where the registers are after reset.
pub const DEFAULT_BASE: u64 = 0xfee0_0000;
/// Frequency of the timer's input, the crystal that CPUID leaf 0x15 names.
pub const TIMER_HZ: u64 = 25_000_000;

const BASE_IS_BOOT_CPU: u64 = 1 << 8;
const BASE_ENABLED: u64 = 1 << 11;
/// The address bits of IA32_APIC_BASE below MAXPHYADDR = 40.
const BASE_ADDRESS: u64 = ((1 << 40) - 1) & !0xfff;

const SOFTWARE_ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const REMOTE_IRR: u32 = 1 << 14;

/// Bits of the error status register.
mod error {
    pub const SEND_ILLEGAL_VECTOR: u32 = 1 << 5;
    pub const RECEIVED_ILLEGAL_VECTOR: u32 = 1 << 6;
    pub const ILLEGAL_REGISTER: u32 = 1 << 7;
}

/// Entries of the local vector table, in the order of their addresses.
mod lvt {
    pub const TIMER: usize = 0;
    pub const LINT0: usize = 3;
    pub const LINT1: usize = 4;
    pub const ERROR: usize = 5;
    pub const COUNT: usize = 6;
}

/// Delivery modes (SDM vol. 3, 11.5.1 and 11.6.1).
pub mod delivery {
    #![allow(missing_docs)]
    pub const FIXED: u8 = 0;
    pub const LOWEST_PRIORITY: u8 = 1;
    pub const SMI: u8 = 2;
    pub const NMI: u8 = 4;
    pub const INIT: u8 = 5;
    pub const STARTUP: u8 = 6;
    pub const EXTINT: u8 = 7;
}

/// An interrupt message on its way to the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The vector, for the modes that have one.
    pub vector: u8,
    /// See [`delivery`].
    pub mode: u8,
    /// Level-triggered: the end of interrupt is broadcast.
    pub is_level: bool,
    /// An APIC ID, or a set of logical IDs.
    pub destination: u8,
    /// `destination` is logical.
    pub is_logical: bool,
}

/// What a register write asks of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// A level-triggered interrupt with this vector has ended.
    EndOfInterrupt(u8),
    /// The guest asked for a delivery mode that this machine does not have; see [`delivery`].
    Ignored(u8),
}

/// The local APIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapic {
    base: u64,
    id: u8,
    task_priority: u8,
    logical_destination: u32,
    destination_format: u32,
    spurious: u32,
    in_service: Vectors,
    trigger: Vectors,
    requests: Vectors,
    error_status: u32,
    error_latched: u32,
    command: u64,
    table: [u32; lvt::COUNT],
    timer: Timer,
    lint0: bool,
    lint1: bool,
    has_nmi: bool,
}

impl Default for Lapic {
    fn default() -> Lapic {
        Lapic {
            base: DEFAULT_BASE | BASE_ENABLED | BASE_IS_BOOT_CPU,
            id: 0,
            task_priority: 0,
            logical_destination: 0,
            destination_format: u32::MAX,
            spurious: 0xff,
            in_service: Vectors::default(),
            trigger: Vectors::default(),
            requests: Vectors::default(),
            error_status: 0,
            error_latched: 0,
            command: 0,
            table: [MASKED; lvt::COUNT],
            timer: Timer::default(),
            lint0: false,
            lint1: false,
            has_nmi: false,
        }
    }
}

impl Lapic {
    /// IA32_APIC_BASE.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Sets IA32_APIC_BASE; false refuses a reserved bit or x2APIC mode. Enabling anew starts from the reset state.
    pub fn set_base(&mut self, value: u64) -> bool {
        if value & !(BASE_ADDRESS | BASE_ENABLED | BASE_IS_BOOT_CPU) != 0 {
            return false;
        }
        if value & BASE_ENABLED == 0 && self.is_enabled() {
            *self = Lapic { lint0: self.lint0, lint1: self.lint1, ..Lapic::default() };
        }
        self.base = value;
        true
    }

    /// Enabled by IA32_APIC_BASE.
    pub fn is_enabled(&self) -> bool {
        self.base & BASE_ENABLED != 0
    }

    fn is_software_enabled(&self) -> bool {
        self.spurious & SOFTWARE_ENABLED != 0
    }

    /// The offset of an access to the register page, if it is one.
    pub fn claims(&self, gpa: u64) -> Option<u16> {
        let offset = gpa.wrapping_sub(self.base & BASE_ADDRESS);
        (self.is_enabled() && offset < 0x1000).then_some(offset as u16)
    }

    /// The 8259's request reaches the CPU: past the disabled APIC, or through LINT0 in ExtINT mode.
    pub fn passes_external(&self) -> bool {
        if !self.is_enabled() || !self.is_software_enabled() {
            return true;
        }
        let entry = self.table[lvt::LINT0];
        entry & MASKED == 0 && mode_of(entry) == delivery::EXTINT
    }

    fn processor_priority(&self) -> u8 {
        let serving = self.in_service.highest().unwrap_or(0);
        if self.task_priority >> 4 >= serving >> 4 { self.task_priority } else { serving & 0xf0 }
    }

    /// The request that the CPU may take now.
    pub fn deliverable(&self) -> Option<u8> {
        let vector = self.requests.highest()?;
        (self.is_enabled() && vector >> 4 > self.processor_priority() >> 4).then_some(vector)
    }

    /// Moves the deliverable request into service.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.deliverable()?;
        self.requests.clear(vector);
        self.in_service.set(vector);
        Some(vector)
    }

    /// Takes the waiting NMI.
    pub fn take_nmi(&mut self) -> bool {
        std::mem::take(&mut self.has_nmi)
    }

    /// An NMI waits.
    pub fn has_nmi(&self) -> bool {
        self.has_nmi
    }

    /// The task priority class, as CR8 shows it.
    pub fn task_priority_class(&self) -> u8 {
        self.task_priority >> 4
    }

    /// MOV CR8: sets the class and clears the subclass.
    pub fn set_task_priority_class(&mut self, class: u8) {
        self.task_priority = class << 4;
    }

    /// Offers a message; false when it is not for this CPU or cannot be taken now.
    pub fn deliver(&mut self, message: Message) -> bool {
        if !self.is_enabled() || !self.is_addressed(message.destination, message.is_logical) {
            return false;
        }
        match message.mode {
            delivery::FIXED | delivery::LOWEST_PRIORITY => self.accept(message.vector, message.is_level),
            delivery::NMI => {
                self.has_nmi = true;
                true
            }
            // SMI, INIT and ExtINT messages have no effect here; the sender is done with them.
            _ => true,
        }
    }

    fn is_addressed(&self, destination: u8, is_logical: bool) -> bool {
        if !is_logical {
            return destination == 0xff || destination == self.id;
        }
        let own = (self.logical_destination >> 24) as u8;
        match self.destination_format >> 28 {
            0xf => own & destination != 0,
            // Cluster model: the high nibble names the cluster, the low nibble its members.
            0 => (destination >> 4 == 0xf || destination >> 4 == own >> 4) && own & destination & 0x0f != 0,
            _ => false,
        }
    }

    fn accept(&mut self, vector: u8, is_level: bool) -> bool {
        if !self.is_software_enabled() {
            return false;
        }
        if vector < 16 {
            self.report(error::RECEIVED_ILLEGAL_VECTOR);
            return true;
        }
        self.requests.set(vector);
        if is_level {
            self.trigger.set(vector);
        } else {
            self.trigger.clear(vector);
        }
        true
    }

    fn report(&mut self, bit: u32) {
        self.error_latched |= bit;
        let entry = self.table[lvt::ERROR];
        // An error interrupt with an illegal vector would report itself for ever.
        if entry & MASKED == 0 && entry & 0xff >= 16 {
            self.accept(entry as u8, false);
        }
    }

    /// Ends the interrupt in service of highest priority; its vector if the IOAPIC must hear of it.
    fn end_of_interrupt(&mut self) -> Effect {
        let Some(vector) = self.in_service.highest() else {
            return Effect::None;
        };
        self.in_service.clear(vector);
        let was_level = self.trigger.contains(vector);
        let lint0 = self.table[lvt::LINT0];
        if lint0 & REMOTE_IRR != 0 && lint0 as u8 == vector {
            self.table[lvt::LINT0] &= !REMOTE_IRR;
            self.offer_lint0_level();
        }
        if was_level { Effect::EndOfInterrupt(vector) } else { Effect::None }
    }

    /// Drives LINT0, which carries the 8259's INT.
    pub fn set_lint0(&mut self, is_high: bool) {
        let rises = is_high && !self.lint0;
        self.lint0 = is_high;
        let entry = self.table[lvt::LINT0];
        if mode_of(entry) == delivery::FIXED && entry & LEVEL != 0 {
            self.offer_lint0_level();
        } else if rises {
            self.raise_entry(lvt::LINT0);
        }
    }

    /// Drives LINT1, which this board leaves unconnected.
    pub fn set_lint1(&mut self, is_high: bool) {
        let rises = is_high && !self.lint1;
        self.lint1 = is_high;
        if rises {
            self.raise_entry(lvt::LINT1);
        }
    }

    fn offer_lint0_level(&mut self) {
        let entry = self.table[lvt::LINT0];
        let is_level = mode_of(entry) == delivery::FIXED && entry & LEVEL != 0;
        if is_level && self.lint0 && entry & (MASKED | REMOTE_IRR) == 0 && self.accept(entry as u8, true) {
            self.table[lvt::LINT0] |= REMOTE_IRR;
        }
    }

    /// The event of a table entry happened. SMI and INIT have no effect; ExtINT is a level and passes by.
    fn raise_entry(&mut self, index: usize) {
        let entry = self.table[index];
        if entry & MASKED != 0 || !self.is_enabled() {
            return;
        }
        match mode_of(entry) {
            delivery::FIXED => {
                self.accept(entry as u8, false);
            }
            delivery::NMI => self.has_nmi = true,
            _ => {}
        }
    }

    /// When the timer interrupts next; `None` while it is stopped or masked.
    pub fn next_event(&self) -> Option<u64> {
        if self.table[lvt::TIMER] & MASKED != 0 { None } else { self.timer.expiry() }
    }

    /// Raises the timer's interrupt if it is due.
    pub fn advance(&mut self, now_ns: u64) {
        if self.timer.settle(now_ns) {
            self.raise_entry(lvt::TIMER);
        }
    }
}

fn mode_of(entry: u32) -> u8 {
    (entry >> 8 & 7) as u8
}

#[cfg(test)]
mod tests;
