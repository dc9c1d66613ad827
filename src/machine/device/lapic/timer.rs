//! The APIC timer: a count that falls with the divided 25 MHz crystal, kept as the time at which it reaches zero.

use super::TIMER_HZ;
use crate::machine::clock::NS_PER_SECOND;
use serde::{Deserialize, Serialize};

const NS_PER_CLOCK: u64 = NS_PER_SECOND / TIMER_HZ;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    initial: u32,
    /// The divide configuration register, bits 0, 1 and 3.
    divide: u8,
    is_periodic: bool,
    /// When the count reaches zero; `None` while stopped.
    zero_at: Option<u64>,
}

impl Timer {
    /// Nanoseconds for each step of the count.
    fn step_ns(&self) -> u64 {
        let code = (self.divide & 3) | (self.divide & 8) >> 1;
        NS_PER_CLOCK << ((code + 1) & 7)
    }

    fn period_ns(&self) -> u64 {
        u64::from(self.initial) * self.step_ns()
    }

    pub(super) fn expiry(&self) -> Option<u64> {
        self.zero_at
    }

    /// Takes over what happened up to `now_ns`; true if the count reached zero. Periods missed while nobody
    /// listened count as one.
    pub(super) fn settle(&mut self, now_ns: u64) -> bool {
        let Some(zero_at) = self.zero_at.filter(|&at| at <= now_ns) else {
            return false;
        };
        let period = self.period_ns();
        self.zero_at = if self.is_periodic && period != 0 {
            Some(zero_at + ((now_ns - zero_at) / period + 1) * period)
        } else {
            None
        };
        true
    }

    pub(super) fn initial(&self) -> u32 {
        self.initial
    }

    pub(super) fn divide(&self) -> u8 {
        self.divide
    }

    pub(super) fn count(&self, now_ns: u64) -> u32 {
        let left = self.zero_at.map_or(0, |at| at.saturating_sub(now_ns));
        left.div_ceil(self.step_ns()) as u32
    }

    /// Writes the initial count: 0 stops, anything else starts anew.
    pub(super) fn start(&mut self, initial: u32, now_ns: u64) {
        self.initial = initial;
        self.zero_at = (initial != 0).then(|| now_ns.saturating_add(self.period_ns()));
    }

    /// A new divisor applies to what is left of the count.
    pub(super) fn set_divide(&mut self, value: u8, now_ns: u64) {
        let count = self.count(now_ns);
        self.divide = value & 0x0b;
        if self.zero_at.is_some() {
            self.zero_at = Some(now_ns.saturating_add(u64::from(count) * self.step_ns()));
        }
    }

    pub(super) fn set_periodic(&mut self, is_periodic: bool) {
        self.is_periodic = is_periodic;
    }
}
