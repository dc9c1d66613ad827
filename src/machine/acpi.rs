//! The ACPI tables: what the guest's operating system is told of the PC. The bytes never change between runs.
//!
//! Described: one CPU with its local APIC, an IOAPIC, two 8259s, COM1, an i8042 keyboard, the CMOS clock, and the fixed
//! power management registers (PM1a, PM timer, reset). Not described, because not there: SMI command port (the machine
//! is always in ACPI mode, so PM1 control reads with SCI_EN set), HPET, PCI, GPE blocks, sleep states other than S5.
//! Section numbers are those of ACPI 6.5.

use acpi_tables::aml::{Device, EISAName, IO, Interrupt, Name, Package, Path, ResourceTemplate, Scope};
use acpi_tables::facs::FACS;
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{EnabledStatus, IoApic, ProcessorLocalApic};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, AmlSink};

#[cfg(test)]
mod tests;

/// Where [`tables`] goes in guest-physical memory: the part of the firmware area that operating systems search.
pub const BASE: u64 = 0xe_0000;
/// The address of the RSDP, which boot protocols hand over.
pub const RSDP: u64 = BASE;
/// The tables end before this.
pub const END: u64 = 0x10_0000;

/// Port of the PM1a event registers: status and enable, 2 bytes each.
pub const PM1A_EVENT_PORT: u16 = 0x600;
/// Port of the PM1a control register, 2 bytes.
pub const PM1A_CONTROL_PORT: u16 = 0x604;
/// Port of the power management timer, 4 bytes: 32 bits at 3.579545 MHz.
pub const PM_TIMER_PORT: u16 = 0x608;
/// Writing [`RESET_VALUE`] here resets the machine.
pub const RESET_PORT: u16 = 0xcf9;
/// See [`RESET_PORT`].
pub const RESET_VALUE: u8 = 6;
/// The interrupt of power management events: level-triggered, active high.
pub const SCI_IRQ: u8 = 9;
/// SLP_TYP of soft-off: power goes off when PM1a control is written with this in bits 12..10 and SLP_EN (bit 13).
pub const SLEEP_TYPE_S5: u8 = 5;
/// Physical address of the IOAPIC, whose inputs are GSI 0 to 23.
pub const IOAPIC_BASE: u32 = 0xfec0_0000;
/// The IOAPIC's id.
pub const IOAPIC_ID: u8 = 1;
/// Physical address of the local APIC, whose id is 0.
pub const LAPIC_BASE: u32 = 0xfee0_0000;

const OEM_ID: [u8; 6] = *b"REENAC";
const OEM_TABLE_ID: [u8; 8] = *b"REENACT1";
const OEM_REVISION: u32 = 1;
/// Length of the header that all tables but RSDP and FACS begin with.
const HEADER_LEN: u32 = 36;

/// All tables as one block of bytes for [`BASE`], the RSDP first.
pub fn tables() -> Vec<u8> {
    let mut block = Block { bytes: vec![0; Rsdp::len()] };
    let facs = block.put(&FACS::new(), 64);
    let dsdt = block.put(&dsdt(), 16);
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    xsdt.add_entry(block.put(&fadt(facs, dsdt), 16));
    xsdt.add_entry(block.put(&madt(), 16));
    let xsdt = block.put(&xsdt, 16);
    let mut rsdp = Vec::new();
    Rsdp::new(OEM_ID, xsdt).to_aml_bytes(&mut rsdp);
    block.bytes[..rsdp.len()].copy_from_slice(&rsdp);
    debug_assert!(BASE + block.bytes.len() as u64 <= END);
    block.bytes
}

/// The tables placed so far.
struct Block {
    bytes: Vec<u8>,
}

impl Block {
    /// Appends a table at a multiple of `align` and returns its guest-physical address.
    fn put(&mut self, table: &dyn Aml, align: usize) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
        let address = BASE + self.bytes.len() as u64;
        table.to_aml_bytes(&mut self.bytes);
        address
    }
}

/// Fixed hardware (section 5.2.9).
fn fadt(facs: u64, dsdt: u64) -> impl Aml {
    /// IAPC_BOOT_ARCH: legacy devices, an 8042, no VGA, no message-signalled interrupts.
    const BOOT_ARCH: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3;
    /// Latencies at these values or above say that C2 and C3 do not exist.
    const NO_C2: u16 = 101;
    const NO_C3: u16 = 1001;
    /// CMOS index of the century.
    const CENTURY: u8 = 0x32;
    let port = |port: u16, bits, access| GAS::new(AddressSpace::SystemIo, bits, 0, access, u64::from(port));
    // Flags: WBINVD works, HLT works (C1), no fixed power or sleep button, no fixed RTC wake, 32-bit PM timer, reset
    // register present.
    let flags = [Flags::Wbinvd, Flags::ProcC1, Flags::PwrButton, Flags::SlpButton, Flags::FixRtc];
    let flags = flags.into_iter().chain([Flags::TmrValExt, Flags::ResetRegSup]);
    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION).firmware_ctrl_32(facs as u32);
    fadt = flags.fold(fadt, FADTBuilder::flag);
    // Old systems read the 32-bit pointer, new ones the 64-bit one.
    fadt.dsdt = (dsdt as u32).into();
    fadt.x_dsdt = dsdt.into();
    fadt.sci_int = u16::from(SCI_IRQ).into();
    fadt.pm1a_evt_blk = u32::from(PM1A_EVENT_PORT).into();
    fadt.x_pm1a_evt_blk = port(PM1A_EVENT_PORT, 32, AccessSize::WordAccess);
    fadt.pm1_evt_len = 4;
    fadt.pm1a_cnt_blk = u32::from(PM1A_CONTROL_PORT).into();
    fadt.x_pm1a_cnt_blk = port(PM1A_CONTROL_PORT, 16, AccessSize::WordAccess);
    fadt.pm1_cnt_len = 2;
    fadt.pm_tmr_blk = u32::from(PM_TIMER_PORT).into();
    fadt.x_pm_tmr_blk = port(PM_TIMER_PORT, 32, AccessSize::DwordAccess);
    fadt.pm_tmr_len = 4;
    fadt.reset_reg = port(RESET_PORT, 8, AccessSize::ByteAccess);
    fadt.reset_value = RESET_VALUE;
    fadt.p_lvl2_lat = NO_C2.into();
    fadt.p_lvl3_lat = NO_C3.into();
    fadt.iapc_boot_arch = BOOT_ARCH.into();
    fadt.century = CENTURY;
    fadt.finalize()
}

/// Interrupt controllers (section 5.2.12). Built from the generic table, because the crate's own type has neither the
/// flag for the 8259s nor interrupt source overrides.
fn madt() -> Sdt {
    const PCAT_COMPAT: u32 = 1;
    const REVISION: u8 = 5;
    let mut body = Vec::new();
    body.dword(LAPIC_BASE);
    body.dword(PCAT_COMPAT);
    ProcessorLocalApic::new(0, 0, EnabledStatus::Enabled).to_aml_bytes(&mut body);
    IoApic::new(IOAPIC_ID, IOAPIC_BASE, 0).to_aml_bytes(&mut body);
    // The 8254 is wired to input 2, because the 8259s' cascade takes no input of the IOAPIC.
    interrupt_override(&mut body, 0, 2, 0);
    const ACTIVE_HIGH: u16 = 0b01;
    const LEVEL: u16 = 0b11 << 2;
    interrupt_override(&mut body, SCI_IRQ, u32::from(SCI_IRQ), ACTIVE_HIGH | LEVEL);
    let mut madt = Sdt::new(*b"APIC", HEADER_LEN, REVISION, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    madt.append_slice(&body);
    madt
}

/// An interrupt source override of an ISA interrupt (section 5.2.12.5).
fn interrupt_override(body: &mut Vec<u8>, irq: u8, gsi: u32, flags: u16) {
    const TYPE: u8 = 2;
    const LENGTH: u8 = 10;
    const ISA: u8 = 0;
    body.vec(&[TYPE, LENGTH, ISA, irq]);
    body.dword(gsi);
    body.word(flags);
}

/// The devices that cannot be found by asking (section 5.2.11.1), and the soft-off state.
fn dsdt() -> Sdt {
    const REVISION: u8 = 2;
    let mut body = Vec::new();
    let devices = [
        device("COM1", "PNP0501", &[(0x3f8, 8)], Some(4)),
        device("KBD0", "PNP0303", &[(0x60, 1), (0x64, 1)], Some(1)),
        device("RTC0", "PNP0B00", &[(0x70, 2)], Some(8)),
        // The power management ports, claimed so that nothing else is put there.
        device("PMIO", "PNP0C02", &[(PM1A_EVENT_PORT, 12)], None),
    ];
    body.vec(&Scope::raw(Path::new("_SB_"), devices.concat()));
    let soft_off = Package::new(vec![&SLEEP_TYPE_S5, &SLEEP_TYPE_S5, &0u8, &0u8]);
    Name::new(Path::new("_S5_"), &soft_off).to_aml_bytes(&mut body);
    let mut dsdt = Sdt::new(*b"DSDT", HEADER_LEN, REVISION, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    dsdt.append_slice(&body);
    dsdt
}

/// A device with I/O ports (first port, count) and perhaps an ISA interrupt, edge-triggered and active high.
fn device(name: &str, hardware_id: &str, ports: &[(u16, u8)], irq: Option<u32>) -> Vec<u8> {
    let ports: Vec<IO> = ports.iter().map(|&(first, count)| IO::new(first, first, 1, count)).collect();
    let irq = irq.map(|number| Interrupt::new(true, true, false, false, number));
    let mut resources: Vec<&dyn Aml> = ports.iter().map(|port| port as &dyn Aml).collect();
    resources.extend(irq.iter().map(|irq| irq as &dyn Aml));
    let hardware_id = Name::new(Path::new("_HID"), &EISAName::new(hardware_id));
    let settings = Name::new(Path::new("_CRS"), &ResourceTemplate::new(resources));
    let mut bytes = Vec::new();
    Device::new(Path::new(name), vec![&hardware_id, &settings]).to_aml_bytes(&mut bytes);
    bytes
}
