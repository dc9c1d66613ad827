//! The board's state by name. Saving takes the board apart and restoring builds it whole, both without `..`: a
//! field that is forgotten does not compile.
//!
//! Not state: console output and notices (they belong to the world outside) and what is recomputed from the rest.

use super::{Pc, PcExit};
use crate::machine::clock::Clock;
use crate::machine::device::acpi_pm::AcpiPm;
use crate::machine::device::i8042::I8042;
use crate::machine::device::ioapic::Ioapic;
use crate::machine::device::lapic::Lapic;
use crate::machine::device::pic::Pic;
use crate::machine::device::pit::Pit;
use crate::machine::device::rtc::Rtc;
use crate::machine::device::uart::{TooManyReceived, Uart, UartState};
use crate::machine::transcript::Transcript;
use serde::{Deserialize, Serialize};

/// Everything that the board's future behaviour depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PcState {
    clock: Clock,
    pic: Pic,
    pit: Pit,
    lapic: Lapic,
    ioapic: Ioapic,
    rtc: Rtc,
    i8042: I8042,
    uart: UartState,
    acpi: AcpiPm,
    reset_control: u8,
    outside_lines: u32,
    lines: u32,
    program_status: Option<u32>,
    exit: Option<PcExit>,
}

/// A saved board that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PcError {
    /// The UART's buffer.
    #[error("the saved board has a UART that cannot be")]
    Uart(#[from] TooManyReceived),
}

impl Pc {
    /// The state, by name. Take the output first: it is not in it.
    pub fn save(&self) -> PcState {
        let Pc {
            clock,
            pic,
            pit,
            lapic,
            ioapic,
            rtc,
            i8042,
            uart,
            acpi,
            reset_control,
            outside_lines,
            lines,
            program_status,
            exit,
            notices: _,
            is_interrupt_pending: _,
            next_event_ns: _,
            armed_ns: _,
            transcript: _,
            status_reads: _,
        } = self;
        PcState {
            clock: *clock,
            pic: pic.clone(),
            pit: pit.clone(),
            lapic: lapic.clone(),
            ioapic: ioapic.clone(),
            rtc: rtc.clone(),
            i8042: i8042.clone(),
            uart: uart.state(),
            acpi: acpi.clone(),
            reset_control: *reset_control,
            outside_lines: *outside_lines,
            lines: *lines,
            program_status: *program_status,
            exit: *exit,
        }
    }

    /// A board in a saved state, with no output waiting.
    pub fn restore(state: PcState) -> Result<Pc, PcError> {
        let PcState {
            clock,
            pic,
            pit,
            lapic,
            ioapic,
            rtc,
            i8042,
            uart,
            acpi,
            reset_control,
            outside_lines,
            lines,
            program_status,
            exit,
        } = state;
        let mut pc = Pc {
            clock,
            pic,
            pit,
            lapic,
            ioapic,
            rtc,
            i8042,
            uart: Uart::from_state(uart)?,
            acpi,
            reset_control,
            outside_lines,
            lines,
            program_status,
            exit,
            notices: Vec::new(),
            is_interrupt_pending: false,
            next_event_ns: None,
            armed_ns: None,
            transcript: Transcript::default(),
            status_reads: 0,
        };
        // Lines as saved stay as they are: only what the run loop polls is computed anew.
        pc.refresh();
        Ok(pc)
    }
}
