//! Virtual time: nanoseconds as a function of the Moment, and the crystals that count them.
//!
//! Nothing here reads the host. The only part of time that is not a function of the instruction count is
//! how long the CPU stood halted, and that advance is decided by the run loop and recorded.

use serde::{Deserialize, Serialize};

/// One retired instruction takes one virtual nanosecond, so the 1 GHz TSC counts both alike.
pub const NS_PER_INSTRUCTION: u64 = 1;
/// The frequency of the time-stamp counter (CPUID leaf 0x15 tells it).
pub const TSC_HZ: u64 = 1_000_000_000;
/// Nanoseconds in a second.
pub const NS_PER_SECOND: u64 = 1_000_000_000;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Nanoseconds that passed while the CPU was halted and retired nothing.
    pub halted_ns: u64,
}

impl Clock {
    /// Nanoseconds since power-on once `icount` instructions have retired.
    pub fn ns(&self, icount: u64) -> u64 {
        icount.saturating_mul(NS_PER_INSTRUCTION).saturating_add(self.halted_ns)
    }

    /// The first instruction count at which `ns` have passed if the CPU does not halt before.
    pub fn icount_at(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.halted_ns).div_ceil(NS_PER_INSTRUCTION)
    }

    /// Lets `ns` pass while the CPU is halted.
    pub fn advance_halted(&mut self, ns: u64) {
        self.halted_ns = self.halted_ns.saturating_add(ns);
    }
}

/// A crystal, as the exact fraction of ticks per nanosecond.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    ticks: u64,
    ns: u64,
}

/// The 8254's input: 105/88 MHz (1.193181... MHz, a twelfth of 14.31818 MHz).
pub const PIT_RATE: Rate = Rate { ticks: 105, ns: 88_000 };
/// The ACPI timer's input: 315/88 MHz (3.579545... MHz; ACPI 6.5, 4.8.2.1).
pub const PM_RATE: Rate = Rate { ticks: 315, ns: 88_000 };
/// The clock chip's input: 32,768 Hz.
pub const RTC_RATE: Rate = Rate { ticks: 64, ns: 1_953_125 };

impl Rate {
    /// Whole ticks in the first `ns` nanoseconds.
    pub fn ticks_at(self, ns: u64) -> u64 {
        (u128::from(ns) * u128::from(self.ticks) / u128::from(self.ns)) as u64
    }

    /// The first nanosecond at which `ticks` ticks are complete; `None` when that lies beyond all time.
    pub fn ns_at(self, ticks: u64) -> Option<u64> {
        u64::try_from((u128::from(ticks) * u128::from(self.ns)).div_ceil(u128::from(self.ticks))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_complete_exactly_at_the_nanosecond_told() {
        for rate in [PIT_RATE, PM_RATE, RTC_RATE] {
            for tick in [1, 2, 3, 1000, 65_536, 1 << 40] {
                let ns = rate.ns_at(tick).expect("well within range");
                assert_eq!(rate.ticks_at(ns), tick);
                assert_eq!(rate.ticks_at(ns - 1), tick - 1);
            }
        }
    }

    #[test]
    fn crystals_have_their_nominal_rates() {
        assert_eq!(PIT_RATE.ticks_at(NS_PER_SECOND), 1_193_181);
        assert_eq!(PM_RATE.ticks_at(NS_PER_SECOND), 3_579_545);
        assert_eq!(RTC_RATE.ticks_at(NS_PER_SECOND), 32_768);
        assert_eq!(PM_RATE.ns_at(u64::MAX), None);
    }

    #[test]
    fn halting_moves_time_but_not_the_instruction_count() {
        let mut clock = Clock::default();
        clock.advance_halted(500);
        assert_eq!(clock.ns(100), 600);
        assert_eq!(clock.icount_at(600), 100);
        assert_eq!(clock.icount_at(10), 0);
    }
}
