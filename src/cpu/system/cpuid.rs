//! CPUID of the model `reenact-x86-64-v2`, version 1 (SDM vol. 2, CPUID). It shows exactly what is implemented.
//!
//! Decisions: the signature is a Nehalem's (family 6, model 26), the first with all of x86-64-v2 and without AES, so
//! that guests apply no model-specific workaround. The hypervisor bit is clear and there are no leaves at
//! 4000_0000h: programs under investigation see an ordinary processor, and Linux finds clock rates in leaf 15h
//! instead of probing for a paravirtual clock. A leaf beyond the last answers as the last basic one, as on Intel
//! processors. A change of anything here is a new version.

use super::set_general;
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::Op;
use crate::cpu::paging::PHYSICAL_BITS;
use crate::cpu::state::gpr;
use iced_x86::{Instruction, Register};

/// Name of the CPU model, stored in recordings.
pub const MODEL: &str = "reenact-x86-64-v2";
/// Version of the CPU model, stored in recordings.
pub const VERSION: u32 = 1;
/// Rate of the time-stamp counter in Hz: one tick a virtual nanosecond.
pub const TSC_HZ: u64 = CRYSTAL_HZ as u64 * TSC_RATIO as u64;
/// Rate of the crystal in Hz. Guests take it for the rate of the local APIC timer as well (SDM vol. 3, 11.5.4).
pub const CRYSTAL_HZ: u32 = 25_000_000;

const TSC_RATIO: u32 = 40;
const MAX_BASIC: u32 = 0x16;
const MAX_EXTENDED: u32 = 0x8000_0008;
/// Family 6, model 26, stepping 5.
const SIGNATURE: u32 = 0x0001_06a5;
/// The microcode revision that leaf 1 leaves in IA32_BIOS_SIGN_ID.
const MICROCODE: u64 = 1 << 32;
const BRAND: &[u8; 48] = b"reenact x86-64-v2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const fn bits<const N: usize>(list: [u32; N]) -> u32 {
    let mut all = 0;
    let mut i = 0;
    while i < N {
        all |= 1 << list[i];
        i += 1;
    }
    all
}

/// Leaf 1 EDX: FPU, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE,
/// SSE2, SS. Not VME, PSN, DS, ACPI, HTT, TM, PBE.
const LEAF1_EDX: u32 = bits([0, 2, 3, 4, 5, 6, 7, 8, APIC, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26, 27]);
const APIC: u32 = 9;
/// Leaf 1 ECX: SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT.
const LEAF1_ECX: u32 = bits([0, 9, 13, 19, 20, 23]);
/// Leaf 1 EBX: one logical processor, CLFLUSH lines of 8 quadwords, APIC ID 0.
const LEAF1_EBX: u32 = 1 << 16 | 8 << 8;
/// Leaf 7 EBX: FSGSBASE, TSC_ADJUST, SMEP, ERMS, no FCS and FDS, SMAP.
const LEAF7_EBX: u32 = bits([0, 1, 7, 9, 13, 20]);
/// Leaf 7 ECX: UMIP.
const LEAF7_ECX: u32 = bits([2]);
/// Leaf 7 EDX: IBRS and IBPB, STIBP, L1D_FLUSH, ARCH_CAPABILITIES, SSBD.
const LEAF7_EDX: u32 = bits([26, 27, 28, 29, 31]);
/// Leaf 8000_0001 EDX: SYSCALL (only in 64-bit mode), NX, 1-GiB pages, RDTSCP, long mode.
const EXTENDED_EDX: u32 = bits([20, 26, 27, 29]);
const SYSCALL: u32 = 11;
/// Leaf 8000_0001 ECX: LAHF in 64-bit mode.
const EXTENDED_ECX: u32 = bits([0]);

/// EAX, EBX, ECX, EDX.
type Leaf = [u32; 4];

/// A level of leaf 4: caches that a guest may size its buffers by, although nothing here caches.
struct Cache {
    kind: u32,
    level: u32,
    ways: u32,
    sets: u32,
}

const CACHES: [Cache; 4] = [
    Cache { kind: 1, level: 1, ways: 8, sets: 64 },    // 32 KiB data
    Cache { kind: 2, level: 1, ways: 4, sets: 128 },   // 32 KiB instructions
    Cache { kind: 3, level: 2, ways: 8, sets: 512 },   // 256 KiB
    Cache { kind: 3, level: 3, ways: 16, sets: 8192 }, // 8 MiB
];

impl Cache {
    fn leaf(&self) -> Leaf {
        let self_initialising = 1 << 8;
        let line = 64;
        [self.kind | self.level << 5 | self_initialising, (self.ways - 1) << 22 | (line - 1), self.sets - 1, 0]
    }
}

/// Leaf 0Bh: one thread, one core.
fn topology(subleaf: u32) -> Leaf {
    match subleaf {
        0 => [0, 1, 1 << 8, 0],
        1 => [0, 1, 2 << 8 | 1, 0],
        _ => [0, 0, subleaf & 0xff, 0],
    }
}

fn brand(part: usize) -> Leaf {
    let mut leaf = [0; 4];
    for (register, bytes) in leaf.iter_mut().zip(BRAND[part * 16..].chunks_exact(4)) {
        *register = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    leaf
}

/// The parts of the answer that depend on the processor's state.
#[derive(Clone, Copy, Debug)]
pub struct Dynamic {
    /// The local APIC is enabled (IA32_APIC_BASE bit 11).
    pub has_apic: bool,
    /// The processor is in 64-bit mode.
    pub is_64bit: bool,
}

/// The answer to CPUID: EAX, EBX, ECX, EDX.
pub fn leaf(number: u32, subleaf: u32, dynamic: Dynamic) -> Leaf {
    let without = |bit: u32, keep: bool| if keep { u32::MAX } else { !(1 << bit) };
    match number {
        0 => [MAX_BASIC, u32::from_le_bytes(*b"Genu"), u32::from_le_bytes(*b"ntel"), u32::from_le_bytes(*b"ineI")],
        1 => [SIGNATURE, LEAF1_EBX, LEAF1_ECX, LEAF1_EDX & without(APIC, dynamic.has_apic)],
        // One descriptor: "see leaf 4".
        2 => [0x0000_ff01, 0, 0, 0],
        4 => CACHES.get(subleaf as usize).map_or([0; 4], Cache::leaf),
        // ARAT: the APIC timer runs in every power state.
        6 => [bits([2]), 0, 0, 0],
        7 if subleaf == 0 => [0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX],
        0xb => topology(subleaf),
        0x15 => [1, TSC_RATIO, CRYSTAL_HZ, 0],
        // Base, maximum and bus rate in MHz.
        0x16 => [1000, 1000, 100, 0],
        3..MAX_BASIC => [0; 4],
        0x8000_0000 => [MAX_EXTENDED, 0, 0, 0],
        0x8000_0001 => {
            let syscall = if dynamic.is_64bit { 1 << SYSCALL } else { 0 };
            [0, 0, EXTENDED_ECX, EXTENDED_EDX | syscall]
        }
        0x8000_0002..=0x8000_0004 => brand((number - 0x8000_0002) as usize),
        0x8000_0005 => [0; 4],
        // L2: 256 KiB, 8 ways, 64-byte lines.
        0x8000_0006 => [0, 0, 256 << 16 | 6 << 12 | 64, 0],
        // Invariant TSC.
        0x8000_0007 => [0, 0, 0, bits([8])],
        0x8000_0008 => [48 << 8 | PHYSICAL_BITS, 0, 0, 0],
        _ => leaf(MAX_BASIC, subleaf, dynamic),
    }
}

/// CPUID.
pub(super) fn cpuid(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    let number = cpu.regs[gpr::RAX] as u32;
    let subleaf = cpu.regs[gpr::RCX] as u32;
    let has_apic = cpu.bus().apic_base() & (1 << 11) != 0;
    let answer = leaf(number, subleaf, Dynamic { has_apic, is_64bit: cpu.is_64bit() });
    if number == 1 {
        cpu.state.msr.bios_sign_id = MICROCODE;
    }
    for (register, value) in [Register::EAX, Register::EBX, Register::ECX, Register::EDX].into_iter().zip(answer) {
        set_general(cpu, register, u64::from(value));
    }
    Ok(())
}

const _: () = assert!(TSC_HZ == 1_000_000_000, "RDTSC counts virtual nanoseconds");
