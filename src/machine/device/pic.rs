//! Two 8259A interrupt controllers in the AT's cascade, with the ELCR that chooses level triggering per line.
//!
//! Only 8086 mode is built (the MCS-80 call sequence is not); buffered mode changes pins that do not exist here.
//! Source: Intel 8259A data sheet (231468), and the ICH's description of ports 0x4D0 and 0x4D1.

use serde::{Deserialize, Serialize};

/// Lines that the board wires as edge-triggered whatever the ELCR is told: timer, keyboard, cascade, clock, FPU.
const ELCR_WRITABLE: [u8; 2] = [0xf8, 0xde];
/// The master's input that carries the slave.
const CASCADE: u8 = 2;

/// Which initialisation word the data port expects next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Expect {
    #[default]
    Mask,
    Icw2,
    Icw3,
    Icw4,
}

/// One 8259A.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Chip {
    lines: u8,
    requests: u8,
    in_service: u8,
    mask: u8,
    level_triggered: u8,
    base: u8,
    cascade: u8,
    expect: Expect,
    is_single: bool,
    needs_icw4: bool,
    has_auto_eoi: bool,
    rotates_on_auto_eoi: bool,
    has_special_mask: bool,
    has_special_nesting: bool,
    reads_in_service: bool,
    polls: bool,
    /// The input of lowest priority; the one after it is the highest.
    lowest: u8,
}

impl Chip {
    fn power_on() -> Chip {
        Chip { lowest: 7, ..Chip::default() }
    }

    /// 0 is the most urgent.
    fn rank(&self, input: u8) -> u8 {
        input.wrapping_sub(self.lowest).wrapping_sub(1) & 7
    }

    fn most_urgent(&self, bits: u8) -> Option<u8> {
        (0..8).map(|rank| self.lowest.wrapping_add(1 + rank) & 7).find(|input| bits & (1 << input) != 0)
    }

    /// The input that drives INT now.
    fn pending(&self) -> Option<u8> {
        let request = self.most_urgent(self.requests & !self.mask)?;
        let mut serving = self.in_service;
        if self.has_special_mask {
            serving &= !self.mask;
        }
        if self.has_special_nesting {
            // The slave may interrupt its own service: it has priorities of its own.
            serving &= !self.cascade;
        }
        match self.most_urgent(serving) {
            Some(current) if self.rank(request) >= self.rank(current) => None,
            _ => Some(request),
        }
    }

    fn set_line(&mut self, input: u8, is_high: bool) {
        let bit = 1 << input;
        if !is_high {
            // A request that is withdrawn before its acknowledge is gone: that makes the spurious vector.
            self.lines &= !bit;
            self.requests &= !bit;
            return;
        }
        if self.lines & bit == 0 || self.level_triggered & bit != 0 {
            self.requests |= bit;
        }
        self.lines |= bit;
    }

    /// The second INTA pulse for an input that [`Chip::pending`] named.
    fn acknowledge(&mut self, input: u8) -> u8 {
        let bit = 1 << input;
        if self.level_triggered & bit == 0 {
            self.requests &= !bit;
        }
        if !self.has_auto_eoi {
            self.in_service |= bit;
        } else if self.rotates_on_auto_eoi {
            self.lowest = input;
        }
        self.base | input
    }

    fn spurious(&self) -> u8 {
        self.base | 7
    }

    fn write_command(&mut self, value: u8) {
        if value & 0x10 != 0 {
            self.start_initialisation(value);
        } else if value & 0x08 != 0 {
            self.write_ocw3(value);
        } else {
            self.write_ocw2(value);
        }
    }

    fn start_initialisation(&mut self, icw1: u8) {
        *self = Chip {
            lines: self.lines,
            requests: self.lines & self.level_triggered,
            level_triggered: self.level_triggered,
            base: self.base,
            cascade: self.cascade,
            expect: Expect::Icw2,
            is_single: icw1 & 2 != 0,
            needs_icw4: icw1 & 1 != 0,
            ..Chip::power_on()
        };
    }

    fn write_ocw2(&mut self, value: u8) {
        let input = value & 7;
        match value >> 5 {
            0 => self.rotates_on_auto_eoi = false,
            4 => self.rotates_on_auto_eoi = true,
            1 => {
                self.end_most_urgent();
            }
            5 => {
                if let Some(ended) = self.end_most_urgent() {
                    self.lowest = ended;
                }
            }
            3 => self.in_service &= !(1 << input),
            6 => self.lowest = input,
            7 => {
                self.in_service &= !(1 << input);
                self.lowest = input;
            }
            _ => {}
        }
    }

    fn end_most_urgent(&mut self) -> Option<u8> {
        // In special mask mode a masked input keeps its in-service bit (data sheet, "Special Mask Mode").
        let serving = if self.has_special_mask { self.in_service & !self.mask } else { self.in_service };
        let input = self.most_urgent(serving)?;
        self.in_service &= !(1 << input);
        Some(input)
    }

    fn write_ocw3(&mut self, value: u8) {
        if value & 0x40 != 0 {
            self.has_special_mask = value & 0x20 != 0;
        }
        if value & 0x04 != 0 {
            self.polls = true;
        } else if value & 0x02 != 0 {
            self.reads_in_service = value & 1 != 0;
        }
    }

    fn write_data(&mut self, value: u8) {
        self.expect = match self.expect {
            Expect::Mask => {
                self.mask = value;
                Expect::Mask
            }
            Expect::Icw2 => {
                self.base = value & 0xf8;
                match (self.is_single, self.needs_icw4) {
                    (false, _) => Expect::Icw3,
                    (true, true) => Expect::Icw4,
                    (true, false) => Expect::Mask,
                }
            }
            Expect::Icw3 => {
                self.cascade = value;
                if self.needs_icw4 { Expect::Icw4 } else { Expect::Mask }
            }
            Expect::Icw4 => {
                self.has_special_nesting = value & 0x10 != 0;
                self.has_auto_eoi = value & 0x02 != 0;
                Expect::Mask
            }
        }
    }

    fn poll(&mut self) -> u8 {
        self.polls = false;
        match self.pending() {
            Some(input) => {
                self.acknowledge(input);
                0x80 | input
            }
            None => 0,
        }
    }

    fn read(&mut self, is_data: bool) -> u8 {
        if self.polls {
            return self.poll();
        }
        match (is_data, self.reads_in_service) {
            (true, _) => self.mask,
            (false, true) => self.in_service,
            (false, false) => self.requests,
        }
    }

    fn set_trigger(&mut self, level_triggered: u8) {
        self.level_triggered = level_triggered;
        self.requests = (self.requests & !level_triggered) | (self.lines & level_triggered);
    }
}

/// The pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pic {
    master: Chip,
    slave: Chip,
}

impl Default for Pic {
    fn default() -> Pic {
        Pic { master: Chip::power_on(), slave: Chip::power_on() }
    }
}

impl Pic {
    /// Drives ISA line `irq` (0..=15; 2 is the cascade and is ignored).
    pub fn set_irq(&mut self, irq: u8, is_high: bool) {
        match irq {
            CASCADE => {}
            0..=7 => self.master.set_line(irq, is_high),
            _ => self.slave.set_line(irq & 7, is_high),
        }
        self.carry_cascade();
    }

    /// The INT output towards the CPU.
    pub fn interrupt(&self) -> bool {
        self.master.pending().is_some()
    }

    /// The INTA cycle: the vector, spurious (input 7) when the request was withdrawn.
    pub fn acknowledge(&mut self) -> u8 {
        let Some(input) = self.master.pending() else {
            return self.master.spurious();
        };
        let vector = self.master.acknowledge(input);
        if input != CASCADE {
            return vector;
        }
        let vector = match self.slave.pending() {
            Some(input) => self.slave.acknowledge(input),
            None => self.slave.spurious(),
        };
        // The slave drops INT during INTA, so that a further request makes a new edge.
        self.master.set_line(CASCADE, false);
        self.carry_cascade();
        vector
    }

    fn carry_cascade(&mut self) {
        self.master.set_line(CASCADE, self.slave.pending().is_some());
    }

    /// Reads ports 0x20, 0x21, 0xA0, 0xA1, 0x4D0 or 0x4D1.
    pub fn read(&mut self, port: u16) -> u8 {
        let value = match port {
            0x4d0 => self.master.level_triggered,
            0x4d1 => self.slave.level_triggered,
            _ if port & 0x80 == 0 => self.master.read(port & 1 != 0),
            _ => self.slave.read(port & 1 != 0),
        };
        self.carry_cascade();
        value
    }

    /// Writes the same ports.
    pub fn write(&mut self, port: u16, value: u8) {
        match port {
            0x4d0 => self.master.set_trigger(value & ELCR_WRITABLE[0]),
            0x4d1 => self.slave.set_trigger(value & ELCR_WRITABLE[1]),
            _ => {
                let chip = if port & 0x80 == 0 { &mut self.master } else { &mut self.slave };
                if port & 1 == 0 { chip.write_command(value) } else { chip.write_data(value) }
            }
        }
        self.carry_cascade();
    }
}

#[cfg(test)]
mod tests;
