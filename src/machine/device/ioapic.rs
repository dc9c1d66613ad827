//! The I/O APIC: 24 pins, each with a redirection entry that turns its line into a message.
//!
//! A pin is driven by the board's notion of "asserted", so the polarity bit is kept but changes nothing.
//! Source: Intel 82093AA data sheet (290566), with the end-of-interrupt register of version 0x20.

use super::lapic::{Message, delivery};
use serde::{Deserialize, Serialize};

/// Where the registers are.
pub const BASE: u64 = 0xfec0_0000;
/// The identification that firmware gives it; the MADT names the same.
pub const ID: u8 = 1;
/// Number of pins.
pub const PINS: u8 = 24;

/// Version 0x20, and the number of the last entry.
const VERSION: u32 = 0x0020 | (PINS as u32 - 1) << 16;

const MASKED: u64 = 1 << 16;
const LEVEL: u64 = 1 << 15;
const REMOTE_IRR: u64 = 1 << 14;
const LOGICAL: u64 = 1 << 11;
/// Delivery status and remote IRR cannot be written; the middle of the entry is reserved.
const WRITABLE: u64 = 0xff00_0000_0001_afff;

/// Level triggering means something only for interrupts that have an end; NMI and the like go by the edge.
fn is_level(entry: u64) -> bool {
    entry & LEVEL != 0 && (entry >> 8 & 7) as u8 <= delivery::LOWEST_PRIORITY
}

/// The I/O APIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ioapic {
    select: u8,
    id: u8,
    entries: [u64; PINS as usize],
    lines: u32,
    /// Edges that wait to be sent.
    edges: u32,
}

impl Default for Ioapic {
    fn default() -> Ioapic {
        Ioapic { select: 0, id: 0, entries: [MASKED; PINS as usize], lines: 0, edges: 0 }
    }
}

impl Ioapic {
    /// Drives a pin. An edge on a masked pin is lost, as the data sheet says of the mask bit.
    pub fn set_line(&mut self, pin: u8, is_high: bool) {
        let Some(&entry) = self.entries.get(usize::from(pin)) else {
            return;
        };
        let bit = 1 << pin;
        if is_high && self.lines & bit == 0 && entry & MASKED == 0 && !is_level(entry) {
            self.edges |= bit;
        }
        if is_high {
            self.lines |= bit;
        } else {
            self.lines &= !bit;
        }
    }

    /// Pins whose message may have to be sent; zero in the usual case.
    pub fn waiting(&self) -> u32 {
        self.lines | self.edges
    }

    /// The message that `pin` has to send now.
    pub fn message(&self, pin: u8) -> Option<Message> {
        let entry = *self.entries.get(usize::from(pin))?;
        let bit = 1 << pin;
        let is_level = is_level(entry);
        let is_due = if is_level { self.lines & bit != 0 && entry & REMOTE_IRR == 0 } else { self.edges & bit != 0 };
        (is_due && entry & MASKED == 0).then_some(Message {
            vector: entry as u8,
            mode: (entry >> 8 & 7) as u8,
            is_level,
            destination: (entry >> 56) as u8,
            is_logical: entry & LOGICAL != 0,
        })
    }

    /// The message of `pin` was sent. A level that nobody accepted is offered again.
    pub fn sent(&mut self, pin: u8, was_accepted: bool) {
        let Some(entry) = self.entries.get_mut(usize::from(pin)) else {
            return;
        };
        self.edges &= !(1 << pin);
        if was_accepted && is_level(*entry) {
            *entry |= REMOTE_IRR;
        }
    }

    /// A level-triggered interrupt with this vector has ended.
    pub fn end_of_interrupt(&mut self, vector: u8) {
        for entry in &mut self.entries {
            if *entry as u8 == vector && *entry & LEVEL != 0 {
                *entry &= !REMOTE_IRR;
            }
        }
    }

    /// Reads at `offset` from [`BASE`]; registers are 32 bits wide, the rest reads zero.
    pub fn read(&self, offset: u16) -> u32 {
        match offset {
            0x00 => self.select.into(),
            0x10 => self.read_selected(),
            _ => 0,
        }
    }

    fn read_selected(&self) -> u32 {
        match self.select {
            0x00 | 0x02 => u32::from(self.id) << 24,
            0x01 => VERSION,
            _ => match self.selected_entry() {
                Some((index, is_high)) => {
                    let entry = self.entries[index];
                    if is_high { (entry >> 32) as u32 } else { entry as u32 }
                }
                None => 0,
            },
        }
    }

    fn selected_entry(&self) -> Option<(usize, bool)> {
        let index = usize::from(self.select.checked_sub(0x10)?);
        (index < 2 * self.entries.len()).then_some((index / 2, index % 2 == 1))
    }

    /// Writes at `offset` from [`BASE`].
    pub fn write(&mut self, offset: u16, value: u32) {
        match offset {
            0x00 => self.select = value as u8,
            0x10 => self.write_selected(value),
            0x40 => self.end_of_interrupt(value as u8),
            _ => {}
        }
    }

    fn write_selected(&mut self, value: u32) {
        if self.select == 0 {
            self.id = (value >> 24) as u8 & 0x0f;
        }
        let Some((index, is_high)) = self.selected_entry() else {
            return;
        };
        let old = self.entries[index];
        let new =
            if is_high { old & 0xffff_ffff | u64::from(value) << 32 } else { old & !0xffff_ffff | u64::from(value) };
        let mut entry = new & WRITABLE;
        if entry & LEVEL != 0 {
            // Switching a pin to edge and back is how a driver without the EOI register ends an interrupt.
            entry |= old & REMOTE_IRR;
        }
        if entry & MASKED != 0 || is_level(entry) {
            self.edges &= !(1 << index);
        }
        self.entries[index] = entry;
    }
}

#[cfg(test)]
mod tests;
