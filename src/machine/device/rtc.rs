//! The MC146818 clock and its 128 bytes of CMOS memory. The date follows virtual time from a start that is an Input.
//!
//! While it runs, the time registers are computed; while SET or the divider holds it, they are memory. Not built:
//! daylight saving, the square wave, a crystal other than 32,768 Hz. Source: Motorola MC146818A data sheet.

mod alarm;
mod calendar;

use crate::machine::clock::{NS_PER_SECOND, RTC_RATE};
use calendar::{DateTime, Format};
use serde::{Deserialize, Serialize};

const MEMORY_BYTES: usize = 128;
/// Before each update, how long the update-in-progress bit warns.
const UPDATE_WARNING_NS: u64 = 244_000;
/// The first update after the divider is released comes after half a second.
const HALF_SECOND_NS: i64 = 500_000_000;

mod register {
    pub const A: u8 = 0x0a;
    pub const B: u8 = 0x0b;
    pub const C: u8 = 0x0c;
    pub const D: u8 = 0x0d;
}

const UPDATE_IN_PROGRESS: u8 = 0x80;
const SET: u8 = 0x80;
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const UPDATE: u8 = 0x10;
const CAUSES: u8 = PERIODIC | ALARM | UPDATE;
/// Register D: the battery is good.
const VALID: u8 = 0x80;

/// How much RAM the CMOS memory tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamSize {
    /// Bytes below 4 GiB.
    pub below_4g: u64,
    /// Bytes from 4 GiB up.
    pub above_4g: u64,
}

/// The clock chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtc {
    index: u8,
    memory: Vec<u8>,
    /// The Unix second that began at `origin_ns`.
    unix: i64,
    /// When the divider chain was at zero: the seconds and the periodic rate count from here.
    origin_ns: i64,
    /// Added to the computed day of the week, which the guest may set as it likes.
    weekday_offset: u8,
    /// The time up to which the flags in register C are complete.
    settled_ns: u64,
}

impl Rtc {
    /// A running clock that shows `unix` seconds since 1970 (UTC) at power-on, in BCD and 24 hours as firmware leaves it.
    pub fn new(unix: i64, ram: RamSize) -> Rtc {
        let mut rtc =
            Rtc { index: 0, memory: firmware_memory(ram), unix, origin_ns: 0, weekday_offset: 0, settled_ns: 0 };
        rtc.store(register::A, 0x26);
        rtc.store(register::B, 0x02);
        rtc
    }

    fn load(&self, index: u8) -> u8 {
        self.memory.get(usize::from(index)).copied().unwrap_or(0xff)
    }

    fn store(&mut self, index: u8, value: u8) {
        if let Some(cell) = self.memory.get_mut(usize::from(index)) {
            *cell = value;
        }
    }

    fn is_divider_held(&self) -> bool {
        self.load(register::A) & 0x60 == 0x60
    }

    fn is_held(&self) -> bool {
        self.load(register::B) & SET != 0 || self.is_divider_held()
    }

    fn format(&self) -> Format {
        let b = self.load(register::B);
        Format { is_binary: b & 4 != 0, has_24_hours: b & 2 != 0 }
    }

    /// Nanoseconds since the divider was at zero.
    fn elapsed_ns(&self, now_ns: u64) -> u64 {
        (i128::from(now_ns) - i128::from(self.origin_ns)).clamp(0, i128::from(u64::MAX)) as u64
    }

    /// When `elapsed_ns` will have passed since the divider was at zero.
    fn at(&self, elapsed_ns: u64) -> Option<u64> {
        u64::try_from(i128::from(elapsed_ns) + i128::from(self.origin_ns)).ok()
    }

    fn unix_at(&self, now_ns: u64) -> i64 {
        self.unix.saturating_add((self.elapsed_ns(now_ns) / NS_PER_SECOND) as i64)
    }

    /// Clocks of 32,768 Hz for each periodic interrupt.
    fn period(&self) -> Option<u64> {
        if self.is_divider_held() {
            return None;
        }
        match self.load(register::A) & 0x0f {
            0 => None,
            rate @ 1..=2 => Some(64 << rate),
            rate => Some(1 << (rate - 1)),
        }
    }

    /// The level of ISA line 8.
    pub fn irq(&self) -> bool {
        self.load(register::B) & self.load(register::C) & CAUSES != 0
    }

    /// When line 8 rises next.
    pub fn next_event(&self) -> Option<u64> {
        if self.irq() {
            return None;
        }
        let enabled = self.load(register::B);
        let cause = |bit, at: Option<u64>| at.filter(|_| enabled & bit != 0);
        let periodic = cause(PERIODIC, self.next_period());
        let update = cause(UPDATE, self.next_second());
        let alarm = if enabled & ALARM != 0 { self.next_alarm() } else { None };
        [periodic, update, alarm].into_iter().flatten().min()
    }

    fn next_period(&self) -> Option<u64> {
        let period = self.period()?;
        let ticks = RTC_RATE.ticks_at(self.elapsed_ns(self.settled_ns));
        self.at(RTC_RATE.ns_at((ticks / period + 1) * period)?)
    }

    fn next_second(&self) -> Option<u64> {
        if self.is_held() {
            return None;
        }
        let seconds = self.elapsed_ns(self.settled_ns) / NS_PER_SECOND;
        self.at((seconds + 1).checked_mul(NS_PER_SECOND)?)
    }

    fn next_alarm(&self) -> Option<u64> {
        if self.is_held() {
            return None;
        }
        let unix = self.alarm_after(self.unix_at(self.settled_ns))?;
        let seconds = u64::try_from(unix.checked_sub(self.unix)?).ok()?;
        self.at(seconds.checked_mul(NS_PER_SECOND)?)
    }

    fn alarm_after(&self, unix: i64) -> Option<i64> {
        let fields = [self.load(5), self.load(3), self.load(1)];
        alarm::next_after(unix, fields, self.format())
    }

    /// Raises the flags of register C for what happened up to `now_ns`.
    pub fn advance(&mut self, now_ns: u64) {
        if now_ns <= self.settled_ns {
            return;
        }
        let (before, after) = (self.elapsed_ns(self.settled_ns), self.elapsed_ns(now_ns));
        let mut flags = 0;
        if let Some(period) = self.period()
            && RTC_RATE.ticks_at(before) / period != RTC_RATE.ticks_at(after) / period
        {
            flags |= PERIODIC;
        }
        if !self.is_held() && before / NS_PER_SECOND != after / NS_PER_SECOND {
            flags |= UPDATE;
            let (from, to) = (self.unix_at(self.settled_ns), self.unix_at(now_ns));
            if self.alarm_after(from).is_some_and(|at| at <= to) {
                flags |= ALARM;
            }
        }
        self.store(register::C, self.load(register::C) | flags);
        self.settled_ns = now_ns;
    }

    /// Reads port 0x70 (all ones) or 0x71.
    pub fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        if port & 1 == 0 {
            return 0xff;
        }
        self.advance(now_ns);
        match self.index {
            register::A => {
                let left = NS_PER_SECOND - self.elapsed_ns(now_ns) % NS_PER_SECOND;
                let warns = !self.is_held() && left <= UPDATE_WARNING_NS;
                self.load(register::A) | if warns { UPDATE_IN_PROGRESS } else { 0 }
            }
            register::C => {
                let interrupt = if self.irq() { 0x80 } else { 0 };
                let flags = self.load(register::C) | interrupt;
                self.store(register::C, 0);
                flags
            }
            register::D => VALID,
            index if calendar::is_time(index) && !self.is_held() => self.date_time(now_ns).encode(index, self.format()),
            index => self.load(index),
        }
    }

    /// Writes port 0x70 (the index; bit 7, which masks NMI on an AT, is dropped) or 0x71.
    pub fn write(&mut self, port: u16, value: u8, now_ns: u64) {
        if port & 1 == 0 {
            self.index = value & 0x7f;
            return;
        }
        self.advance(now_ns);
        match self.index {
            register::A => self.reconfigure(register::A, value & 0x7f, now_ns),
            register::B => self.reconfigure(register::B, value, now_ns),
            register::C | register::D => {}
            index if calendar::is_time(index) && !self.is_held() => {
                self.hold(now_ns);
                self.store(index, value);
                self.release();
                self.unix = self.unix.saturating_sub((self.elapsed_ns(now_ns) / NS_PER_SECOND) as i64);
            }
            index => self.store(index, value),
        }
    }

    fn date_time(&self, now_ns: u64) -> DateTime {
        DateTime::from_unix(self.unix_at(now_ns), self.weekday_offset)
    }

    fn reconfigure(&mut self, index: u8, value: u8, now_ns: u64) {
        let (was_held, was_divider_held) = (self.is_held(), self.is_divider_held());
        if !was_held {
            self.hold(now_ns);
        }
        self.store(index, value);
        if index == register::B && value & SET != 0 {
            // SET clears the update interrupt's enable (data sheet, register B).
            self.store(register::B, value & !UPDATE);
        }
        if was_divider_held && !self.is_divider_held() {
            self.origin_ns = (now_ns as i64).saturating_sub(HALF_SECOND_NS);
        }
        if was_held && !self.is_held() {
            self.release();
            self.unix = self.unix.saturating_sub((self.elapsed_ns(now_ns) / NS_PER_SECOND) as i64);
        }
    }

    /// Copies the running time into the memory, where the guest may change it.
    fn hold(&mut self, now_ns: u64) {
        let (date_time, format) = (self.date_time(now_ns), self.format());
        for index in calendar::TIME {
            self.store(index, date_time.encode(index, format));
        }
    }

    /// Takes the time back from the memory.
    fn release(&mut self) {
        let (unix, weekday_offset) = DateTime::decode(|index| self.load(index), self.format()).to_unix();
        self.unix = unix;
        self.weekday_offset = weekday_offset;
    }
}

/// The cells that firmware fills: sizes of RAM, the equipment byte and the checksum over the configuration.
fn firmware_memory(ram: RamSize) -> Vec<u8> {
    let mut memory = vec![0; MEMORY_BYTES];
    let mut put = |index: usize, value: u64, bytes: usize| {
        memory[index..index + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    };
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let above_1m = (ram.below_4g.saturating_sub(MIB) / KIB).min(0xffff);
    // Equipment: an FPU and a PS/2 mouse, no diskette, no display.
    put(0x14, 0x06, 1);
    put(0x15, 640, 2);
    put(0x17, above_1m, 2);
    put(0x30, above_1m, 2);
    put(0x34, (ram.below_4g.saturating_sub(16 * MIB) / (64 * KIB)).min(0xffff), 2);
    put(0x5b, (ram.above_4g / (64 * KIB)).min(0xff_ffff), 3);
    let sum: u16 = memory[0x10..0x2e].iter().map(|&byte| u16::from(byte)).sum();
    memory[0x2e..0x30].copy_from_slice(&sum.to_be_bytes());
    memory
}

#[cfg(test)]
mod tests;
