//! Control registers: MOV CR, LMSW, SMSW, CLTS, and the modes they switch (SDM vol. 3, 2.5, 9.8.5; vol. 2, MOV CR).
//!
//! Every write is checked as a whole before anything changes. Bits of features that CPUID does not offer are reserved.

use super::{general, require_level_0, set_general, source_16};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::paging::PHYSICAL_BITS;
use crate::cpu::phys::PAGE;
use crate::cpu::state::{attr, cr, seg};
use iced_x86::{Instruction, OpKind, Register};

/// CR0 bits that exist.
const CR0_DEFINED: u64 = cr::CR0_PE
    | cr::CR0_MP
    | cr::CR0_EM
    | cr::CR0_TS
    | cr::CR0_ET
    | cr::CR0_NE
    | cr::CR0_WP
    | cr::CR0_AM
    | cr::CR0_NW
    | cr::CR0_CD
    | cr::CR0_PG;
/// CR4 bits that may be set; VME and PVI are not offered.
const CR4_DEFINED: u64 = cr::CR4_TSD
    | cr::CR4_DE
    | cr::CR4_PSE
    | cr::CR4_PAE
    | cr::CR4_MCE
    | cr::CR4_PGE
    | cr::CR4_PCE
    | cr::CR4_OSFXSR
    | cr::CR4_OSXMMEXCPT
    | cr::CR4_UMIP
    | cr::CR4_FSGSBASE
    | cr::CR4_SMEP
    | cr::CR4_SMAP;
/// CR0 bits that decide how addresses are translated.
const CR0_TRANSLATES: u64 = cr::CR0_PG | cr::CR0_WP | cr::CR0_PE;
/// CR4 bits that decide how addresses are translated.
const CR4_TRANSLATES: u64 = cr::CR4_PSE | cr::CR4_PAE | cr::CR4_PGE | cr::CR4_SMEP | cr::CR4_SMAP;
/// What LMSW and SMSW reach of CR0.
const MACHINE_STATUS: u64 = 0xf;
/// PDPTE bits 2..1 and 8..5, and everything from the physical width up (SDM vol. 3, table 4-8).
const PDPTE_RESERVED: u64 = !((1 << PHYSICAL_BITS) - 1) | 0x1e6;

/// MOV from CR0, CR2, CR3, CR4 or CR8.
pub(super) fn read_control(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let number = control_number(cpu, insn.op1_register())?;
    require_level_0(cpu)?;
    let value = match number {
        0 => cpu.state.cr0,
        2 => cpu.state.cr2,
        3 => cpu.state.cr3,
        4 => cpu.state.cr4,
        _ => {
            cpu.must_be_alone()?;
            u64::from(cpu.bus().task_priority())
        }
    };
    set_general(cpu, insn.op0_register(), value);
    Ok(())
}

/// MOV to CR0, CR2, CR3, CR4 or CR8.
pub(super) fn write_control(cpu: &mut Cpu, _: &Op, insn: &Instruction) -> Result<(), Stop> {
    let number = control_number(cpu, insn.op0_register())?;
    require_level_0(cpu)?;
    let value = general(cpu, insn.op1_register());
    match number {
        0 => cpu.write_cr0(value),
        2 => {
            cpu.state.cr2 = value;
            Ok(())
        }
        3 => cpu.write_cr3(value),
        4 => cpu.write_cr4(value),
        _ => {
            if value > 0xf {
                return cpu.fault(Fault::gp(0));
            }
            cpu.must_be_alone()?;
            let now = cpu.now();
            cpu.bus().set_task_priority(value as u8, now);
            Ok(())
        }
    }
}

fn control_number(cpu: &mut Cpu, register: Register) -> Result<usize, Stop> {
    match register.number() {
        n @ (0 | 2 | 3 | 4 | 8) => Ok(n),
        _ => cpu.fault(Fault::ud()),
    }
}

/// CLTS.
pub(super) fn clts(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    cpu.state.cr0 &= !cr::CR0_TS;
    cpu.update_mode();
    Ok(())
}

/// LMSW: sets PE but never clears it.
pub(super) fn lmsw(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    let value = u64::from(source_16(cpu, op, insn, 0)?) & MACHINE_STATUS;
    let cr0 = cpu.state.cr0;
    cpu.write_cr0(cr0 & !(MACHINE_STATUS & !cr::CR0_PE) | value)
}

/// SMSW: a register gets as much of CR0 as it has room for, memory gets 16 bits.
pub(super) fn smsw(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    super::refuse_umip(cpu)?;
    let cr0 = cpu.state.cr0;
    if insn.op0_kind() == OpKind::Register {
        set_general(cpu, insn.op0_register(), cr0);
        return Ok(());
    }
    cpu.store(op, cr0 as u16)
}

/// INVLPG. Translations are never stale, so only the privilege check is left.
pub(super) fn invlpg(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    let la = cpu.offset(op).wrapping_add(cpu.state.seg[op.seg as usize].base);
    cpu.invalidate_page(la);
    Ok(())
}

/// INVD and WBINVD: there are no caches.
pub(super) fn invalidate_caches(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)
}

impl Cpu {
    fn write_cr0(&mut self, value: u64) -> Result<(), Stop> {
        let (pe, pg) = (value & cr::CR0_PE != 0, value & cr::CR0_PG != 0);
        let (nw, cd) = (value & cr::CR0_NW != 0, value & cr::CR0_CD != 0);
        if value >> 32 != 0 || pg && !pe || nw && !cd {
            return self.fault(Fault::gp(0));
        }
        let value = value & CR0_DEFINED | cr::CR0_ET;
        let old = self.state.cr0;
        let changed = old ^ value;
        let mut efer = self.state.efer;
        if changed & cr::CR0_PG != 0 {
            efer = self.long_mode_after(pg)?;
        }
        let reloads = changed & (cr::CR0_PG | cr::CR0_CD | cr::CR0_NW) != 0;
        if pg && efer & cr::EFER_LMA == 0 && self.state.cr4 & cr::CR4_PAE != 0 && reloads {
            self.state.pdpte = self.read_pdptes(self.state.cr3)?;
        }
        self.state.cr0 = value;
        self.state.efer = efer;
        if changed & CR0_TRANSLATES != 0 {
            self.flush_translations();
        }
        self.update_mode();
        Ok(())
    }
    /// EFER after paging is switched on or off, or #GP if the mode forbids it.
    fn long_mode_after(&mut self, pg: bool) -> Result<u64, Stop> {
        let efer = self.state.efer;
        if !pg {
            return if self.is_64bit() { self.fault(Fault::gp(0)) } else { Ok(efer & !cr::EFER_LMA) };
        }
        if efer & cr::EFER_LME == 0 {
            return Ok(efer);
        }
        let has_16bit_tss = self.state.tr.kind() & 8 == 0;
        let is_64bit_code = self.state.seg[seg::CS].attr & attr::L != 0;
        if self.state.cr4 & cr::CR4_PAE == 0 || is_64bit_code || has_16bit_tss {
            return self.fault(Fault::gp(0));
        }
        Ok(efer | cr::EFER_LMA)
    }
    fn write_cr3(&mut self, value: u64) -> Result<(), Stop> {
        if self.is_long() && value >> PHYSICAL_BITS != 0 {
            return self.fault(Fault::gp(0));
        }
        self.replace_cr3(value)
    }
    /// Loads CR3, with the four PDPTEs in PAE mode.
    pub(super) fn replace_cr3(&mut self, value: u64) -> Result<(), Stop> {
        let old = (self.state.cr3, self.state.pdpte);
        if self.has_pdptes() {
            self.state.pdpte = self.read_pdptes(value)?;
        }
        self.state.cr3 = value;
        if (self.state.cr3, self.state.pdpte) != old {
            self.switch_tables();
        }
        Ok(())
    }
    /// PAE paging outside long mode.
    fn has_pdptes(&self) -> bool {
        self.state.cr0 & cr::CR0_PG != 0 && self.state.cr4 & cr::CR4_PAE != 0 && !self.is_long()
    }
    /// The PDPTEs of a PAE page table; reserved bits in a present one are refused (SDM vol. 3, 4.4.1).
    fn read_pdptes(&mut self, cr3: u64) -> Result<[u64; 4], Stop> {
        let table = cr3 & 0xffff_ffe0;
        let mut pdptes = [0; 4];
        for (i, pdpte) in pdptes.iter_mut().enumerate() {
            let mut bytes = [0; 8];
            debug_assert!(table % PAGE <= PAGE - 32);
            if self.phys.read(table + i as u64 * 8, &mut bytes).is_some() {
                *pdpte = u64::from_le_bytes(bytes);
            }
            if *pdpte & 1 != 0 && *pdpte & PDPTE_RESERVED != 0 {
                return self.fault(Fault::gp(0));
            }
        }
        Ok(pdptes)
    }
    fn write_cr4(&mut self, value: u64) -> Result<(), Stop> {
        let leaves_pae = value & cr::CR4_PAE == 0 && self.is_long();
        if value & !CR4_DEFINED != 0 || leaves_pae {
            return self.fault(Fault::gp(0));
        }
        let changed = self.state.cr4 ^ value;
        let has_paging = self.state.cr0 & cr::CR0_PG != 0;
        let reloads = changed & (cr::CR4_PAE | cr::CR4_PSE | cr::CR4_PGE | cr::CR4_SMEP) != 0;
        if value & cr::CR4_PAE != 0 && has_paging && !self.is_long() && reloads {
            self.state.pdpte = self.read_pdptes(self.state.cr3)?;
        }
        self.state.cr4 = value;
        if changed & CR4_TRANSLATES != 0 {
            self.flush_translations();
        }
        self.update_mode();
        Ok(())
    }
}
