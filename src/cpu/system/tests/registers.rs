//! Control registers, MSRs, debug registers, CPUID and flags.

use super::*;
use crate::cpu::flags::bit;
use crate::cpu::system::cpuid::{self, Dynamic};
use crate::cpu::system::msr;

/// Runs MOV CRn, EAX (or RAX) and tells whether it was refused.
fn is_refused(m: &mut Machine, number: u8, value: u64) -> bool {
    m.cpu.regs[gpr::RAX] = value;
    m.run(&[0x0f, 0x22, 0xc0 | number << 3], 1);
    vector_at(m.cpu.rip) == Some(13)
}

#[test]
fn control_register_writes_are_checked_as_a_whole() {
    let pe = cr::CR0_PE;
    // Register, value, refused; in 32-bit protected mode without paging.
    let cases = [
        (0, pe | cr::CR0_NW, true),
        (0, cr::CR0_PG, true),
        (0, pe | cr::CR0_CD | cr::CR0_NW, false),
        (0, pe | cr::CR0_WP | cr::CR0_AM | cr::CR0_NE, false),
        (4, cr::CR4_VME, true),
        (4, cr::CR4_PVI, true),
        (4, 1 << 13, true),
        (4, 1 << 17, true),
        (4, 1 << 18, true),
        (4, cr::CR4_PAE | cr::CR4_SMEP | cr::CR4_SMAP | cr::CR4_UMIP | cr::CR4_FSGSBASE, false),
    ];
    for (number, value, expected) in cases {
        let mut m = Machine::protected();
        let before = (m.cpu.state.cr0, m.cpu.state.cr4);
        assert_eq!(is_refused(&mut m, number, value), expected, "CR{number} = {value:#x}");
        if expected {
            assert_eq!((m.cpu.state.cr0, m.cpu.state.cr4), before);
        }
    }
    let mut m = Machine::protected();
    assert!(!is_refused(&mut m, 0, pe | 0x40));
    assert_eq!(m.cpu.state.cr0, pe | cr::CR0_ET, "undefined bits are dropped and ET stays");
    let mut m = Machine::protected();
    m.run(&[0x0f, 0x22, 0xc8], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(6), "there is no CR1");
}

#[test]
fn long_mode_registers_keep_what_long_mode_needs() {
    for (number, value) in [(0, cr::CR0_PE), (4, 0), (3, 1 << 40), (0, 1 << 32 | cr::CR0_PE | cr::CR0_PG), (8, 16)] {
        let mut m = Machine::long(0);
        m.cpu.regs[gpr::RAX] = value;
        let code = if number == 8 { [0x44, 0x0f, 0x22, 0xc0] } else { [0x90, 0x0f, 0x22, 0xc0 | number << 3] };
        m.run(&code, if number == 8 { 1 } else { 2 });
        assert_eq!(vector_at(m.cpu.rip), Some(13), "CR{number} = {value:#x}");
    }
    let mut m = Machine::long(0);
    m.cpu.regs[gpr::RAX] = 7;
    m.run(&[0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc1], 2);
    assert_eq!((m.bus.priority, m.cpu.regs[gpr::RCX]), (7, 7));
}

#[test]
fn paging_with_lme_enters_long_mode_and_leaves_it_from_compatibility_mode() {
    let mut m = Machine::protected();
    m.put(TABLES, TABLES + 0x1000 + 7);
    m.put(TABLES + 0x1000, TABLES + 0x2000 + 7);
    m.put(TABLES + 0x2000, 0x87_u64);
    let s = &mut m.cpu.state;
    (s.cr3, s.cr4, s.efer) = (TABLES, cr::CR4_PAE, cr::EFER_LME);
    let on = m.cpu.state.cr0 | cr::CR0_PG;
    assert!(!is_refused(&mut m, 0, on));
    assert!(m.cpu.is_long() && !m.cpu.is_64bit());
    assert!(!is_refused(&mut m, 0, on & !cr::CR0_PG));
    assert!(!m.cpu.is_long());
    m.cpu.state.cr4 = 0;
    assert!(is_refused(&mut m, 0, on), "LME without PAE");
}

#[test]
fn pae_tables_are_loaded_and_checked_when_cr3_is() {
    for (pdpte, refused) in [(0x9001_u64, false), (0x9001 | 1 << 40, true), (0x9003, true), (0x9000 | 1 << 40, false)] {
        let mut m = Machine::protected();
        m.put(0x6020, pdpte);
        m.put(0x9000, 0x87_u64);
        m.put(0x6000, 0x9001_u64);
        m.cpu.state.cr4 = cr::CR4_PAE;
        m.cpu.state.cr3 = 0x6000;
        let on = m.cpu.state.cr0 | cr::CR0_PG;
        assert!(!is_refused(&mut m, 0, on));
        assert_eq!(m.cpu.state.pdpte[0], 0x9001);
        if pdpte == 0x9000 | 1 << 40 {
            continue;
        }
        assert_eq!(is_refused(&mut m, 3, 0x6020), refused, "{pdpte:#x}");
    }
}

#[test]
fn lmsw_sets_pe_but_never_clears_it() {
    let mut m = Machine::protected();
    m.cpu.regs[gpr::RAX] = 0x8;
    m.run(&[0x0f, 0x01, 0xf0], 1);
    assert_eq!(m.cpu.state.cr0 & 0xf, cr::CR0_PE | cr::CR0_TS);
}

/// WRMSR; true if it was refused.
fn write_msr(m: &mut Machine, number: u32, value: u64) -> bool {
    m.cpu.rip = CODE;
    let r = &mut m.cpu.regs;
    (r[gpr::RCX], r[gpr::RAX], r[gpr::RDX]) = (number.into(), value & 0xffff_ffff, value >> 32);
    m.run(&[0x0f, 0x30], 1);
    vector_at(m.cpu.rip) == Some(13)
}
/// RDMSR, or `None` if it was refused.
fn read_msr(m: &mut Machine, number: u32) -> Option<u64> {
    m.cpu.rip = CODE;
    m.cpu.regs[gpr::RCX] = number.into();
    m.run(&[0x0f, 0x32], 1);
    let r = &m.cpu.regs;
    (vector_at(m.cpu.rip) != Some(13)).then(|| r[gpr::RDX] << 32 | r[gpr::RAX])
}

#[test]
fn msr_writes_are_checked_and_read_back() {
    use msr::number as n;
    const BAD: u64 = 0x8000_0000_0000;
    // Number, value, what reads back or `None` if the write is refused.
    let cases = [
        (n::LSTAR, 0xffff_8000_0000_1000, Some(0xffff_8000_0000_1000)),
        (n::LSTAR, BAD, None),
        (n::SYSENTER_EIP, BAD, None),
        (n::FS_BASE, BAD, None),
        (n::GS_BASE, 0x1234_5678_9abc, Some(0x1234_5678_9abc)),
        (n::KERNEL_GS_BASE, BAD, None),
        (n::FMASK, 1 << 32, None),
        (n::TSC_AUX, 5, Some(5)),
        (n::PAT, 0x0007_0406_0007_0406, Some(0x0007_0406_0007_0406)),
        (n::PAT, 2, None),
        (n::MTRR_DEF_TYPE, 0xc06, Some(0xc06)),
        (n::MTRR_DEF_TYPE, 0x1c06, None),
        (0x200, 0x8000_0006, Some(0x8000_0006)),
        (0x200, 0x8000_0003, None),
        (0x201, 0xff_8000_0800, Some(0xff_8000_0800)),
        (0x201, 0x1ff_8000_0800, None),
        (0x26f, 0x0505_0505_0505_0505, Some(0x0505_0505_0505_0505)),
        (0x250, 0x02, None),
        (n::SPEC_CTRL, 7, Some(7)),
        (n::SPEC_CTRL, 8, None),
        (n::MISC_ENABLE, 1 << 34, Some(0x1800)),
        (n::MCG_CAP, 1, None),
        (n::ARCH_CAPABILITIES, 0, None),
        (n::FEATURE_CONTROL, 1, None),
        (n::EFER, 0xd01, Some(0xd01)),
        (n::EFER, 0xc00, None),
        (n::EFER, 0x1d01, None),
        (0x1234, 0, None),
    ];
    for (number, value, expected) in cases {
        let mut m = Machine::long(0);
        assert_eq!(write_msr(&mut m, number, value), expected.is_none(), "{number:#x} = {value:#x}");
        if expected.is_some() {
            assert_eq!(read_msr(&mut m, number), expected, "{number:#x}");
        }
    }
    let mut m = Machine::long(0);
    assert!(!write_msr(&mut m, n::PRED_CMD, 1));
    assert_eq!(read_msr(&mut m, n::PRED_CMD), None, "a command cannot be read");
    assert_eq!(read_msr(&mut m, n::FEATURE_CONTROL), Some(1));
    assert_eq!(read_msr(&mut m, n::MTRR_CAP), Some(0x508));
}

#[test]
fn time_stamp_counter_follows_the_clock_and_its_adjustment() {
    let mut m = Machine::long(0);
    m.run(&[0x90, 0x90, 0x0f, 0x31], 3);
    assert_eq!(m.cpu.regs[gpr::RAX], 1002, "two instructions retired before it");
    write_msr(&mut m, msr::number::TSC, 0);
    let adjust = read_msr(&mut m, msr::number::TSC_ADJUST).unwrap();
    assert_eq!(adjust, 1003_u64.wrapping_neg());
    let at = m.cpu.icount();
    assert_eq!(read_msr(&mut m, msr::number::TSC), Some(at - 3));
    assert!(!write_msr(&mut m, msr::number::TSC_ADJUST, 0));
    let at = m.cpu.icount();
    assert_eq!(read_msr(&mut m, msr::number::TSC), Some(at + 1000));
}

#[test]
fn rdtsc_obeys_tsd_and_rdtscp_reads_the_processor_number() {
    let mut m = Machine::long(3);
    m.cpu.state.cr4 |= cr::CR4_TSD;
    m.run(&[0x0f, 0x31], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13));
    let mut m = Machine::long(3);
    m.cpu.state.msr.tsc_aux = 9;
    m.run(&[0x0f, 0x01, 0xf9], 1);
    assert_eq!((m.cpu.regs[gpr::RAX], m.cpu.regs[gpr::RCX]), (1000, 9));
}

#[test]
fn cpuid_describes_the_model() {
    let leaf = |n, s| cpuid::leaf(n, s, Dynamic { has_apic: true, is_64bit: true });
    assert_eq!(leaf(0, 0)[0], 0x16);
    let [signature, _, ecx, edx] = leaf(1, 0);
    assert_eq!(signature, 0x106a5);
    assert_eq!((ecx, edx), (0x0098_2201, 0x0f8b_fbfd));
    for absent in [1, 12, 22, 25, 26, 28, 29, 30, 31] {
        assert_eq!(ecx & 1 << absent, 0, "PCLMUL, FMA, MOVBE, AES, XSAVE, AVX, F16C, RDRAND, hypervisor");
    }
    assert_eq!(leaf(0x4000_0000, 0), leaf(0x16, 0), "no hypervisor leaves");
    assert_eq!(leaf(0x8000_0008, 0)[0], 0x3028);
    assert_eq!(leaf(0x8000_0001, 0)[3], 0x2c10_0800);
    assert_eq!(cpuid::leaf(0x8000_0001, 0, Dynamic { has_apic: true, is_64bit: false })[3], 0x2c10_0000);
    assert_eq!(cpuid::leaf(1, 0, Dynamic { has_apic: false, is_64bit: true })[3] & 1 << 9, 0);
    let [_, ebx, sets, _] = leaf(4, 3);
    let (line, ways) = (ebx & 0xfff, ebx >> 22);
    assert_eq!((line + 1) * (ways + 1) * (sets + 1), 8 << 20);
    let [denominator, numerator, crystal, _] = leaf(0x15, 0);
    assert_eq!(u64::from(crystal) * u64::from(numerator) / u64::from(denominator), cpuid::TSC_HZ);
    let brand: Vec<u8> = (0x8000_0002..=0x8000_0004_u32).flat_map(|n| leaf(n, 0)).flat_map(u32::to_le_bytes).collect();
    assert!(brand.starts_with(b"reenact x86-64-v2\0"));
}

#[test]
fn cpuid_instruction_clears_the_upper_halves() {
    let mut m = Machine::long(3);
    m.cpu.regs[..4].fill(u64::MAX);
    m.cpu.regs[gpr::RAX] = 0;
    m.run(&[0x0f, 0xa2], 1);
    let text = |r: usize| m.cpu.regs[r].to_le_bytes();
    assert_eq!(
        (&text(gpr::RBX), &text(gpr::RDX), &text(gpr::RCX)),
        (b"Genu\0\0\0\0", b"ineI\0\0\0\0", b"ntel\0\0\0\0")
    );
}

#[test]
fn ports_need_iopl_or_the_bitmap() {
    // Level, IOPL, bitmap byte of ports 0x60.., port size opcode, allowed.
    let cases = [(0, 0, 0xff, true), (3, 3, 0xff, true), (3, 0, 0xff, false), (3, 0, 0xfe, true), (3, 0, 0xfd, false)];
    for (cpl, iopl, map, allowed) in cases {
        let mut m = Machine::protected();
        m.set_level(cpl);
        m.cpu.set_rflags(iopl << 12);
        m.put(TSS + 0x66, 0x68_u16);
        m.bytes(TSS + 0x68 + 0x60 / 8, &[map, 0xff]);
        m.cpu.regs[gpr::RAX] = 0xab;
        m.run(&[0xe6, 0x60], 1);
        assert_eq!(m.bus.written.len(), usize::from(allowed), "level {cpl}, IOPL {iopl}, map {map:#x}");
        assert_eq!(vector_at(m.cpu.rip).is_none(), allowed);
    }
    let mut m = Machine::protected();
    m.set_level(3);
    m.put(TSS + 0x66, 0x68_u16);
    m.bytes(TSS + 0x68, &[0; 0x98]);
    m.bytes(TSS + 0x68 + 12, &[0x80]);
    m.run(&[0xe5, 0x66], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13), "every byte of a wide access counts");
    let mut m = Machine::protected();
    m.set_level(3);
    m.put(TSS + 0x66, 0xff_u16);
    m.run(&[0xe4, 0x00], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13), "a map beyond the limit refuses");
}

#[test]
fn port_operands_have_their_width() {
    let mut m = Machine::long(0);
    m.cpu.regs[gpr::RAX] = u64::MAX;
    m.cpu.regs[gpr::RDX] = 0x3f8;
    m.run(&[0xec, 0x66, 0xed], 1);
    assert_eq!(m.cpu.regs[gpr::RAX], 0xffff_ffff_ffff_ff01);
    m.run(&[0x66, 0xed, 0xed, 0x66, 0xef], 1);
    assert_eq!(m.cpu.regs[gpr::RAX], 0xffff_ffff_ffff_0002);
    m.run(&[0xed, 0x66, 0xef], 2);
    assert_eq!(m.cpu.regs[gpr::RAX], 3);
    assert_eq!(m.bus.written, [(0x3f8, 2, 3, 3)]);
}

#[test]
fn each_iteration_of_rep_outs_retires_and_can_be_interrupted() {
    let mut m = Machine::long(0);
    m.bytes(0x6000, b"abc");
    let r = &mut m.cpu.regs;
    (r[gpr::RSI], r[gpr::RCX], r[gpr::RDX]) = (0x6000, 3, 0xe9);
    m.run(&[0xf3, 0x6e, 0x90], 2);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RCX], m.cpu.regs[gpr::RSI]), (CODE, 1, 0x6002));
    m.run(&[], 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RCX]), (CODE + 2, 0));
    let sent: Vec<_> = m.bus.written.iter().map(|w| (w.2 as u8, w.3)).collect();
    assert_eq!(sent, [(b'a', 0), (b'b', 1), (b'c', 2)]);
    m.cpu.rip = CODE;
    m.run(&[], 1);
    assert_eq!((m.cpu.rip, m.bus.written.len()), (CODE + 2, 3), "a count of zero retires one instruction");
}

#[test]
fn ins_checks_its_destination_before_it_reads_the_port() {
    let mut m = Machine::long(0);
    m.cpu.regs[gpr::RDI] = 0x4000_0000;
    m.run(&[0x6c], 1);
    assert_eq!((vector_at(m.cpu.rip), m.bus.reads), (Some(14), 0));
    let mut m = Machine::long(0);
    m.cpu.set_rflags(bit::DF);
    m.cpu.regs[gpr::RDI] = 0x6000;
    m.run(&[0x6d], 1);
    assert_eq!((m.get(0x6000, 4), m.cpu.regs[gpr::RDI]), (1, 0x5ffc));
}

#[test]
fn debug_registers_keep_their_fixed_bits_and_aliases() {
    let mut m = Machine::protected();
    m.cpu.regs[gpr::RAX] = 0xffff_ffff;
    // mov dr6, eax; mov ecx, dr4
    m.run(&[0x0f, 0x23, 0xf0, 0x0f, 0x21, 0xe1], 2);
    assert_eq!((m.cpu.state.dr[6], m.cpu.regs[gpr::RCX]), (0xffff_efff, 0xffff_efff));
    m.cpu.regs[gpr::RAX] = 0x0fff_dc00;
    m.run(&[0x0f, 0x23, 0xf8], 1);
    assert_eq!(m.cpu.state.dr[7], 0x0fff_0400);
    m.cpu.state.cr4 = cr::CR4_DE;
    m.run(&[0x0f, 0x21, 0xe1], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(6));
    let mut m = Machine::long(0);
    m.cpu.regs[gpr::RAX] = 1 << 32;
    m.run(&[0x0f, 0x23, 0xf8], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13));
}
