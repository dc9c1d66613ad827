//! The PC's chips, each a plain value that is told the time and asked for its lines.
//!
//! No chip calls another, keeps a reference or reads the host: [`super::pc::Pc`] carries every line between
//! them. Reads and writes bring a chip up to `now_ns` first, so the order of calls is all that matters.

pub mod acpi_pm;
pub mod i8042;
pub mod ioapic;
pub mod lapic;
pub mod pic;
pub mod pit;
pub mod rtc;
pub mod uart;
