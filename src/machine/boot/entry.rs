//! The state that the CPU starts a guest in, with the GDT and page tables that it refers to.
//!
//! Plain data: nothing here touches a CPU. Two modes exist, 64-bit with identity paging and 32-bit flat without paging.

use super::BootError;
use super::layout::{GDT, PAGE, PAGE_TABLES};
use crate::cpu::flags::bit;
use crate::cpu::state::{Segment, State, TableRegister, attr, cr, seg};
use crate::machine::ram::Memory;
use vm_memory::{Bytes, GuestAddress};

/// The code segment's selector (Linux x86 boot protocol, section 1.14: __BOOT_CS).
pub const BOOT_CS: u16 = 0x10;
/// The data segments' selector (__BOOT_DS).
pub const BOOT_DS: u16 = 0x18;
/// The task register's selector.
pub const BOOT_TR: u16 = 0x20;

/// The processor mode that a guest is entered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryMode {
    /// 64-bit mode, the first 4 GiB identity-mapped with 2 MiB pages.
    Long64,
    /// 32-bit protected mode, flat segments, paging off.
    Protected32,
}

/// Everything that the CPU needs to run the first instruction of a guest. Interrupts are off, CPL is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryState {
    /// The mode, which [`EntryState::cr0`] and its neighbours spell out.
    pub mode: EntryMode,
    /// The address of the first instruction.
    pub rip: u64,
    /// RFLAGS: only the bit that is always set.
    pub rflags: u64,
    /// General registers in the order of the instruction encoding; those the boot protocol does not name are zero.
    pub gpr: [u64; 16],
    /// Control register 0.
    pub cr0: u64,
    /// The page table base; zero without paging.
    pub cr3: u64,
    /// Control register 4.
    pub cr4: u64,
    /// IA32_EFER.
    pub efer: u64,
    /// ES, CS, SS, DS, FS, GS.
    pub seg: [Segment; 6],
    /// The task register: a busy TSS, as PVH demands.
    pub tr: Segment,
    /// The GDT in guest memory that holds the descriptors of `seg` and `tr`.
    pub gdtr: TableRegister,
}

impl EntryState {
    /// An entry at `rip` in `mode`: writes GDT and page tables to guest memory.
    pub(super) fn prepare(mem: &Memory, mode: EntryMode, rip: u64) -> Result<EntryState, BootError> {
        let is_long = mode == EntryMode::Long64;
        let wide = if is_long { attr::L } else { attr::DB };
        let flat = |selector, attr| Segment { selector, attr, limit: u32::MAX, base: 0 };
        let code = flat(BOOT_CS, attr::P | attr::S | attr::G | wide | 0xb);
        let data = flat(BOOT_DS, attr::P | attr::S | attr::G | attr::DB | 0x3);
        let tr = Segment { selector: BOOT_TR, attr: attr::P | 0xb, limit: 0x67, base: 0 };
        let mut seg = [data; 6];
        seg[seg::CS] = code;
        let gdtr = write_gdt(mem, &[code, data, tr])?;
        let (cr0, cr3, cr4, efer) = if is_long {
            write_identity_tables(mem)?;
            // The x86-64 ABI passes values in SSE registers, so a plain guest may use them from its first function on.
            let sse = cr::CR4_OSFXSR | cr::CR4_OSXMMEXCPT;
            (cr::CR0_PG | cr::CR0_NE | cr::CR0_MP, PAGE_TABLES, cr::CR4_PAE | sse, cr::EFER_LME | cr::EFER_LMA)
        } else {
            (0, 0, 0, 0)
        };
        let cr0 = cr0 | cr::CR0_PE | cr::CR0_ET;
        Ok(EntryState { mode, rip, rflags: bit::FIXED, gpr: [0; 16], cr0, cr3, cr4, efer, seg, tr, gdtr })
    }

    /// Sets a general register (see [`crate::cpu::state::gpr`]).
    pub(super) fn with(mut self, register: usize, value: u64) -> EntryState {
        self.gpr[register] = value;
        self
    }

    /// The CPU's rarely touched registers: those of a reset with this entry's on top.
    pub fn state(&self) -> State {
        State {
            seg: self.seg,
            tr: self.tr,
            gdtr: self.gdtr,
            idtr: TableRegister::default(),
            cr0: self.cr0,
            cr3: self.cr3,
            cr4: self.cr4,
            efer: self.efer,
            ..State::reset()
        }
    }
}

/// Packs a cached segment into the descriptor that would load it (SDM vol. 3, figure 3-8). Limits above 1 MiB are
/// counted in pages.
fn descriptor(segment: &Segment) -> u64 {
    let limit = u64::from(if segment.attr & attr::G != 0 { segment.limit >> 12 } else { segment.limit });
    let attr = u64::from(segment.attr & 0xf0ff);
    (limit & 0xffff)
        | (segment.base & 0xff_ffff) << 16
        | attr << 40
        | (limit >> 16 & 0xf) << 48
        | (segment.base >> 24 & 0xff) << 56
}

/// Two null descriptors, then `segments` from selector 0x10 on, then eight zero bytes: in 64-bit mode the TSS
/// descriptor, which is the last, has 16 bytes.
fn write_gdt(mem: &Memory, segments: &[Segment; 3]) -> Result<TableRegister, BootError> {
    let [code, data, tss] = segments.each_ref().map(descriptor);
    let table = [0, 0, code, data, tss, 0];
    for (at, entry) in (GDT..).step_by(8).zip(table) {
        mem.write_obj(entry, GuestAddress(at))?;
    }
    Ok(TableRegister { base: GDT, limit: (size_of_val(&table) - 1) as u16 })
}

/// Maps the first 4 GiB to themselves with 2 MiB pages: one PML4, one PDPT, four page directories.
fn write_identity_tables(mem: &Memory) -> Result<(), BootError> {
    const PRESENT_WRITABLE: u64 = 0b11;
    const LARGE: u64 = 1 << 7;
    const DIRECTORIES: u64 = 4;
    let pdpt = PAGE_TABLES + PAGE;
    let directories = pdpt + PAGE;
    let write = |at, entry: u64| mem.write_obj(entry, GuestAddress(at));
    write(PAGE_TABLES, pdpt | PRESENT_WRITABLE)?;
    for gib in 0..DIRECTORIES {
        write(pdpt + gib * 8, (directories + gib * PAGE) | PRESENT_WRITABLE)?;
    }
    for large_page in 0..DIRECTORIES * 512 {
        write(directories + large_page * 8, (large_page << 21) | LARGE | PRESENT_WRITABLE)?;
    }
    Ok(())
}
