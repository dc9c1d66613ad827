//! The two PS/2 devices: a keyboard and a plain three-button mouse, as far as their answers to commands go.

use serde::{Deserialize, Serialize};

const ACKNOWLEDGE: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const SELF_TEST_PASSED: u8 = 0xaa;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keyboard {
    /// A command that waits for its parameter.
    command: Option<u8>,
    leds: u8,
    rate: u8,
    scan_code_set: u8,
    is_scanning: bool,
}

impl Default for Keyboard {
    fn default() -> Keyboard {
        Keyboard { command: None, leds: 0, rate: 0x2b, scan_code_set: 2, is_scanning: true }
    }
}

impl Keyboard {
    /// The answer to a byte. `is_translated`: the controller turns set 2 codes, and the second byte of the
    /// identity with them, into set 1.
    pub(super) fn receive(&mut self, value: u8, is_translated: bool) -> Vec<u8> {
        if let Some(command) = self.command.take() {
            return self.parameter(command, value, is_translated);
        }
        match value {
            0xed | 0xf0 | 0xf3 | 0xfb..=0xfd => {
                self.command = Some(value);
                vec![ACKNOWLEDGE]
            }
            0xee => vec![0xee],
            0xf2 => vec![ACKNOWLEDGE, 0xab, if is_translated { 0x41 } else { 0x83 }],
            0xf4 => self.set_scanning(true),
            0xf5 => {
                *self = Keyboard { is_scanning: false, leds: self.leds, ..Keyboard::default() };
                vec![ACKNOWLEDGE]
            }
            0xf6 => {
                *self = Keyboard { is_scanning: self.is_scanning, leds: self.leds, ..Keyboard::default() };
                vec![ACKNOWLEDGE]
            }
            0xf7..=0xfa => vec![ACKNOWLEDGE],
            0xff => {
                *self = Keyboard::default();
                vec![ACKNOWLEDGE, SELF_TEST_PASSED]
            }
            _ => vec![RESEND],
        }
    }

    fn parameter(&mut self, command: u8, value: u8, is_translated: bool) -> Vec<u8> {
        match (command, value) {
            (0xf0, 0) => {
                let translated = [0, 0x43, 0x41, 0x3f][usize::from(self.scan_code_set & 3)];
                return vec![ACKNOWLEDGE, if is_translated { translated } else { self.scan_code_set }];
            }
            (0xf0, set @ 1..=3) => self.scan_code_set = set,
            (0xf0, _) => return vec![RESEND],
            (0xed, leds) => self.leds = leds & 7,
            (0xf3, rate) => self.rate = rate & 0x7f,
            _ => {}
        }
        vec![ACKNOWLEDGE]
    }

    fn set_scanning(&mut self, is_scanning: bool) -> Vec<u8> {
        self.is_scanning = is_scanning;
        vec![ACKNOWLEDGE]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mouse {
    command: Option<u8>,
    rate: u8,
    resolution: u8,
    is_scaled: bool,
    is_reporting: bool,
    is_remote: bool,
    is_wrapping: bool,
}

impl Default for Mouse {
    fn default() -> Mouse {
        Mouse {
            command: None,
            rate: 100,
            resolution: 2,
            is_scaled: false,
            is_reporting: false,
            is_remote: false,
            is_wrapping: false,
        }
    }
}

impl Mouse {
    /// The answer to a byte.
    pub(super) fn receive(&mut self, value: u8) -> Vec<u8> {
        if self.is_wrapping && !matches!(value, 0xec | 0xff) {
            return vec![value];
        }
        match self.command.take() {
            Some(0xe8) => self.resolution = value & 3,
            Some(_) => self.rate = value,
            None => return self.command(value),
        }
        vec![ACKNOWLEDGE]
    }

    fn command(&mut self, value: u8) -> Vec<u8> {
        match value {
            0xe6 => self.is_scaled = false,
            0xe7 => self.is_scaled = true,
            0xe8 | 0xf3 => self.command = Some(value),
            0xe9 => return vec![ACKNOWLEDGE, self.status(), self.resolution, self.rate],
            0xea => self.is_remote = false,
            // Nothing moves: no buttons, no distance.
            0xeb => return vec![ACKNOWLEDGE, 0x08, 0, 0],
            0xec => self.is_wrapping = false,
            0xee => self.is_wrapping = true,
            0xf0 => self.is_remote = true,
            0xf2 => return vec![ACKNOWLEDGE, 0],
            0xf4 => self.is_reporting = true,
            0xf5 => self.is_reporting = false,
            0xf6 => *self = Mouse::default(),
            0xff => {
                *self = Mouse::default();
                return vec![ACKNOWLEDGE, SELF_TEST_PASSED, 0];
            }
            _ => return vec![RESEND],
        }
        vec![ACKNOWLEDGE]
    }

    fn status(&self) -> u8 {
        u8::from(self.is_remote) << 6 | u8::from(self.is_reporting) << 5 | u8::from(self.is_scaled) << 4
    }
}
