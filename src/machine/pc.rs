//! The PC: every chip, the lines between them, and the CPU's view of it all through [`crate::cpu::bus::Bus`].
//!
//! RAM is not here. Time enters only as the `now` of an access or of [`Pc::advance`]; between two events no chip's
//! state changes, so it does not matter how often the run loop calls. The order in which chips share one
//! nanosecond is fixed by [`Pc::step`].

mod bus;
pub mod ports;
mod state;

use super::clock::Clock;
use super::device::acpi_pm::{AcpiPm, SCI_IRQ};
use super::device::i8042::I8042;
use super::device::ioapic::{self, Ioapic};
use super::device::lapic::Lapic;
use super::device::pic::Pic;
use super::device::pit::Pit;
use super::device::rtc::{RamSize, Rtc};
use super::device::uart::Uart;
use super::transcript::Transcript;
use serde::{Deserialize, Serialize};

pub use state::{PcError, PcState};

/// ISA lines of the board.
mod isa {
    pub const TIMER: u8 = 0;
    pub const KEYBOARD: u8 = 1;
    pub const COM1: u8 = 4;
    pub const CLOCK: u8 = 8;
    pub const MOUSE: u8 = 12;
}

/// The I/O APIC's pin for ISA line 0 (MADT override); its pin 0 is unconnected.
const TIMER_PIN: u8 = 2;
/// Global system interrupts: ISA lines 0..=15 and the I/O APIC's pins 16..=23.
const GSIS: u8 = ioapic::PINS;
/// Reads of the line status in a row that show a guest polling for input.
const POLLS_THAT_LISTEN: u32 = 64;
/// Notices kept until somebody takes them; a guest that repeats itself does not fill memory.
const MAX_NOTICES: usize = 64;

/// What the board is built for.
#[derive(Clone, Copy, Debug)]
pub struct PcConfig {
    /// The date that the CMOS clock shows at power-on, in seconds since 1970 UTC.
    pub unix_start: i64,
    /// RAM, for the CMOS memory to tell.
    pub ram: RamSize,
}

/// Which wire reset the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetHow {
    /// The keyboard controller's reset line.
    Keyboard,
    /// Port 0x92 bit 0.
    Port92,
    /// Port 0xCF9, which the FADT names as the reset register.
    Cf9,
}

/// Why the machine wants to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PcExit {
    /// The guest entered ACPI S5.
    PowerOff,
    /// The guest reset the machine.
    Reset {
        /// By which wire.
        how: ResetHow,
    },
    /// The guest wrote the debug exit port.
    DebugExit {
        /// The value it wrote.
        code: u32,
    },
}

/// Something that the guest asked for and that this machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An IPI with a delivery mode that has no effect (SMI, INIT, start-up, ExtINT).
    IgnoredIpi {
        /// See [`super::device::lapic::delivery`].
        mode: u8,
        /// When, in virtual nanoseconds.
        at_ns: u64,
    },
    /// An ACPI sleep type other than S5.
    IgnoredSleep {
        /// SLP_TYP.
        sleep_type: u8,
        /// When, in virtual nanoseconds.
        at_ns: u64,
    },
}

/// The board.
#[derive(Debug)]
pub struct Pc {
    clock: Clock,
    pic: Pic,
    pit: Pit,
    lapic: Lapic,
    ioapic: Ioapic,
    rtc: Rtc,
    i8042: I8042,
    uart: Uart,
    acpi: AcpiPm,
    /// Port 0xCF9 as last written.
    reset_control: u8,
    /// Lines that devices outside this board drive, by global system interrupt.
    outside_lines: u32,
    /// All lines as last carried to the 8259 and the I/O APIC.
    lines: u32,
    program_status: Option<u32>,
    exit: Option<PcExit>,
    notices: Vec<Notice>,
    is_interrupt_pending: bool,
    next_event_ns: Option<u64>,
    /// What [`Pc::next_event_ns`] was when the run loop last armed its limit.
    armed_ns: Option<u64>,
    /// What the guest sent out. Not part of the state.
    pub transcript: Transcript,
    /// Reads of the line status since the last byte was sent: a guest that polls for input. Not part of the state.
    status_reads: u32,
}

impl Pc {
    /// A board at power-on.
    pub fn new(config: PcConfig) -> Pc {
        let mut pic = Pic::default();
        // Firmware would do this: the SCI is level-triggered.
        pic.write(0x4d1, 1 << (SCI_IRQ - 8));
        let mut pc = Pc {
            clock: Clock::default(),
            pic,
            pit: Pit::default(),
            lapic: Lapic::default(),
            ioapic: Ioapic::default(),
            rtc: Rtc::new(config.unix_start, config.ram),
            i8042: I8042::default(),
            uart: Uart::default(),
            acpi: AcpiPm::default(),
            reset_control: 0,
            outside_lines: 0,
            lines: 0,
            program_status: None,
            exit: None,
            notices: Vec::new(),
            is_interrupt_pending: false,
            next_event_ns: None,
            armed_ns: None,
            transcript: Transcript::default(),
            status_reads: 0,
        };
        pc.settle();
        pc
    }

    /// The machine's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Lets `ns` pass while the CPU is halted; fire what falls due with [`Pc::advance`].
    pub fn advance_halted(&mut self, ns: u64) {
        self.clock.advance_halted(ns);
    }

    /// When a chip changes a line next. The run loop must not let time pass it without [`Pc::advance`].
    pub fn next_event_ns(&self) -> Option<u64> {
        self.next_event_ns
    }

    /// As [`Pc::next_event_ns`], and asks for a stop as soon as it is something else.
    pub fn arm(&mut self) -> Option<u64> {
        self.armed_ns = self.next_event_ns;
        self.armed_ns
    }

    /// Fires everything that is due at or before `now_ns`, in order of time.
    pub fn advance(&mut self, now_ns: u64) {
        while let Some(at) = self.next_event_ns.filter(|&at| at <= now_ns) {
            self.step(at);
        }
    }

    /// Brings the chips that have something due to `at`, then carries the lines. Chips in this order: timer, clock,
    /// keyboard, ACPI, local APIC.
    fn step(&mut self, at: u64) {
        let is_due = |event: Option<u64>| event.is_some_and(|event| event <= at);
        if is_due(self.pit.next_event()) {
            self.pit.advance(at);
        }
        if is_due(self.rtc.next_event()) {
            self.rtc.advance(at);
        }
        if is_due(self.i8042.next_event()) {
            self.i8042.advance(at);
        }
        if is_due(self.acpi.next_event()) {
            self.acpi.advance(at);
        }
        if is_due(self.lapic.next_event()) {
            self.lapic.advance(at);
        }
        self.settle();
    }

    /// Takes the reason to stop.
    pub fn take_exit(&mut self) -> Option<PcExit> {
        self.exit.take()
    }

    /// An NMI waits.
    pub fn nmi_pending(&self) -> bool {
        self.lapic.has_nmi()
    }

    /// What the guest wrote last to the program status port.
    pub fn program_status(&self) -> Option<u32> {
        self.program_status
    }

    /// Console input, an Input at this very Moment; any amount.
    pub fn serial_rx(&mut self, bytes: &[u8]) {
        self.uart.receive(bytes);
        self.settle();
    }

    /// Console output since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.transcript.take_live()
    }

    /// True if console input would be noticed: the guest has the receive interrupt on, or polls for a byte. Bytes that
    /// come before that are lost on a real PC too. For the host edge only; nothing in the machine depends on it.
    pub fn is_console_listening(&self) -> bool {
        self.uart.has_receive_interrupt() || self.status_reads >= POLLS_THAT_LISTEN
    }

    /// Virtual nanoseconds since power-on, once `icount` instructions have retired.
    pub fn now_ns(&self, icount: u64) -> u64 {
        self.clock.ns(icount)
    }

    /// The power button, an Input.
    pub fn press_power_button(&mut self) {
        self.acpi.press_power_button();
        self.settle();
    }

    /// Drives a line from a device outside this board: ISA lines 3..=15 or the I/O APIC's pins 16..=23. It is
    /// joined with the board's own driver of that line. Numbers beyond are ignored.
    pub fn set_irq(&mut self, gsi: u8, is_high: bool) {
        if gsi >= GSIS {
            return;
        }
        if is_high {
            self.outside_lines |= 1 << gsi;
        } else {
            self.outside_lines &= !(1 << gsi);
        }
        self.settle();
    }

    /// What the guest asked for in vain since the last call. Not part of the state.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn note(&mut self, notice: Notice) {
        if self.notices.len() < MAX_NOTICES {
            self.notices.push(notice);
        }
    }

    /// The first reason to stop stands.
    fn stop(&mut self, exit: PcExit) {
        self.exit.get_or_insert(exit);
    }

    fn driven_lines(&self) -> u32 {
        let line = |irq: u8, is_high: bool| u32::from(is_high) << irq;
        self.outside_lines
            | line(isa::TIMER, self.pit.irq())
            | line(isa::KEYBOARD, self.i8042.keyboard_irq())
            | line(isa::COM1, self.uart.irq())
            | line(isa::CLOCK, self.rtc.irq())
            | line(SCI_IRQ, self.acpi.irq())
            | line(isa::MOUSE, self.i8042.auxiliary_irq())
    }

    /// Carries every line to where it leads after any chip but the local APIC may have changed.
    fn settle(&mut self) {
        let lines = self.driven_lines();
        let mut changed = lines ^ self.lines;
        self.lines = lines;
        while changed != 0 {
            let gsi = changed.trailing_zeros() as u8;
            changed &= changed - 1;
            let is_high = lines & 1 << gsi != 0;
            if gsi < 16 {
                self.pic.set_irq(gsi, is_high);
            }
            match gsi {
                isa::TIMER => self.ioapic.set_line(TIMER_PIN, is_high),
                // The cascade has no pin of its own.
                TIMER_PIN => {}
                pin => self.ioapic.set_line(pin, is_high),
            }
        }
        self.lapic.set_lint0(self.pic.interrupt());
        self.settle_apic();
    }

    /// The part of [`Pc::settle`] that a change of the local APIC needs.
    fn settle_apic(&mut self) {
        let mut waiting = self.ioapic.waiting();
        while waiting != 0 {
            let pin = waiting.trailing_zeros() as u8;
            waiting &= waiting - 1;
            if let Some(message) = self.ioapic.message(pin) {
                let was_accepted = self.lapic.deliver(message);
                self.ioapic.sent(pin, was_accepted);
            }
        }
        self.refresh();
    }

    /// Recomputes what the run loop polls.
    fn refresh(&mut self) {
        self.is_interrupt_pending = self.lapic.deliverable().is_some() || self.has_external();
        let events = [
            self.pit.next_event(),
            self.rtc.next_event(),
            self.i8042.next_event(),
            self.acpi.next_event(),
            self.lapic.next_event(),
        ];
        self.next_event_ns = events.into_iter().flatten().min();
    }

    /// The 8259 asks and the local APIC lets it through.
    fn has_external(&self) -> bool {
        self.lapic.passes_external() && self.pic.interrupt()
    }

    /// Virtual time at `icount`, with everything due before it done.
    fn arrive(&mut self, icount: u64) -> u64 {
        let now_ns = self.clock.ns(icount);
        self.advance(now_ns);
        now_ns
    }
}

#[cfg(test)]
mod tests;
