//! The 8254 interval timer with port 0x61: three counters, all six modes, computed from the time instead of ticked.
//!
//! A counter remembers the clock at which its element was loaded; count and OUT follow from it. Only OUT of
//! counter 0 (ISA line 0) makes events. Source: Intel 82C54 data sheet (231244).

mod counter;

use crate::machine::clock::PIT_RATE;
use counter::Counter;
use serde::{Deserialize, Serialize};

/// Time between two flips of port 0x61 bit 4, which on an AT follows memory refresh.
const REFRESH_NS: u64 = 15_085;

/// The timer chip and the port that gates its third counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pit {
    counters: [Counter; 3],
    /// The last clock that the counters were brought up to.
    clock: u64,
    /// The writable low four bits of port 0x61.
    control: u8,
}

impl Default for Pit {
    fn default() -> Pit {
        Pit { counters: [Counter::new(true), Counter::new(true), Counter::new(false)], clock: 0, control: 0 }
    }
}

impl Pit {
    /// The level of ISA line 0.
    pub fn irq(&self) -> bool {
        self.counters[0].out(self.clock as i64)
    }

    /// When line 0 changes next.
    pub fn next_event(&self) -> Option<u64> {
        PIT_RATE.ns_at(self.counters[0].next_change(self.clock as i64)?)
    }

    /// Brings the counters up to `now_ns`.
    pub fn advance(&mut self, now_ns: u64) {
        self.clock = self.clock.max(PIT_RATE.ticks_at(now_ns));
        for counter in &mut self.counters {
            counter.settle(self.clock as i64);
        }
    }

    /// Reads ports 0x40..=0x43; the control word cannot be read.
    pub fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        self.advance(now_ns);
        match self.counters.get_mut(usize::from(port & 3)) {
            Some(counter) => counter.read(self.clock as i64),
            None => 0xff,
        }
    }

    /// Writes ports 0x40..=0x43.
    pub fn write(&mut self, port: u16, value: u8, now_ns: u64) {
        self.advance(now_ns);
        let clock = self.clock as i64;
        if let Some(counter) = self.counters.get_mut(usize::from(port & 3)) {
            counter.write(value, clock);
            return;
        }
        match self.counters.get_mut(usize::from(value >> 6)) {
            Some(counter) => counter.command(value, clock),
            None => self.read_back(value),
        }
    }

    fn read_back(&mut self, value: u8) {
        for (index, counter) in self.counters.iter_mut().enumerate() {
            if value & (2 << index) == 0 {
                continue;
            }
            if value & 0x20 == 0 {
                counter.latch_count(self.clock as i64);
            }
            if value & 0x10 == 0 {
                counter.latch_status(self.clock as i64);
            }
        }
    }

    /// Reads port 0x61: gate and speaker bits, the refresh toggle and OUT of counter 2; no parity or channel error.
    pub fn read_control(&mut self, now_ns: u64) -> u8 {
        self.advance(now_ns);
        let refresh = ((now_ns / REFRESH_NS) & 1) as u8;
        self.control | refresh << 4 | u8::from(self.counters[2].out(self.clock as i64)) << 5
    }

    /// Writes port 0x61: bit 0 gates counter 2, bit 1 would drive a speaker.
    pub fn write_control(&mut self, value: u8, now_ns: u64) {
        self.advance(now_ns);
        self.control = value & 0x0f;
        self.counters[2].set_gate(value & 1 != 0, self.clock as i64);
    }
}

#[cfg(test)]
mod tests;
