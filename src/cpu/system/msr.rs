//! Model-specific registers: RDMSR and WRMSR (SDM vol. 4). A number that is not here is #GP(0).

use super::mtrr;
use super::require_level_0;
use super::time::set_edx_eax;
use crate::cpu::Cpu;
use crate::cpu::access::is_canonical;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;
use crate::cpu::state::{cr, gpr, seg};
use iced_x86::Instruction;

/// MSR numbers (SDM vol. 4, table 2-2).
pub mod number {
    #![allow(missing_docs)]
    pub const TSC: u32 = 0x10;
    pub const PLATFORM_ID: u32 = 0x17;
    pub const APIC_BASE: u32 = 0x1b;
    pub const FEATURE_CONTROL: u32 = 0x3a;
    pub const TSC_ADJUST: u32 = 0x3b;
    pub const SPEC_CTRL: u32 = 0x48;
    pub const PRED_CMD: u32 = 0x49;
    pub const BIOS_UPDT_TRIG: u32 = 0x79;
    pub const BIOS_SIGN_ID: u32 = 0x8b;
    pub const MTRR_CAP: u32 = 0xfe;
    pub const ARCH_CAPABILITIES: u32 = 0x10a;
    pub const FLUSH_CMD: u32 = 0x10b;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MCG_CAP: u32 = 0x179;
    pub const MCG_STATUS: u32 = 0x17a;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const DEBUG_CTL: u32 = 0x1d9;
    pub const PAT: u32 = 0x277;
    pub const MTRR_DEF_TYPE: u32 = 0x2ff;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const FMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const TSC_AUX: u32 = 0xc000_0103;
}

/// IA32_ARCH_CAPABILITIES (SDM vol. 4, table 2-2): nothing here executes speculatively, so every "is not affected"
/// bit is true, and guests leave their mitigations off.
pub const ARCH_CAPABILITIES: u64 = 1 << 0 // RDCL_NO: no Meltdown
    | 1 << 1 // IBRS_ALL: enhanced IBRS
    | 1 << 3 // SKIP_L1DFL_VMENTRY
    | 1 << 4 // SSB_NO: no speculative store bypass
    | 1 << 5 // MDS_NO
    | 1 << 6 // IF_PSCHANGE_MC_NO
    | 1 << 8 // TAA_NO
    | 1 << 13 // SBDR_SSDP_NO
    | 1 << 14 // FBSDP_NO
    | 1 << 15 // PSDP_NO
    | 1 << 20 // BHI_NO
    | 1 << 24 // PBRSB_NO
    | 1 << 26 // GDS_NO
    | 1 << 27 // RFDS_NO
    | 1 << 62; // ITS_NO

/// IA32_MISC_ENABLE bits that always read as set: no branch trace, no precise event sampling.
const MISC_FIXED: u64 = 1 << 11 | 1 << 12;
/// The only IA32_MISC_ENABLE bit that can be changed: fast strings.
const MISC_WRITABLE: u64 = 1;
/// IA32_FEATURE_CONTROL: locked, with nothing enabled.
const FEATURE_CONTROL_LOCKED: u64 = 1;
/// IBRS, STIBP, SSBD.
const SPEC_CTRL_DEFINED: u64 = 7;
const EFER_DEFINED: u64 = cr::EFER_SCE | cr::EFER_LME | cr::EFER_LMA | cr::EFER_NXE;

/// RDMSR.
pub(super) fn rdmsr(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    let number = cpu.regs[gpr::RCX] as u32;
    match number {
        number::TSC => {
            let tsc = cpu.tsc(op);
            set_edx_eax(cpu, tsc);
            return Ok(());
        }
        number::APIC_BASE => cpu.must_be_alone()?,
        _ => {}
    }
    match cpu.read_msr(number) {
        Some(value) => {
            set_edx_eax(cpu, value);
            Ok(())
        }
        None => cpu.fault(Fault::gp(0)),
    }
}

/// WRMSR.
pub(super) fn wrmsr(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    require_level_0(cpu)?;
    let number = cpu.regs[gpr::RCX] as u32;
    let value = cpu.regs[gpr::RAX] & 0xffff_ffff | cpu.regs[gpr::RDX] << 32;
    match number {
        number::TSC => {
            let delta = value.wrapping_sub(cpu.tsc(op));
            cpu.adjust_tsc(delta);
            return Ok(());
        }
        number::APIC_BASE => cpu.must_be_alone()?,
        _ => {}
    }
    match cpu.write_msr(number, value) {
        Some(()) => Ok(()),
        None => cpu.fault(Fault::gp(0)),
    }
}

fn canonical(value: u64) -> Option<u64> {
    is_canonical(value).then_some(value)
}
/// A register whose upper half is reserved.
fn low_half(value: u64) -> Option<u64> {
    (value >> 32 == 0).then_some(value)
}

impl Cpu {
    /// The value of an MSR, apart from the time-stamp counter; `None` if there is no such MSR or it cannot be read.
    fn read_msr(&mut self, number: u32) -> Option<u64> {
        let s = &self.state;
        let msr = &s.msr;
        Some(match number {
            number::APIC_BASE => self.bus().apic_base(),
            number::PLATFORM_ID | number::MCG_CAP | number::MCG_STATUS | number::DEBUG_CTL => 0,
            number::FEATURE_CONTROL => FEATURE_CONTROL_LOCKED,
            number::TSC_ADJUST => msr.tsc_adjust,
            number::SPEC_CTRL => msr.spec_ctrl,
            number::BIOS_SIGN_ID => msr.bios_sign_id,
            number::MTRR_CAP => mtrr::MTRR_CAP,
            number::ARCH_CAPABILITIES => ARCH_CAPABILITIES,
            number::SYSENTER_CS => msr.sysenter_cs,
            number::SYSENTER_ESP => msr.sysenter_esp,
            number::SYSENTER_EIP => msr.sysenter_eip,
            number::MISC_ENABLE => msr.misc_enable | MISC_FIXED,
            number::PAT => msr.pat,
            number::MTRR_DEF_TYPE => msr.mtrr_def_type,
            number::EFER => s.efer,
            number::STAR => msr.star,
            number::LSTAR => msr.lstar,
            number::CSTAR => msr.cstar,
            number::FMASK => msr.fmask,
            number::FS_BASE => s.seg[seg::FS].base,
            number::GS_BASE => s.seg[seg::GS].base,
            number::KERNEL_GS_BASE => msr.kernel_gs_base,
            number::TSC_AUX => msr.tsc_aux,
            _ => return mtrr::read(self, number),
        })
    }
    /// Writes an MSR, apart from the time-stamp counter; `None` refuses the number or the value.
    fn write_msr(&mut self, number: u32, value: u64) -> Option<()> {
        match number {
            number::APIC_BASE => {
                let now = self.now();
                return self.bus().set_apic_base(value, now).then_some(());
            }
            number::EFER => return self.write_efer(value),
            number::TSC_ADJUST => {
                let delta = value.wrapping_sub(self.state.msr.tsc_adjust);
                self.adjust_tsc(delta);
            }
            number::FS_BASE => self.state.seg[seg::FS].base = canonical(value)?,
            number::GS_BASE => self.state.seg[seg::GS].base = canonical(value)?,
            _ => return self.write_stored_msr(number, value),
        }
        self.update_mode();
        Some(())
    }
    /// The MSRs that are no more than checked storage.
    fn write_stored_msr(&mut self, number: u32, value: u64) -> Option<()> {
        let msr = &mut self.state.msr;
        match number {
            number::SPEC_CTRL => msr.spec_ctrl = (value & !SPEC_CTRL_DEFINED == 0).then_some(value)?,
            // Commands to flush what does not exist.
            number::PRED_CMD | number::FLUSH_CMD => return (value & !1 == 0).then_some(()),
            // There is no microcode to update.
            number::BIOS_UPDT_TRIG => {}
            number::BIOS_SIGN_ID => msr.bios_sign_id = value,
            number::MCG_STATUS | number::DEBUG_CTL => return (value == 0).then_some(()),
            number::SYSENTER_CS => msr.sysenter_cs = value & 0xffff_ffff,
            number::SYSENTER_ESP => msr.sysenter_esp = canonical(value)?,
            number::SYSENTER_EIP => msr.sysenter_eip = canonical(value)?,
            number::MISC_ENABLE => msr.misc_enable = value & MISC_WRITABLE,
            number::PAT => msr.pat = mtrr::pat(value)?,
            number::MTRR_DEF_TYPE => msr.mtrr_def_type = mtrr::default_type(value)?,
            number::STAR => msr.star = value,
            number::LSTAR => msr.lstar = canonical(value)?,
            number::CSTAR => msr.cstar = canonical(value)?,
            number::FMASK => msr.fmask = low_half(value)?,
            number::KERNEL_GS_BASE => msr.kernel_gs_base = canonical(value)?,
            number::TSC_AUX => msr.tsc_aux = low_half(value)?,
            _ => return mtrr::write(self, number, value),
        }
        Some(())
    }
    /// Moves the time-stamp counter; IA32_TSC_ADJUST keeps the sum of all moves (SDM vol. 3, 18.17.3).
    fn adjust_tsc(&mut self, delta: u64) {
        let msr = &mut self.state.msr;
        msr.tsc_offset = msr.tsc_offset.wrapping_add(delta);
        msr.tsc_adjust = msr.tsc_adjust.wrapping_add(delta);
    }
    /// LME cannot change while paging is on, and LMA follows CR0.PG alone.
    fn write_efer(&mut self, value: u64) -> Option<()> {
        let old = self.state.efer;
        let has_paging = self.state.cr0 & cr::CR0_PG != 0;
        if value & !EFER_DEFINED != 0 || has_paging && (old ^ value) & cr::EFER_LME != 0 {
            return None;
        }
        self.state.efer = value & !cr::EFER_LMA | old & cr::EFER_LMA;
        if (old ^ value) & cr::EFER_NXE != 0 {
            self.flush_translations();
        }
        self.update_mode();
        Some(())
    }
}
