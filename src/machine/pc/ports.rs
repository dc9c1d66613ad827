//! The board's I/O ports. Ports of byte-wide chips take wider accesses byte by byte, as the ISA bus does;
//! ports that nobody claims read all ones and ignore writes (COM2..4, DMA, VGA, PCI configuration among them).

use super::{Notice, Pc, PcExit, ResetHow};
use crate::machine::device::acpi_pm;

/// A write of 1, 2 or 4 bytes ends the run with that code.
pub const DEBUG_EXIT_PORT: u16 = 0xf4;
/// A 4-byte write stores the exit status of the program that the guest was booted for.
pub const PROGRAM_STATUS_PORT: u16 = 0x5e5;
/// The reset register that the FADT names; the value that resets has bit 2 set.
pub const RESET_PORT: u16 = 0xcf9;

const RESET_CPU: u8 = 0x04;
/// Gate A20 is open and stays open.
const A20_OPEN: u8 = 0x02;

impl Pc {
    pub(super) fn read_port(&mut self, port: u16, size: u8, now_ns: u64) -> u32 {
        let value = match acpi_offset(port) {
            Some(offset) => self.acpi.read(offset, size, now_ns),
            None => (0..size.min(4)).fold(0, |value, index| {
                let byte = self.read_byte(port.wrapping_add(index.into()), now_ns);
                value | u32::from(byte) << (8 * index)
            }),
        };
        self.settle();
        value
    }

    fn read_byte(&mut self, port: u16, now_ns: u64) -> u8 {
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => self.pic.read(port),
            0x40..=0x43 => self.pit.read(port, now_ns),
            0x60 => self.i8042.read_data(now_ns),
            0x61 => self.pit.read_control(now_ns),
            0x64 => self.i8042.read_status(now_ns),
            0x70 | 0x71 => self.rtc.read(port, now_ns),
            0x92 => A20_OPEN,
            0x3f8..=0x3ff => self.uart.read(port),
            RESET_PORT => self.reset_control,
            _ => match acpi_offset(port) {
                Some(offset) => self.acpi.read(offset, 1, now_ns) as u8,
                None => 0xff,
            },
        }
    }

    pub(super) fn write_port(&mut self, port: u16, size: u8, value: u32, now_ns: u64) {
        match (port, size) {
            (DEBUG_EXIT_PORT, _) => self.stop(PcExit::DebugExit { code: low_bytes(value, size) }),
            (PROGRAM_STATUS_PORT, 4) => self.program_status = Some(value),
            _ => {
                for (port, byte) in (port..=port.saturating_add(3)).zip(value.to_le_bytes()).take(size.into()) {
                    self.write_byte(port, byte, now_ns);
                }
            }
        }
        self.settle();
    }

    fn write_byte(&mut self, port: u16, value: u8, now_ns: u64) {
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => self.pic.write(port, value),
            0x40..=0x43 => self.pit.write(port, value, now_ns),
            0x60 if self.i8042.write_data(value, now_ns) => self.reset(ResetHow::Keyboard),
            0x61 => self.pit.write_control(value, now_ns),
            0x64 if self.i8042.write_command(value, now_ns) => self.reset(ResetHow::Keyboard),
            0x70 | 0x71 => self.rtc.write(port, value, now_ns),
            0x92 if value & 1 != 0 => self.reset(ResetHow::Port92),
            0x3f8..=0x3ff => self.uart.write(port, value),
            RESET_PORT => self.write_reset_control(value),
            _ => {
                if let Some(offset) = acpi_offset(port) {
                    self.write_acpi(offset, value, now_ns);
                }
            }
        }
    }

    fn reset(&mut self, how: ResetHow) {
        self.stop(PcExit::Reset { how });
    }

    /// The rising bit resets, so that a driver may set the kind of reset first.
    fn write_reset_control(&mut self, value: u8) {
        if value & !self.reset_control & RESET_CPU != 0 {
            self.reset(ResetHow::Cf9);
        }
        self.reset_control = value & 0x0e;
    }

    fn write_acpi(&mut self, offset: u16, value: u8, now_ns: u64) {
        match self.acpi.write(offset, value, now_ns) {
            Some(acpi_pm::SLEEP_TYPE_S5) => self.stop(PcExit::PowerOff),
            Some(sleep_type) => self.note(Notice::IgnoredSleep { sleep_type, at_ns: now_ns }),
            None => {}
        }
    }
}

fn acpi_offset(port: u16) -> Option<u16> {
    let offset = port.wrapping_sub(acpi_pm::PM1_EVENT_PORT);
    (offset < acpi_pm::PORTS).then_some(offset)
}

fn low_bytes(value: u32, size: u8) -> u32 {
    value & u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)))
}
