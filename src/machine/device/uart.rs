//! COM1: vm-superio's serial port, completed to a 16550A.
//!
//! vm-superio keeps the registers, the receive FIFO and the loopback. Here are the FIFO control register, the
//! interrupt output as the level that a 16550A drives, the identification by priority, and the queue of input
//! that waits for room. Transmission takes no time; framing, parity and break errors never happen.
//! Source: National PC16550D data sheet.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use vm_superio::Trigger;
use vm_superio::serial::{NoEvents, Serial, SerialState};

/// Bytes that the receive FIFO of a 16550A holds.
const FIFO_BYTES: usize = 16;
/// Bytes that vm-superio's buffer holds.
const BUFFER_BYTES: usize = 64;

mod offset {
    pub const DATA: u16 = 0;
    pub const INTERRUPT_ENABLE: u16 = 1;
    pub const IDENTIFICATION: u16 = 2;
    pub const FIFO_CONTROL: u16 = 2;
    pub const LINE_STATUS: u16 = 5;
}

const DIVISOR_LATCH: u8 = 0x80;
const LOOPBACK: u8 = 0x10;
const RECEIVE_INTERRUPT: u8 = 0x01;
const TRANSMIT_INTERRUPT: u8 = 0x02;
const OVERRUN: u8 = 0x02;
/// MCR bit 3, which on a PC enables the interrupt line's driver.
const OUT2: u8 = 0x08;

/// The interrupt line is read as a level, so vm-superio's trigger has nothing to do.
#[derive(Debug)]
struct NoTrigger;

impl Trigger for NoTrigger {
    type E = Infallible;
    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The registers that vm-superio keeps, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    baud_divisor_low: u8,
    baud_divisor_high: u8,
    interrupt_enable: u8,
    interrupt_identification: u8,
    line_control: u8,
    line_status: u8,
    modem_control: u8,
    modem_status: u8,
    scratch: u8,
    in_buffer: Vec<u8>,
}

/// Everything that a saved UART holds. Output is not state: once written it belongs to the world outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UartState {
    registers: Registers,
    is_fifo_enabled: bool,
    is_transmit_pending: bool,
    has_overrun: bool,
    waiting: Vec<u8>,
}

/// The saved receive buffer holds more than the chip can.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the saved UART holds {0} received bytes but its buffer takes {BUFFER_BYTES}; the state is damaged, use another snapshot"
)]
pub struct TooManyReceived(pub usize);

/// A 16550A with its output and the input that waits.
#[derive(Debug)]
pub struct Uart {
    serial: Serial<NoTrigger, NoEvents, Vec<u8>>,
    is_fifo_enabled: bool,
    /// The transmitter became empty since the interrupt was identified last.
    is_transmit_pending: bool,
    /// A looped-back byte found the FIFO full.
    has_overrun: bool,
    waiting: VecDeque<u8>,
}

impl Default for Uart {
    fn default() -> Uart {
        Uart {
            serial: Serial::new(NoTrigger, Vec::new()),
            is_fifo_enabled: false,
            is_transmit_pending: false,
            has_overrun: false,
            waiting: VecDeque::new(),
        }
    }
}

impl Uart {
    /// The interrupt line: an enabled condition holds and OUT2 lets it out.
    pub fn irq(&self) -> bool {
        let state = self.serial.state();
        state.modem_control & OUT2 != 0 && state.modem_control & LOOPBACK == 0 && self.identification(&state) & 1 == 0
    }

    /// The guest has asked for an interrupt when a byte arrives.
    pub fn has_receive_interrupt(&self) -> bool {
        self.serial.state().interrupt_enable & RECEIVE_INTERRUPT != 0
    }

    /// The interrupt of highest priority, as the identification register codes it.
    fn identification(&self, state: &SerialState) -> u8 {
        let fifo = if self.is_fifo_enabled { 0xc0 } else { 0 };
        let cause = if state.interrupt_enable & 0x04 != 0 && self.has_overrun {
            0x06
        } else if state.interrupt_enable & RECEIVE_INTERRUPT != 0 && !state.in_buffer.is_empty() {
            0x04
        } else if state.interrupt_enable & TRANSMIT_INTERRUPT != 0 && self.is_transmit_pending {
            0x02
        } else {
            0x01
        };
        fifo | cause
    }

    /// Reads the register at `port & 7`.
    pub fn read(&mut self, port: u16) -> u8 {
        match port & 7 {
            offset::IDENTIFICATION => {
                let value = self.identification(&self.serial.state());
                if value & 0x0f == 0x02 {
                    self.is_transmit_pending = false;
                }
                value
            }
            offset::LINE_STATUS => {
                let overrun = if std::mem::take(&mut self.has_overrun) { OVERRUN } else { 0 };
                self.serial.read(offset::LINE_STATUS as u8) | overrun
            }
            register => {
                let value = self.serial.read(register as u8);
                self.refill();
                value
            }
        }
    }

    /// Writes the register at `port & 7`.
    pub fn write(&mut self, port: u16, value: u8) {
        let before = self.serial.state();
        match port & 7 {
            offset::FIFO_CONTROL => self.write_fifo_control(value),
            offset::DATA if before.line_control & DIVISOR_LATCH == 0 => self.transmit(value, &before),
            register => self.write_register(register, value),
        }
        if port & 7 == offset::INTERRUPT_ENABLE && before.line_control & DIVISOR_LATCH == 0 {
            let newly_enabled = value & !before.interrupt_enable;
            // Enabling the interrupt while the transmitter is empty raises it at once.
            self.is_transmit_pending |= newly_enabled & TRANSMIT_INTERRUPT != 0;
        }
        self.refill();
    }

    fn transmit(&mut self, value: u8, before: &SerialState) {
        if before.modem_control & LOOPBACK != 0 && before.in_buffer.len() >= self.capacity() {
            self.has_overrun = true;
        } else {
            self.write_register(offset::DATA, value);
        }
        self.is_transmit_pending = true;
    }

    fn write_register(&mut self, register: u16, value: u8) {
        self.serial.write(register as u8, value).expect("a Vec takes every byte and NoTrigger cannot fail");
    }

    fn write_fifo_control(&mut self, value: u8) {
        let is_enabled = value & 1 != 0;
        if is_enabled != self.is_fifo_enabled || value & 3 == 3 {
            self.clear_receive_fifo();
        }
        self.is_fifo_enabled = is_enabled;
    }

    /// Input that still waits outside the chip is not lost with the FIFO.
    fn clear_receive_fifo(&mut self) {
        let mut state = self.serial.state();
        state.in_buffer.clear();
        state.line_status &= !1;
        self.replace(&state);
    }

    fn replace(&mut self, state: &SerialState) {
        let output = std::mem::take(self.serial.writer_mut());
        self.serial = Serial::from_state(state, NoTrigger, NoEvents, output).expect("the buffer is empty");
    }

    fn capacity(&self) -> usize {
        if self.is_fifo_enabled { FIFO_BYTES } else { 1 }
    }

    /// Moves waiting input into the FIFO as far as it goes.
    fn refill(&mut self) {
        while !self.waiting.is_empty() {
            let state = self.serial.state();
            if state.modem_control & LOOPBACK != 0 || state.in_buffer.len() >= self.capacity() {
                return;
            }
            let Some(byte) = self.waiting.pop_front() else {
                return;
            };
            self.serial.enqueue_raw_bytes(&[byte]).expect("there is room and NoTrigger cannot fail");
        }
    }

    /// Input from outside, in any amount: what the FIFO cannot take waits for the guest to read.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
        self.refill();
    }

    /// What the guest sent since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(self.serial.writer_mut())
    }

    /// True while [`Uart::take_output`] would return something.
    pub fn has_output(&self) -> bool {
        !self.serial.writer().is_empty()
    }

    /// The state without the output.
    pub fn state(&self) -> UartState {
        let Uart { serial, is_fifo_enabled, is_transmit_pending, has_overrun, waiting } = self;
        let SerialState {
            baud_divisor_low,
            baud_divisor_high,
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
            in_buffer,
        } = serial.state();
        UartState {
            registers: Registers {
                baud_divisor_low,
                baud_divisor_high,
                interrupt_enable,
                interrupt_identification,
                line_control,
                line_status,
                modem_control,
                modem_status,
                scratch,
                in_buffer,
            },
            is_fifo_enabled: *is_fifo_enabled,
            is_transmit_pending: *is_transmit_pending,
            has_overrun: *has_overrun,
            waiting: waiting.iter().copied().collect(),
        }
    }

    /// A UART in a saved state, with no output waiting.
    pub fn from_state(state: UartState) -> Result<Uart, TooManyReceived> {
        let UartState { registers, is_fifo_enabled, is_transmit_pending, has_overrun, waiting } = state;
        let Registers {
            baud_divisor_low,
            baud_divisor_high,
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
            in_buffer,
        } = registers;
        let received = in_buffer.len();
        let state = SerialState {
            baud_divisor_low,
            baud_divisor_high,
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
            in_buffer,
        };
        let serial =
            Serial::from_state(&state, NoTrigger, NoEvents, Vec::new()).map_err(|_| TooManyReceived(received))?;
        Ok(Uart { serial, is_fifo_enabled, is_transmit_pending, has_overrun, waiting: waiting.into() })
    }
}

#[cfg(test)]
mod tests;
