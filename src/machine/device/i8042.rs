//! The keyboard controller with a keyboard and a PS/2 mouse that answer but that nobody touches.
//!
//! Enough for an operating system to identify both without waiting for a timeout. A byte takes a fixed time from
//! its device to the output buffer, so that each makes an interrupt edge of its own. Gate A20 is always open.
//! Source: IBM PS/2 Technical Reference, "Keyboard and Auxiliary Device Controller".

mod ps2;

use ps2::{Keyboard, Mouse};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Time from a device's answer to the full output buffer.
const TRANSFER_NS: u64 = 20_000;
/// Bytes that wait at most; what comes on top is lost, as in a device's own buffer.
const QUEUE_BYTES: usize = 32;

mod status {
    pub const OUTPUT_FULL: u8 = 0x01;
    pub const SYSTEM: u8 = 0x04;
    pub const LAST_WAS_COMMAND: u8 = 0x08;
    pub const NOT_INHIBITED: u8 = 0x10;
    pub const AUXILIARY: u8 = 0x20;
}

mod config {
    pub const KEYBOARD_INTERRUPT: u8 = 0x01;
    pub const AUXILIARY_INTERRUPT: u8 = 0x02;
    pub const SYSTEM: u8 = 0x04;
    pub const KEYBOARD_DISABLED: u8 = 0x10;
    pub const AUXILIARY_DISABLED: u8 = 0x20;
    pub const TRANSLATE: u8 = 0x40;
}

/// Output port: reset line high, A20 open, both clocks running.
const OUTPUT_PORT: u8 = 0xcf;

/// A byte on its way to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Byte {
    value: u8,
    is_auxiliary: bool,
}

/// The controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct I8042 {
    config: u8,
    /// Controller RAM other than the configuration byte.
    ram: [u8; 32],
    /// A command that waits for its byte at port 0x60.
    command: Option<u8>,
    last_was_command: bool,
    output: Byte,
    is_output_full: bool,
    queue: VecDeque<Byte>,
    fill_at: Option<u64>,
    keyboard: Keyboard,
    mouse: Mouse,
}

impl Default for I8042 {
    fn default() -> I8042 {
        I8042 {
            config: config::KEYBOARD_INTERRUPT | config::SYSTEM | config::TRANSLATE,
            ram: [0; 32],
            command: None,
            last_was_command: false,
            output: Byte { value: 0, is_auxiliary: false },
            is_output_full: false,
            queue: VecDeque::new(),
            fill_at: None,
            keyboard: Keyboard::default(),
            mouse: Mouse::default(),
        }
    }
}

impl I8042 {
    /// The level of ISA line 1.
    pub fn keyboard_irq(&self) -> bool {
        self.is_output_full && !self.output.is_auxiliary && self.config & config::KEYBOARD_INTERRUPT != 0
    }

    /// The level of ISA line 12.
    pub fn auxiliary_irq(&self) -> bool {
        self.is_output_full && self.output.is_auxiliary && self.config & config::AUXILIARY_INTERRUPT != 0
    }

    /// When the next byte reaches the output buffer.
    pub fn next_event(&self) -> Option<u64> {
        self.fill_at
    }

    /// Moves a byte that is due into the output buffer.
    pub fn advance(&mut self, now_ns: u64) {
        if self.fill_at.is_some_and(|at| at <= now_ns) {
            self.fill_at = None;
            if let Some(byte) = self.queue.pop_front() {
                self.output = byte;
                self.is_output_full = true;
            }
        }
    }

    fn push(&mut self, value: u8, is_auxiliary: bool, now_ns: u64) {
        if self.queue.len() < QUEUE_BYTES {
            self.queue.push_back(Byte { value, is_auxiliary });
        }
        self.schedule(now_ns);
    }

    fn schedule(&mut self, now_ns: u64) {
        if !self.is_output_full && self.fill_at.is_none() && !self.queue.is_empty() {
            self.fill_at = Some(now_ns.saturating_add(TRANSFER_NS));
        }
    }

    /// Reads port 0x60.
    pub fn read_data(&mut self, now_ns: u64) -> u8 {
        self.advance(now_ns);
        self.is_output_full = false;
        self.schedule(now_ns);
        self.output.value
    }

    /// Reads port 0x64.
    pub fn read_status(&mut self, now_ns: u64) -> u8 {
        self.advance(now_ns);
        let mut value = status::NOT_INHIBITED;
        if self.is_output_full {
            value |= status::OUTPUT_FULL;
            if self.output.is_auxiliary {
                value |= status::AUXILIARY;
            }
        }
        if self.config & config::SYSTEM != 0 {
            value |= status::SYSTEM;
        }
        if self.last_was_command {
            value |= status::LAST_WAS_COMMAND;
        }
        value
    }

    /// Writes port 0x64; true pulls the CPU's reset line.
    pub fn write_command(&mut self, value: u8, now_ns: u64) -> bool {
        self.advance(now_ns);
        self.last_was_command = true;
        self.command = None;
        match value {
            0x20 => self.push(self.config, false, now_ns),
            0x21..=0x3f => self.push(self.ram[usize::from(value & 0x1f)], false, now_ns),
            0x60..=0x7f | 0xd1..=0xd4 => self.command = Some(value),
            0xa7 => self.config |= config::AUXILIARY_DISABLED,
            0xa8 => self.config &= !config::AUXILIARY_DISABLED,
            0xaa => self.push(0x55, false, now_ns),
            0xa9 | 0xab => self.push(0x00, false, now_ns),
            0xad => self.config |= config::KEYBOARD_DISABLED,
            0xae => self.config &= !config::KEYBOARD_DISABLED,
            // Input port: keyboard not locked. Test inputs: both clock lines high.
            0xc0 => self.push(0x80, false, now_ns),
            0xe0 => self.push(0x03, false, now_ns),
            0xd0 => self.push(OUTPUT_PORT, false, now_ns),
            // Pulses the output port bits whose command bit is clear; bit 0 is the reset line.
            0xf0..=0xff => return value & 1 == 0,
            _ => {}
        }
        false
    }

    /// Writes port 0x60; true pulls the CPU's reset line.
    pub fn write_data(&mut self, value: u8, now_ns: u64) -> bool {
        self.advance(now_ns);
        self.last_was_command = false;
        match self.command.take() {
            None => {
                // Sending to the keyboard starts its clock again.
                self.config &= !config::KEYBOARD_DISABLED;
                let is_translated = self.config & config::TRANSLATE != 0;
                let answer = self.keyboard.receive(value, is_translated);
                self.push_all(&answer, false, now_ns);
            }
            Some(0x60) => self.config = value & 0x77,
            Some(command @ 0x61..=0x7f) => self.ram[usize::from(command & 0x1f)] = value,
            Some(0xd1) => return value & 1 == 0,
            Some(0xd2) => self.push(value, false, now_ns),
            Some(0xd3) => self.push(value, true, now_ns),
            Some(_) => {
                let answer = self.mouse.receive(value);
                self.push_all(&answer, true, now_ns);
            }
        }
        false
    }

    fn push_all(&mut self, bytes: &[u8], is_auxiliary: bool, now_ns: u64) {
        for &byte in bytes {
            self.push(byte, is_auxiliary, now_ns);
        }
    }
}

#[cfg(test)]
mod tests;
