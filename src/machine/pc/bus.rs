//! The board as the CPU sees it. Whatever is due before an access happens first, so that an access sees the same
//! board however the run loop slices time.

use super::{Notice, Pc};
use crate::cpu::bus::Bus;
use crate::machine::device::ioapic;
use crate::machine::device::lapic::Effect;

/// COM1's line status register.
const LINE_STATUS: u16 = 0x3fd;

/// The offset of an access to the I/O APIC's page, if it is one.
fn ioapic_offset(gpa: u64) -> Option<u16> {
    let offset = gpa.wrapping_sub(ioapic::BASE);
    (offset < 0x1000).then_some(offset as u16)
}

fn all_ones(size: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))
}

impl Bus for Pc {
    fn mmio_read(&mut self, gpa: u64, size: u8, now: u64) -> u64 {
        let now_ns = self.arrive(now);
        if let Some(offset) = self.lapic.claims(gpa) {
            let value = self.lapic.read(offset, size, now_ns);
            // A read of a reserved register may raise the error interrupt.
            self.refresh();
            return value & all_ones(size);
        }
        match ioapic_offset(gpa) {
            Some(offset) => u64::from(self.ioapic.read(offset)) & all_ones(size),
            None => all_ones(size),
        }
    }

    fn mmio_write(&mut self, gpa: u64, size: u8, value: u64, now: u64) {
        let now_ns = self.arrive(now);
        if let Some(offset) = self.lapic.claims(gpa) {
            match self.lapic.write(offset, size, value as u32, now_ns) {
                Effect::None => {}
                Effect::EndOfInterrupt(vector) => self.ioapic.end_of_interrupt(vector),
                Effect::Ignored(mode) => self.note(Notice::IgnoredIpi { mode, at_ns: now_ns }),
            }
            self.settle_apic();
        } else if let Some(offset) = ioapic_offset(gpa) {
            self.ioapic.write(offset, value as u32);
            self.settle_apic();
        }
    }

    fn port_read(&mut self, port: u16, size: u8, now: u64) -> u32 {
        let now_ns = self.arrive(now);
        if port == LINE_STATUS {
            self.status_reads = self.status_reads.saturating_add(1);
        }
        self.read_port(port, size, now_ns)
    }

    fn port_write(&mut self, port: u16, size: u8, value: u32, now: u64) {
        let now_ns = self.arrive(now);
        self.write_port(port, size, value, now_ns);
        if self.uart.has_output() {
            let sent = self.uart.take_output();
            self.transcript.push(now, &sent);
            self.status_reads = 0;
        }
    }

    fn interrupt_pending(&self) -> bool {
        self.is_interrupt_pending
    }

    fn acknowledge_interrupt(&mut self, now: u64) -> Option<u8> {
        self.arrive(now);
        let vector = match self.lapic.acknowledge() {
            Some(vector) => Some(vector),
            None => self.has_external().then(|| self.pic.acknowledge()),
        };
        // INT of the 8259 may have fallen, and the APIC's priorities have moved.
        self.lapic.set_lint0(self.pic.interrupt());
        self.settle_apic();
        vector
    }

    fn take_nmi(&mut self) -> bool {
        self.lapic.take_nmi()
    }

    fn stop_requested(&self) -> bool {
        self.exit.is_some() || self.next_event_ns != self.armed_ns
    }

    fn clock_ns(&self, now: u64) -> u64 {
        self.clock.ns(now)
    }

    fn console(&self) -> &[u8] {
        self.transcript.live()
    }

    fn task_priority(&self) -> u8 {
        self.lapic.task_priority_class()
    }

    fn set_task_priority(&mut self, class: u8, now: u64) {
        self.arrive(now);
        self.lapic.set_task_priority_class(class & 0xf);
        self.refresh();
    }

    fn apic_base(&self) -> u64 {
        self.lapic.base()
    }

    fn set_apic_base(&mut self, value: u64, now: u64) -> bool {
        self.arrive(now);
        let is_accepted = self.lapic.set_base(value);
        self.settle_apic();
        is_accepted
    }
}
