//! One counter of the 8254. Time is the counter's own input clock, as a signed number so that a load that
//! lies one clock ahead needs no special case.
//!
//! Not built: the glitch of a count read in the one clock between its write and its load (the new count is told).

use serde::{Deserialize, Serialize};

/// Which bytes of the count the program reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Access {
    Low,
    High,
    Both,
}

/// What the counting element does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Element {
    /// Waits for a count or, in modes 1 and 5, for a trigger.
    Idle,
    /// Was loaded with `period` at this clock (of the current cycle, in modes 2 and 3).
    Counting { start: i64 },
    /// The gate is low; this many clocks were counted.
    Paused { elapsed: i64 },
}

/// When the element takes over a register that was written while it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Waiting {
    Nothing,
    /// The rising gate loads it.
    Trigger,
    /// The end of the running cycle or half cycle loads it.
    Boundary {
        at: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    mode: u8,
    is_bcd: bool,
    access: Access,
    /// The count register: what the program wrote last, 1..=65536. None since the last control word.
    register: Option<u32>,
    /// What the element was loaded with.
    period: u32,
    waiting: Waiting,
    low_byte: Option<u8>,
    reads_high: bool,
    latched_count: Option<u16>,
    latched_status: Option<u8>,
    gate: bool,
    element: Element,
}

impl Counter {
    pub(super) fn new(gate: bool) -> Counter {
        Counter {
            mode: 0,
            is_bcd: false,
            access: Access::Both,
            register: None,
            period: 1,
            waiting: Waiting::Nothing,
            low_byte: None,
            reads_high: false,
            latched_count: None,
            latched_status: None,
            gate,
            element: Element::Idle,
        }
    }

    fn length(&self) -> i64 {
        i64::from(self.period.max(1))
    }

    /// Clocks of the high half of mode 3: the longer one for an odd count.
    fn high_length(&self) -> i64 {
        (self.length() + 1) / 2
    }

    fn is_periodic(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    /// Takes over what happened up to `clock`: loads a waiting count at its boundary and wraps the cycle.
    pub(super) fn settle(&mut self, clock: i64) {
        let Element::Counting { start } = self.element else {
            return;
        };
        if !self.is_periodic() {
            return;
        }
        let mut start = start;
        if let Waiting::Boundary { at } = self.waiting
            && clock >= at
        {
            let was_middle = self.mode == 3 && at == start + self.high_length();
            self.take_register();
            start = if was_middle { at - self.high_length() } else { at };
        }
        let cycles = (clock.saturating_sub(start) / self.length()).max(0);
        self.element = Element::Counting { start: start + cycles * self.length() };
    }

    /// When the running cycle would take over a count written at `clock`: at its end, in mode 3 at the end of the half.
    fn boundary(&self, start: i64, clock: i64) -> i64 {
        let middle = start + self.high_length();
        if self.mode == 3 && clock < middle { middle } else { start + self.length() }
    }

    fn take_register(&mut self) {
        if let Some(count) = self.register {
            self.period = count.max(1);
        }
        self.waiting = Waiting::Nothing;
    }

    /// The level of OUT.
    pub(super) fn out(&self, clock: i64) -> bool {
        let (elapsed, is_paused) = match self.element {
            Element::Idle => return self.mode != 0,
            Element::Counting { start } => (clock.saturating_sub(start), false),
            Element::Paused { elapsed } => (elapsed, true),
        };
        match self.mode {
            0 | 1 => elapsed >= self.length(),
            2 => is_paused || elapsed != self.length() - 1 || self.length() == 1,
            3 => is_paused || elapsed < self.high_length(),
            _ => elapsed != self.length(),
        }
    }

    /// The clock after `clock` at which OUT changes, if the gate stays as it is.
    pub(super) fn next_change(&self, clock: i64) -> Option<u64> {
        let Element::Counting { start } = self.element else {
            return None;
        };
        let length = self.length();
        let (first, second) = match self.mode {
            0 | 1 => (start + length, None),
            2 | 3 if length == 1 => return None,
            2 => (start + length - 1, Some(start + length)),
            3 => (start + self.high_length(), Some(start + length)),
            _ => (start + length, Some(start + length + 1)),
        };
        let change = if first > clock { first } else { second.filter(|&at| at > clock)? };
        u64::try_from(change).ok()
    }

    fn count(&self, clock: i64) -> u16 {
        let elapsed = match self.element {
            Element::Idle => 0,
            Element::Counting { start } => clock.saturating_sub(start).max(0),
            Element::Paused { elapsed } => elapsed,
        };
        let length = self.length();
        let value = match self.mode {
            2 => length - elapsed % length,
            3 => {
                let in_cycle = elapsed % length;
                let in_half = if in_cycle < self.high_length() { in_cycle } else { in_cycle - self.high_length() };
                (length & !1) - 2 * in_half
            }
            _ => length - elapsed,
        };
        let modulus = if self.is_bcd { 10_000 } else { 0x1_0000 };
        let value = value.rem_euclid(modulus) as u16;
        if self.is_bcd { to_bcd(value) } else { value }
    }

    pub(super) fn latch_count(&mut self, clock: i64) {
        if self.latched_count.is_none() {
            self.latched_count = Some(self.count(clock));
        }
    }

    pub(super) fn latch_status(&mut self, clock: i64) {
        if self.latched_status.is_some() {
            return;
        }
        let is_loaded = match self.element {
            Element::Idle => false,
            Element::Counting { start } => clock >= start,
            Element::Paused { .. } => true,
        };
        let is_null = self.waiting != Waiting::Nothing || !is_loaded;
        let access = match self.access {
            Access::Low => 1,
            Access::High => 2,
            Access::Both => 3,
        };
        self.latched_status = Some(
            u8::from(self.out(clock)) << 7
                | u8::from(is_null) << 6
                | access << 4
                | self.mode << 1
                | u8::from(self.is_bcd),
        );
    }

    pub(super) fn read(&mut self, clock: i64) -> u8 {
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        let count = self.latched_count.unwrap_or_else(|| self.count(clock));
        let [low, high] = count.to_le_bytes();
        let (byte, is_last) = match self.access {
            Access::Low => (low, true),
            Access::High => (high, true),
            Access::Both if self.reads_high => (high, true),
            Access::Both => (low, false),
        };
        self.reads_high = !is_last;
        if is_last {
            self.latched_count = None;
        }
        byte
    }

    /// A control word for this counter, or the counter latch command.
    pub(super) fn command(&mut self, value: u8, clock: i64) {
        let access = match value >> 4 & 3 {
            0 => return self.latch_count(clock),
            1 => Access::Low,
            2 => Access::High,
            _ => Access::Both,
        };
        let mode = match value >> 1 & 7 {
            mode @ 0..=5 => mode,
            mode => mode - 4,
        };
        *self = Counter { mode, is_bcd: value & 1 != 0, access, period: self.period, ..Counter::new(self.gate) };
    }

    pub(super) fn write(&mut self, value: u8, clock: i64) {
        let word = match (self.access, self.low_byte.take()) {
            (Access::Low, _) => u16::from(value),
            (Access::High, _) => u16::from(value) << 8,
            (Access::Both, Some(low)) => u16::from_le_bytes([low, value]),
            (Access::Both, None) => {
                self.low_byte = Some(value);
                if self.mode == 0 {
                    // The first byte stops the count and lowers OUT (data sheet, mode 0).
                    self.element = Element::Idle;
                }
                return;
            }
        };
        self.set_count(self.decode(word), clock);
    }

    fn decode(&self, word: u16) -> u32 {
        match (word, self.is_bcd) {
            (0, false) => 0x1_0000,
            (0, true) => 10_000,
            (_, false) => u32::from(word),
            (_, true) => from_bcd(word).max(1),
        }
    }

    fn set_count(&mut self, count: u32, clock: i64) {
        self.register = Some(count);
        self.waiting = match (self.mode, self.element) {
            (1 | 5, _) | (2 | 3, Element::Paused { .. }) => Waiting::Trigger,
            (2 | 3, Element::Counting { start }) => Waiting::Boundary { at: self.boundary(start, clock) },
            _ => Waiting::Nothing,
        };
        if self.waiting != Waiting::Nothing {
            return;
        }
        self.take_register();
        self.element = if self.gate { Element::Counting { start: clock + 1 } } else { Element::Paused { elapsed: 0 } };
    }

    pub(super) fn set_gate(&mut self, gate: bool, clock: i64) {
        if gate == self.gate {
            return;
        }
        self.gate = gate;
        match (self.mode, self.element) {
            (1 | 5, _) if gate && self.register.is_some() => self.trigger(clock),
            (1 | 5, _) | (_, Element::Idle) => {}
            (2 | 3, _) if gate => self.trigger(clock),
            (_, Element::Paused { elapsed }) => self.element = Element::Counting { start: clock - elapsed },
            (_, Element::Counting { start }) => {
                self.element = Element::Paused { elapsed: (clock - start).max(0) };
                if self.waiting != Waiting::Nothing {
                    self.waiting = Waiting::Trigger;
                }
            }
        }
    }

    fn trigger(&mut self, clock: i64) {
        self.take_register();
        self.element = Element::Counting { start: clock + 1 };
    }
}

fn to_bcd(value: u16) -> u16 {
    (0..4).rev().fold(0, |word, digit| (word << 4) | (value / 10u16.pow(digit) % 10))
}

fn from_bcd(word: u16) -> u32 {
    (0..4).rev().fold(0, |sum, digit| sum * 10 + u32::from(word >> (4 * digit) & 0xf))
}
