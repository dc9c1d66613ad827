//! The processor's registers, by name. Everything that a snapshot must hold is in [`State`] or in the hot
//! part of [`super::Cpu`]; caches (TLB, blocks) are not state and never influence what the guest sees.

use super::flags::bit;
use serde::{Deserialize, Serialize};

/// Segment register indices, in the order of the instruction encoding.
pub mod seg {
    #![allow(missing_docs)]
    pub const ES: usize = 0;
    pub const CS: usize = 1;
    pub const SS: usize = 2;
    pub const DS: usize = 3;
    pub const FS: usize = 4;
    pub const GS: usize = 5;
}

/// General register indices, in the order of the instruction encoding.
pub mod gpr {
    #![allow(missing_docs)]
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
    pub const R11: usize = 11;
    /// A slot that always reads zero: the base or index that an address does not have.
    pub const ZERO: usize = 16;
    /// The linear-address base of the running block's RIP: RIP-relative operands count from it.
    pub const BLOCK: usize = 17;
    /// Slots in the register array.
    pub const SLOTS: usize = 18;
}

/// Control register bits.
pub mod cr {
    #![allow(missing_docs)]
    pub const CR0_PE: u64 = 1 << 0;
    pub const CR0_MP: u64 = 1 << 1;
    pub const CR0_EM: u64 = 1 << 2;
    pub const CR0_TS: u64 = 1 << 3;
    pub const CR0_ET: u64 = 1 << 4;
    pub const CR0_NE: u64 = 1 << 5;
    pub const CR0_WP: u64 = 1 << 16;
    pub const CR0_AM: u64 = 1 << 18;
    pub const CR0_NW: u64 = 1 << 29;
    pub const CR0_CD: u64 = 1 << 30;
    pub const CR0_PG: u64 = 1 << 31;
    pub const CR4_VME: u64 = 1 << 0;
    pub const CR4_PVI: u64 = 1 << 1;
    pub const CR4_TSD: u64 = 1 << 2;
    pub const CR4_DE: u64 = 1 << 3;
    pub const CR4_PSE: u64 = 1 << 4;
    pub const CR4_PAE: u64 = 1 << 5;
    pub const CR4_MCE: u64 = 1 << 6;
    pub const CR4_PGE: u64 = 1 << 7;
    pub const CR4_PCE: u64 = 1 << 8;
    pub const CR4_OSFXSR: u64 = 1 << 9;
    pub const CR4_OSXMMEXCPT: u64 = 1 << 10;
    pub const CR4_UMIP: u64 = 1 << 11;
    pub const CR4_FSGSBASE: u64 = 1 << 16;
    pub const CR4_SMEP: u64 = 1 << 20;
    pub const CR4_SMAP: u64 = 1 << 21;
    pub const EFER_SCE: u64 = 1 << 0;
    pub const EFER_LME: u64 = 1 << 8;
    pub const EFER_LMA: u64 = 1 << 10;
    pub const EFER_NXE: u64 = 1 << 11;
}

/// Attribute bits of a cached descriptor: bits 8..=23 of the descriptor's second doubleword, shifted to bit 0.
pub mod attr {
    #![allow(missing_docs)]
    pub const TYPE: u16 = 0xf;
    pub const S: u16 = 1 << 4;
    pub const DPL: u16 = 3 << 5;
    pub const P: u16 = 1 << 7;
    pub const AVL: u16 = 1 << 12;
    pub const L: u16 = 1 << 13;
    pub const DB: u16 = 1 << 14;
    pub const G: u16 = 1 << 15;
}

/// A segment register with its cached descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The visible selector.
    pub selector: u16,
    /// See [`attr`]. P clear means that the register holds a null or unusable descriptor.
    pub attr: u16,
    /// The limit in bytes, granularity applied.
    pub limit: u32,
    /// The linear base.
    pub base: u64,
}

impl Segment {
    /// Descriptor privilege level.
    pub fn dpl(&self) -> u8 {
        ((self.attr & attr::DPL) >> 5) as u8
    }
    /// The four type bits.
    pub fn kind(&self) -> u8 {
        (self.attr & attr::TYPE) as u8
    }
    /// Base 0 and limit 4 GiB - 1, present, readable and (for data) expand-up: offsets need no check.
    pub fn is_flat(&self) -> bool {
        self.base == 0 && self.limit == u32::MAX && self.attr & attr::P != 0 && self.attr & attr::S != 0
    }
    /// A real-mode segment: base = selector * 16, limit 64 KiB.
    pub fn real(selector: u16) -> Segment {
        Segment { selector, base: u64::from(selector) << 4, limit: 0xffff, attr: attr::P | attr::S | 3 }
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRegister {
    /// Linear base address.
    pub base: u64,
    /// Limit in bytes.
    pub limit: u16,
}

/// Model-specific registers that are plain storage or that another part of the CPU reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Msrs {
    /// IA32_STAR.
    pub star: u64,
    /// IA32_LSTAR.
    pub lstar: u64,
    /// IA32_CSTAR.
    pub cstar: u64,
    /// IA32_FMASK.
    pub fmask: u64,
    /// IA32_KERNEL_GS_BASE.
    pub kernel_gs_base: u64,
    /// IA32_TSC_AUX.
    pub tsc_aux: u64,
    /// What a write to IA32_TIME_STAMP_COUNTER added to the count since power-on.
    pub tsc_offset: u64,
    /// IA32_TSC_ADJUST.
    pub tsc_adjust: u64,
    /// IA32_SYSENTER_CS.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
    /// IA32_PAT.
    pub pat: u64,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_SPEC_CTRL: stored; nothing here speculates.
    pub spec_ctrl: u64,
    /// IA32_MTRR_DEF_TYPE.
    pub mtrr_def_type: u64,
    /// The eleven fixed-range MTRRs, in the order of their numbers.
    pub mtrr_fixed: [u64; 11],
    /// The eight variable-range MTRR pairs.
    pub mtrr_variable: [(u64, u64); 8],
    /// IA32_BIOS_SIGN_ID as last written.
    pub bios_sign_id: u64,
}

/// Registers that instructions touch rarely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// ES, CS, SS, DS, FS, GS: see [`seg`].
    pub seg: [Segment; 6],
    /// The local descriptor table register.
    pub ldtr: Segment,
    /// The task register.
    pub tr: Segment,
    /// The global descriptor table register.
    pub gdtr: TableRegister,
    /// The interrupt descriptor table register.
    pub idtr: TableRegister,
    /// Control register 0.
    pub cr0: u64,
    /// The address of the last page fault.
    pub cr2: u64,
    /// The page table base.
    pub cr3: u64,
    /// Control register 4.
    pub cr4: u64,
    /// Extended features.
    pub efer: u64,
    /// The four page-directory-pointer entries loaded by MOV CR3 in PAE mode (SDM vol. 3, 4.4.1).
    pub pdpte: [u64; 4],
    /// Debug registers; DR4 and DR5 are unused.
    pub dr: [u64; 8],
    /// Model-specific registers.
    pub msr: Msrs,
    /// Current privilege level.
    pub cpl: u8,
    /// The CPU waits in HLT.
    pub is_halted: bool,
    /// STI or MOV SS executed just now: interrupts wait for one more instruction.
    pub interrupt_shadow: bool,
    /// MOV SS or POP SS executed just now: debug traps are held back too.
    pub debug_shadow: bool,
    /// An NMI handler runs: further NMIs wait until IRET.
    pub nmi_blocked: bool,
    /// Debug conditions (DR6 bits) that become a #DB when the instruction ends.
    pub debug_pending: u64,
}

impl State {
    /// Long mode is active (EFER.LMA): 64-bit or compatibility mode.
    #[inline]
    pub fn is_long(&self) -> bool {
        self.efer & cr::EFER_LMA != 0
    }
    /// The state after reset (SDM vol. 3, table 9-1): real mode at F000:FFF0.
    pub fn reset() -> State {
        let data = Segment::real(0);
        let mut seg = [data; 6];
        seg[seg::CS] = Segment { selector: 0xf000, base: 0xffff_0000, limit: 0xffff, attr: attr::P | attr::S | 0xb };
        let system = |kind| Segment { selector: 0, base: 0, limit: 0xffff, attr: attr::P | kind };
        State {
            seg,
            ldtr: system(2),
            tr: system(0xb),
            gdtr: TableRegister { base: 0, limit: 0xffff },
            idtr: TableRegister { base: 0, limit: 0xffff },
            cr0: cr::CR0_CD | cr::CR0_NW | cr::CR0_ET,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            efer: 0,
            pdpte: [0; 4],
            dr: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
            msr: Msrs { pat: 0x0007_0406_0007_0406, misc_enable: 1, ..Msrs::default() },
            cpl: 0,
            is_halted: false,
            interrupt_shadow: false,
            debug_shadow: false,
            nmi_blocked: false,
            debug_pending: 0,
        }
    }
}

/// RFLAGS bits other than the six status flags that a reset leaves.
pub const RFLAGS_RESET: u64 = bit::FIXED;
