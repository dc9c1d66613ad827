//! ACPI's fixed hardware: the PM1a event and control blocks and the 3.579545 MHz timer.
//!
//! The machine starts in ACPI mode (SCI_EN reads one) and has no SMI command port. Of the sleep states only S5
//! exists. No general-purpose events. Source: ACPI 6.5, sections 4.8.2 and 4.8.3.

use crate::machine::clock::PM_RATE;
use serde::{Deserialize, Serialize};

/// PM1a event block: status at +0, enable at +2 (FADT PM1a_EVT_BLK, 4 bytes).
pub const PM1_EVENT_PORT: u16 = 0x600;
/// PM1a control block (FADT PM1a_CNT_BLK, 2 bytes).
pub const PM1_CONTROL_PORT: u16 = 0x604;
/// PM timer (FADT PM_TMR_BLK, 4 bytes, 32 bits wide: TMR_VAL_EXT is set).
pub const PM_TIMER_PORT: u16 = 0x608;
/// Ports that the block takes, from [`PM1_EVENT_PORT`].
pub const PORTS: u16 = 12;
/// The SLP_TYP that the DSDT's `_S5` object must name.
pub const SLEEP_TYPE_S5: u8 = 5;
/// The ISA line of the SCI: level-triggered, active high (MADT override).
pub const SCI_IRQ: u8 = 9;

const TIMER: u16 = 1 << 0;
const POWER_BUTTON: u16 = 1 << 8;
/// Status and enable bits that exist: timer, global, power button.
const EVENTS: u16 = TIMER | 1 << 5 | POWER_BUTTON;
const SCI_ENABLED: u16 = 1 << 0;
const SLEEP_ENABLE: u16 = 1 << 13;
/// Control bits that keep their value: bus master reload and the sleep type.
const CONTROL_KEPT: u16 = 1 << 1 | 7 << 10;

/// The fixed hardware's registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcpiPm {
    status: u16,
    enable: u16,
    control: u16,
    /// The time up to which the timer's status bit is complete.
    settled_ns: u64,
}

impl AcpiPm {
    /// The level of the SCI.
    pub fn irq(&self) -> bool {
        self.status & self.enable & EVENTS != 0
    }

    /// When the timer's carry raises the SCI next.
    pub fn next_event(&self) -> Option<u64> {
        if self.enable & TIMER == 0 || self.status & TIMER != 0 {
            return None;
        }
        PM_RATE.ns_at((half_turns(self.settled_ns) + 1) << 31)
    }

    /// Raises the timer's status bit if its top bit changed up to `now_ns`.
    pub fn advance(&mut self, now_ns: u64) {
        if now_ns <= self.settled_ns {
            return;
        }
        if half_turns(self.settled_ns) != half_turns(now_ns) {
            self.status |= TIMER;
        }
        self.settled_ns = now_ns;
    }

    /// Somebody presses the power button.
    pub fn press_power_button(&mut self) {
        self.status |= POWER_BUTTON;
    }

    /// Reads up to four bytes at `offset` from [`PM1_EVENT_PORT`].
    pub fn read(&mut self, offset: u16, size: u8, now_ns: u64) -> u32 {
        self.advance(now_ns);
        let timer = (PM_RATE.ticks_at(now_ns) as u32).to_le_bytes();
        let mut block = [0; PORTS as usize + 4];
        block[0..2].copy_from_slice(&self.status.to_le_bytes());
        block[2..4].copy_from_slice(&self.enable.to_le_bytes());
        block[4..6].copy_from_slice(&(self.control | SCI_ENABLED).to_le_bytes());
        block[8..12].copy_from_slice(&timer);
        let from = usize::from(offset.min(PORTS));
        block[from..].iter().take(size.into()).rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
    }

    /// Writes one byte at `offset`; the sleep type if this asks for sleep.
    pub fn write(&mut self, offset: u16, value: u8, now_ns: u64) -> Option<u8> {
        self.advance(now_ns);
        let shift = 8 * (offset & 1);
        let (word, lane) = (u16::from(value) << shift, 0xff << shift);
        match offset & !1 {
            // Status bits are cleared by writing one.
            0 => self.status &= !word,
            2 => self.enable = (self.enable & !lane | word) & EVENTS,
            4 => {
                self.control = (self.control & !lane | word) & CONTROL_KEPT;
                if word & SLEEP_ENABLE != 0 {
                    return Some((self.control >> 10 & 7) as u8);
                }
            }
            _ => {}
        }
        None
    }
}

/// How often the 32-bit timer's top bit has changed.
fn half_turns(now_ns: u64) -> u64 {
    PM_RATE.ticks_at(now_ns) >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::clock::NS_PER_SECOND;

    #[test]
    fn timer_counts_at_its_rate_and_wraps_at_32_bits() {
        let mut pm = AcpiPm::default();
        assert_eq!(pm.read(8, 4, 0), 0);
        assert_eq!(pm.read(8, 4, NS_PER_SECOND), 3_579_545);
        assert_eq!(pm.read(9, 1, NS_PER_SECOND), 3_579_545 >> 8 & 0xff);
        let full = PM_RATE.ns_at(1 << 32).expect("20 minutes");
        assert_eq!(pm.read(8, 4, full), 0);
    }

    #[test]
    fn carry_of_the_timer_raises_the_sci_when_enabled() {
        let mut pm = AcpiPm::default();
        assert_eq!(pm.next_event(), None);
        pm.write(2, 1, 0);
        let at = pm.next_event().expect("enabled");
        pm.advance(at - 1);
        assert!(!pm.irq());
        pm.advance(at);
        assert!(pm.irq());
        pm.write(0, 1, at);
        assert!(!pm.irq());
        assert_eq!(pm.next_event(), PM_RATE.ns_at(2 << 31));
    }

    #[test]
    fn sleep_enable_tells_the_type_by_word_or_byte() {
        let mut pm = AcpiPm::default();
        assert_eq!(pm.write(4, 1, 0), None);
        assert_eq!(pm.write(5, 0x34, 0), Some(5));
        assert_eq!(pm.read(4, 2, 0), 0x1401);
    }

    #[test]
    fn power_button_is_seen_when_enabled() {
        let mut pm = AcpiPm::default();
        pm.press_power_button();
        assert!(!pm.irq());
        pm.write(3, 1, 0);
        assert!(pm.irq());
        assert_eq!(pm.read(0, 4, 0), 0x0100_0100);
        pm.write(1, 1, 0);
        assert!(!pm.irq());
    }

    #[test]
    fn restored_block_saves_to_equal_bytes() {
        let mut pm = AcpiPm::default();
        pm.write(2, 0x21, 4);
        pm.press_power_button();
        let bytes = postcard::to_stdvec(&pm).expect("plain data");
        let back: AcpiPm = postcard::from_bytes(&bytes).expect("written just now");
        assert_eq!(back, pm);
        assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
    }
}
