//! All registers of the processor as plain values, so that who shows them needs to know no machine.

use super::Seat;
use crate::cpu::bus::Bus;
use crate::cpu::state::{Segment, TableRegister, cr, seg};
use crate::machine::Machine;
use std::fmt;

/// How the processor reads the next instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real mode.
    Real,
    /// Virtual-8086 mode.
    Virtual8086,
    /// Protected mode (or compatibility mode, if long mode is active) with this default operand size in bits.
    Protected {
        /// 16 or 32.
        bits: u32,
        /// Under long mode.
        is_compatibility: bool,
    },
    /// 64-bit mode.
    Long,
}

impl Mode {
    /// Bits of code: 16, 32 or 64.
    pub fn bits(self) -> u32 {
        match self {
            Mode::Real | Mode::Virtual8086 => 16,
            Mode::Protected { bits, .. } => bits,
            Mode::Long => 64,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Real => f.write_str("real mode"),
            Mode::Virtual8086 => f.write_str("virtual-8086 mode"),
            Mode::Protected { bits, is_compatibility: false } => write!(f, "{bits}-bit protected mode"),
            Mode::Protected { bits, is_compatibility: true } => write!(f, "{bits}-bit compatibility mode"),
            Mode::Long => f.write_str("64-bit mode"),
        }
    }
}

/// The x87 unit as FSAVE shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct X87Registers {
    /// ST(0) to ST(7), 80 bits each, little-endian.
    pub st: [[u8; 10]; 8],
    /// Control word.
    pub fcw: u16,
    /// Status word.
    pub fsw: u16,
    /// Full tag word, two bits a physical register.
    pub ftw: u16,
    /// Last opcode.
    pub fop: u16,
    /// Last instruction.
    pub fip: u64,
    /// Last operand.
    pub fdp: u64,
}

/// A model-specific register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msr {
    /// Its number for RDMSR.
    pub number: u32,
    /// Its name in the manual.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
}

/// Everything a debugger shows of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the encoding's order.
    pub general: [u64; 16],
    /// Instruction pointer: the offset in CS.
    pub rip: u64,
    /// RFLAGS.
    pub rflags: u64,
    /// ES, CS, SS, DS, FS, GS: the encoding's order.
    pub segments: [Segment; 6],
    /// Local descriptor table.
    pub ldtr: Segment,
    /// Task register.
    pub tr: Segment,
    /// Base and limit of the global descriptor table.
    pub gdtr: (u64, u16),
    /// Base and limit of the interrupt descriptor table.
    pub idtr: (u64, u16),
    /// CR0.
    pub cr0: u64,
    /// CR2.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// CR8: the task priority class.
    pub cr8: u64,
    /// EFER.
    pub efer: u64,
    /// What SWAPGS would bring.
    pub kernel_gs_base: u64,
    /// DR0 to DR3, DR6, DR7.
    pub debug: [u64; 6],
    /// XMM0 to XMM15.
    pub xmm: [u128; 16],
    /// MXCSR.
    pub mxcsr: u32,
    /// x87.
    pub x87: X87Registers,
    /// The model-specific registers that guests set.
    pub msrs: Vec<Msr>,
    /// Current privilege level.
    pub cpl: u8,
    /// The processor waits in HLT.
    pub is_halted: bool,
    /// How the next instruction is read.
    pub mode: Mode,
}

impl Registers {
    /// The linear address of the next instruction: RIP with the base of CS, which counts outside 64-bit mode.
    pub fn linear_rip(&self) -> u64 {
        match self.mode {
            Mode::Long => self.rip,
            _ => self.segments[seg::CS].base.wrapping_add(self.rip) & 0xffff_ffff,
        }
    }
}

impl Seat {
    /// The registers now.
    pub fn registers(&self) -> Registers {
        let machine = self.machine();
        let (cpu, s) = (&machine.cpu, &machine.cpu.state);
        let table = |t: &TableRegister| (t.base, t.limit);
        Registers {
            general: std::array::from_fn(|i| cpu.regs[i]),
            rip: cpu.rip,
            rflags: cpu.rflags(),
            segments: s.seg,
            ldtr: s.ldtr,
            tr: s.tr,
            gdtr: table(&s.gdtr),
            idtr: table(&s.idtr),
            cr0: s.cr0,
            cr2: s.cr2,
            cr3: s.cr3,
            cr4: s.cr4,
            cr8: u64::from(machine.pc.task_priority()),
            efer: s.efer,
            kernel_gs_base: s.msr.kernel_gs_base,
            debug: [s.dr[0], s.dr[1], s.dr[2], s.dr[3], s.dr[6], s.dr[7]],
            xmm: cpu.xmm,
            mxcsr: cpu.mxcsr,
            x87: x87(machine),
            msrs: msrs(machine),
            cpl: s.cpl,
            is_halted: s.is_halted,
            mode: mode(machine),
        }
    }

    /// The linear address of the next instruction.
    pub fn linear_rip(&self) -> u64 {
        let cpu = &self.machine().cpu;
        if cpu.is_64bit() { cpu.rip } else { cpu.state.seg[seg::CS].base.wrapping_add(cpu.rip) & 0xffff_ffff }
    }

    /// How the next instruction is read.
    pub fn mode(&self) -> Mode {
        mode(self.machine())
    }
}

fn mode(machine: &Machine) -> Mode {
    let cpu = &machine.cpu;
    let bits = if cpu.code_bytes() == 2 { 16 } else { 32 };
    match () {
        () if cpu.state.cr0 & cr::CR0_PE == 0 => Mode::Real,
        () if cpu.is_v86() => Mode::Virtual8086,
        () if cpu.is_64bit() => Mode::Long,
        () => Mode::Protected { bits, is_compatibility: cpu.is_long() },
    }
}

fn x87(machine: &Machine) -> X87Registers {
    let unit = &machine.cpu.x87;
    let top = usize::from(unit.top());
    X87Registers {
        st: std::array::from_fn(|i| unit.regs[(top + i) % 8].to_bytes()),
        fcw: unit.fcw,
        fsw: unit.fsw,
        ftw: unit.full_tags(),
        fop: unit.fop,
        fip: unit.fip,
        fdp: unit.fdp,
    }
}

fn msrs(machine: &Machine) -> Vec<Msr> {
    use crate::cpu::system::msr::number as n;
    let (s, m) = (&machine.cpu.state, &machine.cpu.state.msr);
    let list = [
        (n::APIC_BASE, "IA32_APIC_BASE", machine.pc.apic_base()),
        (n::TSC_ADJUST, "IA32_TSC_ADJUST", m.tsc_adjust),
        (n::SPEC_CTRL, "IA32_SPEC_CTRL", m.spec_ctrl),
        (n::SYSENTER_CS, "IA32_SYSENTER_CS", m.sysenter_cs),
        (n::SYSENTER_ESP, "IA32_SYSENTER_ESP", m.sysenter_esp),
        (n::SYSENTER_EIP, "IA32_SYSENTER_EIP", m.sysenter_eip),
        (n::MISC_ENABLE, "IA32_MISC_ENABLE", m.misc_enable),
        (n::PAT, "IA32_PAT", m.pat),
        (n::MTRR_DEF_TYPE, "IA32_MTRR_DEF_TYPE", m.mtrr_def_type),
        (n::EFER, "IA32_EFER", s.efer),
        (n::STAR, "IA32_STAR", m.star),
        (n::LSTAR, "IA32_LSTAR", m.lstar),
        (n::CSTAR, "IA32_CSTAR", m.cstar),
        (n::FMASK, "IA32_FMASK", m.fmask),
        (n::FS_BASE, "IA32_FS_BASE", s.seg[seg::FS].base),
        (n::GS_BASE, "IA32_GS_BASE", s.seg[seg::GS].base),
        (n::KERNEL_GS_BASE, "IA32_KERNEL_GS_BASE", m.kernel_gs_base),
        (n::TSC_AUX, "IA32_TSC_AUX", m.tsc_aux),
    ];
    list.into_iter().map(|(number, name, value)| Msr { number, name, value }).collect()
}
