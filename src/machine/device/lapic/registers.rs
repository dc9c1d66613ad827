//! The local APIC's register page. Registers are 32 bits wide at 16-byte steps; bytes and words of them can be
//! read, but only whole registers written (SDM vol. 3, 11.4.1 leaves the rest undefined).

use super::{Effect, LEVEL, Lapic, MASKED, Message, REMOTE_IRR, SOFTWARE_ENABLED, delivery, error, lvt};

/// Version 0x14 with table entries 0..=5; no suppression of the end-of-interrupt broadcast.
const VERSION: u32 = 0x0005_0014;

/// The bits of each table entry that software may set.
const LVT_WRITABLE: [u32; lvt::COUNT] = [0x3_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff];

mod offset {
    pub const ID: u16 = 0x020;
    pub const VERSION: u16 = 0x030;
    pub const TASK_PRIORITY: u16 = 0x080;
    pub const ARBITRATION_PRIORITY: u16 = 0x090;
    pub const PROCESSOR_PRIORITY: u16 = 0x0a0;
    pub const END_OF_INTERRUPT: u16 = 0x0b0;
    pub const REMOTE_READ: u16 = 0x0c0;
    pub const LOGICAL_DESTINATION: u16 = 0x0d0;
    pub const DESTINATION_FORMAT: u16 = 0x0e0;
    pub const SPURIOUS: u16 = 0x0f0;
    pub const ERROR_STATUS: u16 = 0x280;
    pub const COMMAND_LOW: u16 = 0x300;
    pub const COMMAND_HIGH: u16 = 0x310;
    pub const TIMER_INITIAL: u16 = 0x380;
    pub const TIMER_CURRENT: u16 = 0x390;
    pub const TIMER_DIVIDE: u16 = 0x3e0;
}

impl Lapic {
    /// Reads `size` bytes at `offset` of the page; bytes beyond the register read zero.
    pub fn read(&mut self, offset: u16, size: u8, now_ns: u64) -> u64 {
        self.advance(now_ns);
        let within = u32::from(offset & 0xf);
        if within + u32::from(size.min(4)) > 4 {
            return 0;
        }
        let value = u64::from(self.read_register(offset & 0xff0, now_ns)) >> (8 * within);
        match size {
            1 => value & 0xff,
            2 => value & 0xffff,
            _ => value,
        }
    }

    fn read_register(&mut self, register: u16, now_ns: u64) -> u32 {
        match register {
            offset::ID => u32::from(self.id) << 24,
            offset::VERSION => VERSION,
            offset::TASK_PRIORITY => self.task_priority.into(),
            // Both exist on the P6 family only and read zero since.
            offset::ARBITRATION_PRIORITY | offset::REMOTE_READ => 0,
            offset::PROCESSOR_PRIORITY => self.processor_priority().into(),
            offset::END_OF_INTERRUPT => 0,
            offset::LOGICAL_DESTINATION => self.logical_destination,
            offset::DESTINATION_FORMAT => self.destination_format,
            offset::SPURIOUS => self.spurious,
            0x100..=0x170 => self.in_service.word(register >> 4),
            0x180..=0x1f0 => self.trigger.word(register >> 4),
            0x200..=0x270 => self.requests.word(register >> 4),
            offset::ERROR_STATUS => self.error_status,
            offset::COMMAND_LOW => self.command as u32,
            offset::COMMAND_HIGH => (self.command >> 32) as u32,
            0x320..=0x370 => self.table[usize::from((register - 0x320) >> 4)],
            offset::TIMER_INITIAL => self.timer.initial(),
            offset::TIMER_CURRENT => self.timer.count(now_ns),
            offset::TIMER_DIVIDE => self.timer.divide().into(),
            _ => {
                self.report(error::ILLEGAL_REGISTER);
                0
            }
        }
    }

    /// Writes a whole register; anything narrower or unaligned is ignored.
    pub fn write(&mut self, offset: u16, size: u8, value: u32, now_ns: u64) -> Effect {
        self.advance(now_ns);
        if offset & 0xf != 0 || size < 4 {
            return Effect::None;
        }
        match offset {
            offset::ID => self.id = (value >> 24) as u8,
            offset::TASK_PRIORITY => self.task_priority = value as u8,
            offset::END_OF_INTERRUPT => return self.end_of_interrupt(),
            offset::LOGICAL_DESTINATION => self.logical_destination = value & 0xff00_0000,
            offset::DESTINATION_FORMAT => self.destination_format = value | 0x0fff_ffff,
            offset::SPURIOUS => self.write_spurious(value),
            offset::ERROR_STATUS => self.error_status = std::mem::take(&mut self.error_latched),
            offset::COMMAND_LOW => return self.send(value),
            offset::COMMAND_HIGH => {
                self.command = self.command & 0xffff_ffff | u64::from(value & 0xff00_0000) << 32;
            }
            0x320..=0x370 => self.write_entry(usize::from((offset - 0x320) >> 4), value),
            offset::TIMER_INITIAL => self.timer.start(value, now_ns),
            offset::TIMER_DIVIDE => self.timer.set_divide(value as u8, now_ns),
            offset::VERSION
            | offset::ARBITRATION_PRIORITY
            | offset::PROCESSOR_PRIORITY
            | offset::REMOTE_READ
            | 0x100..=0x270
            | offset::TIMER_CURRENT => {}
            _ => self.report(error::ILLEGAL_REGISTER),
        }
        Effect::None
    }

    fn write_spurious(&mut self, value: u32) {
        self.spurious = value & 0x3ff;
        if value & SOFTWARE_ENABLED == 0 {
            for entry in &mut self.table {
                *entry |= MASKED;
            }
        }
    }

    fn write_entry(&mut self, index: usize, value: u32) {
        let mut entry = value & LVT_WRITABLE[index];
        if !self.is_software_enabled() {
            entry |= MASKED;
        }
        if entry & LEVEL != 0 {
            entry |= self.table[index] & REMOTE_IRR;
        }
        self.table[index] = entry;
        match index {
            lvt::TIMER => self.timer.set_periodic(entry & 1 << 17 != 0),
            lvt::LINT0 => self.offer_lint0_level(),
            _ => {}
        }
    }

    /// A write to the low half of the interrupt command register sends an IPI, which arrives at once.
    fn send(&mut self, value: u32) -> Effect {
        self.command = self.command & !0xffff_ffff | u64::from(value & 0x000c_cfff);
        let mode = (value >> 8 & 7) as u8;
        let is_logical = value & 1 << 11 != 0;
        let destination = (self.command >> 56) as u8;
        let is_for_us = match value >> 18 & 3 {
            0 => self.is_addressed(destination, is_logical),
            3 => false,
            _ => true,
        };
        match mode {
            delivery::FIXED | delivery::LOWEST_PRIORITY if value & 0xff < 16 => {
                self.report(error::SEND_ILLEGAL_VECTOR);
                Effect::None
            }
            _ if !is_for_us => Effect::None,
            delivery::FIXED | delivery::LOWEST_PRIORITY | delivery::NMI => {
                let message =
                    Message { vector: value as u8, mode, is_level: false, destination: self.id, is_logical: false };
                self.deliver(message);
                Effect::None
            }
            // The "INIT level de-assert" of the P6 protocol is no INIT.
            delivery::INIT if value & (1 << 14 | LEVEL) == LEVEL => Effect::None,
            other => Effect::Ignored(other),
        }
    }
}
