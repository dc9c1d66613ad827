//! What is constant for one boot of a kernel: where it is, its symbols, its types, the places of its members.
//!
//! Finding it takes a fraction of a second and needs nothing but memory and a few registers; after that the questions of
//! [`super::View`] are cheap. A profile is plain data: share it between threads and Moments.

use super::absent::{Absent, Known, Why};
use super::btf::{self, Types};
use super::image::{Image, kernel_root};
use super::kallsyms;
use super::layout::{Layout, Member};
use super::memory::{Physical, Root, Space};
use super::symbols::Symbols;
use crate::cpu::Cpu;
use crate::machine::{CpuState, Machine};
use std::ops::Range;

/// The registers that the guest view looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vcpu {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15.
    pub regs: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// All of RFLAGS.
    pub rflags: u64,
    /// ES, CS, SS, DS, FS, GS: selector and base.
    pub segments: [(u16, u64); 6],
    /// The page table base with its flags.
    pub cr3: u64,
    /// Current privilege level.
    pub cpl: u8,
    /// IA32_LSTAR: where SYSCALL goes.
    pub lstar: u64,
    /// Long mode and paging are on.
    pub is_long: bool,
    /// The interrupt descriptor table.
    pub idt: u64,
}

impl Vcpu {
    /// Of a machine that stands still.
    pub fn of(machine: &Machine) -> Vcpu {
        Vcpu::of_cpu(&machine.cpu)
    }
    /// Of a processor that was saved.
    pub fn of_saved(cpu: &CpuState) -> Vcpu {
        let state = &cpu.state;
        Vcpu {
            regs: cpu.regs,
            rip: cpu.rip,
            rflags: cpu.rflags,
            segments: state.seg.map(|s| (s.selector, s.base)),
            cr3: state.cr3,
            cpl: state.cpl,
            lstar: state.msr.lstar,
            is_long: state.is_long(),
            idt: state.idtr.base,
        }
    }
    /// Of a processor, between two instructions.
    pub fn of_cpu(cpu: &Cpu) -> Vcpu {
        let state = &cpu.state;
        let mut regs = [0; 16];
        regs.copy_from_slice(&cpu.regs[..16]);
        Vcpu {
            regs,
            rip: cpu.rip,
            rflags: cpu.rflags(),
            segments: state.seg.map(|s| (s.selector, s.base)),
            cr3: state.cr3,
            cpl: state.cpl,
            lstar: state.msr.lstar,
            is_long: cpu.is_long(),
            idt: state.idtr.base,
        }
    }
}

/// One boot of one kernel.
pub struct Profile {
    /// Where the kernel is mapped; it starts with `_text`.
    pub image: Range<u64>,
    /// The kernel's own address space.
    pub root: Root,
    /// Its symbols, modules aside.
    pub symbols: Symbols,
    /// Its types.
    pub types: Known<Types>,
    pub(super) layout: Layout,
    lstar: u64,
}

impl Profile {
    /// Looks at a machine.
    pub fn of(machine: &Machine) -> Known<Profile> {
        Profile::find(machine, &Vcpu::of(machine))
    }

    /// Looks at memory and registers. The kernel must be up: SYSCALL has an entry.
    pub fn find(ram: &dyn Physical, vcpu: &Vcpu) -> Known<Profile> {
        if !vcpu.is_long || vcpu.lstar == 0 {
            return Err(Why::NoKernel.for_fact("kernel"));
        }
        let root = kernel_root(ram, vcpu.cr3);
        let space = Space { ram, root };
        let image = Image::of(&space)?;
        let symbols = kallsyms::find(&image)?;
        check_entry(&symbols, vcpu)?;
        let types = btf::find(&image, &symbols);
        // The table that the kernel itself uses; every process has a copy of its upper half.
        let own = symbols.address("init_top_pgt").and_then(|va| space.translate(va)).map(Root);
        Ok(Profile {
            image: image.base()..image.end(),
            root: own.unwrap_or(root),
            layout: Layout::of(&types),
            symbols,
            types,
            lstar: vcpu.lstar,
        })
    }

    /// Whether this is the profile of the kernel that runs on the CPU.
    pub fn check(&self, vcpu: &Vcpu) -> Known<()> {
        let why = match vcpu.lstar {
            found if found == self.lstar => return Ok(()),
            0 => Why::NoKernel,
            found => Why::OtherKernel { found, expected: self.lstar },
        };
        Err(why.for_fact("kernel"))
    }

    /// IA32_LSTAR of this boot: while it has this value, this profile is good.
    pub fn system_call_entry(&self) -> u64 {
        self.lstar
    }

    /// Bytes from the start of a structure to a member.
    pub fn offset(&self, member: Member) -> Known<u64> {
        self.layout.offset(member)
    }

    /// The address of a symbol.
    pub fn address(&self, name: &'static str) -> Known<u64> {
        self.symbols.address(name).ok_or_else(|| no_symbol(name))
    }
}

fn no_symbol(name: &'static str) -> Absent {
    Why::NoSymbol { name }.for_fact("symbol")
}

/// The table is right if the address that SYSCALL goes to has the name that Linux gives it.
fn check_entry(symbols: &Symbols, vcpu: &Vcpu) -> Known<()> {
    let found = symbols.exactly_at(vcpu.lstar);
    if found.is_some_and(|name| name.starts_with("entry_SYSCALL_64")) {
        return Ok(());
    }
    let clue = format!("the system call entry {:#x} is {}", vcpu.lstar, found.unwrap_or("no symbol"));
    Err(Why::NotLinux { clue }.for_fact("kernel symbols"))
}
