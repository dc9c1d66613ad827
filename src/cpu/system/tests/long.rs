//! Delivery, returns and fast calls in 64-bit mode.

use super::*;
use crate::cpu::fault::Fault;
use crate::cpu::flags::bit;

const NON_CANONICAL: u64 = 0x8000_0000_0000;

#[test]
fn sixty_four_bit_interrupt_aligns_the_stack_and_always_pushes_it() {
    let mut m = Machine::long(0);
    m.cpu.regs[gpr::RSP] = STACK - 3;
    m.cpu.deliver_fault(Fault::gp(0)).unwrap();
    assert_eq!(m.cpu.regs[gpr::RSP], STACK - 16 - 48);
    let flags = bit::FIXED | bit::RF;
    assert_eq!(m.stacked(8, 6), [0, CODE, 0x38, flags, STACK - 3, 0x10]);
    assert_eq!(m.selector(seg::SS), 0x10, "SS stays without a change of level");
}

#[test]
fn inner_level_uses_rsp0_with_a_null_ss_and_iretq_returns() {
    let mut m = Machine::long(3);
    m.cpu.deliver_interrupt(33).unwrap();
    assert_eq!((m.cpu.state.cpl, m.selector(seg::SS)), (0, 0));
    assert_eq!(m.stacked(8, 5), [CODE, 0x83, bit::FIXED, STACK, 0x23]);
    m.put(m.cpu.stack_pointer() + 32, u64::from(sel::DATA64_USER));
    m.run(&[0x48, 0xcf], 1);
    assert_eq!((m.cpu.state.cpl, m.cpu.rip, m.cpu.regs[gpr::RSP]), (3, CODE, STACK));
    assert!(m.cpu.is_64bit());
}

#[test]
fn ist_replaces_the_stack_even_at_the_same_level() {
    for cpl in [0, 3] {
        let mut m = Machine::long(cpl);
        m.put(TSS + 0x24 + 8 * 2, 0x5_0008_u64);
        m.put(IDT + 8 * 16, gate(sel::CODE64, handler(8), 0x8e, 3));
        m.cpu.deliver_fault(Fault { vector: 8, code: Some(0), address: None }).unwrap();
        assert_eq!(m.cpu.regs[gpr::RSP], 0x5_0000 - 48);
        assert_eq!(m.stacked(8, 5)[4], STACK);
    }
}

#[test]
fn non_canonical_handler_or_stack_is_refused() {
    let mut m = Machine::long(0);
    m.put(IDT + 33 * 16 + 8, 0x8000_u64);
    m.cpu.deliver_interrupt(33).unwrap();
    assert_eq!((vector_at(m.cpu.rip), m.stacked(8, 1)[0]), (Some(13), 1));
    let mut m = Machine::long(3);
    m.put(TSS + 4, NON_CANONICAL);
    m.put(TSS + 0x24, STACK_0);
    m.put(IDT + 12 * 16, gate(sel::CODE64, handler(12), 0x8e, 1));
    m.cpu.deliver_interrupt(33).unwrap();
    assert_eq!((vector_at(m.cpu.rip), m.stacked(8, 1)[0]), (Some(12), 1));
}

#[test]
fn gates_to_compatibility_code_and_legacy_gates_are_refused_in_long_mode() {
    let cases = [
        ("32-bit target", gate(sel::CODE0, handler(33), 0x8e, 0), 0x09),
        ("16-bit gate", gate(sel::CODE64, handler(33), 0x86, 0), 33 * 8 + 3),
        ("task gate", gate(sel::TSS_B, 0, 0x85, 0), 33 * 8 + 3),
    ];
    for (name, gate, code) in cases {
        let mut m = Machine::long(0);
        m.put(IDT + 33 * 16, gate);
        m.cpu.deliver_interrupt(33).unwrap();
        assert_eq!((vector_at(m.cpu.rip), m.stacked(8, 1)[0]), (Some(13), code), "{name}");
    }
}

#[test]
fn iretq_with_nt_is_refused_and_null_ss_needs_an_inner_level() {
    let mut m = Machine::long(0);
    m.cpu.set_rflags(bit::NT);
    m.run(&[0x48, 0xcf], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13));
    for (cs, ss, vector) in [(sel::CODE64, 0_u16, None), (sel::CODE64_USER, 3, Some(13)), (sel::CODE0, 0, Some(13))] {
        let mut m = Machine::long(0);
        for (i, v) in [0x1234, u64::from(cs), bit::FIXED, 0x9000, u64::from(ss)].into_iter().enumerate() {
            m.put(STACK + i as u64 * 8, v);
        }
        m.run(&[0x48, 0xcf], 1);
        assert_eq!(vector_at(m.cpu.rip), vector, "CS {cs:#x} SS {ss:#x}");
        if vector.is_none() {
            assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP]), (0x1234, 0x9000));
        }
    }
}

#[test]
fn syscall_and_sysret_change_level_without_tables() {
    let mut m = Machine::long(3);
    m.cpu.state.msr.star = 0x0023_0010 << 32;
    m.cpu.state.msr.lstar = 0x7_0000;
    m.cpu.state.msr.fmask = bit::IF | bit::DF;
    m.cpu.set_rflags(bit::IF | bit::DF | bit::CF);
    m.run(&[0x0f, 0x05], 1);
    assert_eq!((m.cpu.rip, m.cpu.state.cpl), (0x7_0000, 0));
    assert_eq!((m.selector(seg::CS), m.selector(seg::SS)), (0x10, 0x18));
    assert_eq!(m.cpu.regs[gpr::RCX], CODE + 2);
    assert_eq!(m.cpu.regs[gpr::R11], bit::FIXED | bit::IF | bit::DF | bit::CF);
    assert_eq!(m.cpu.rflags(), bit::FIXED | bit::CF);
    m.cpu.regs[gpr::R11] |= bit::VM | bit::RF;
    m.run(&[0x48, 0x0f, 0x07], 1);
    assert_eq!((m.cpu.rip, m.cpu.state.cpl, m.selector(seg::CS), m.selector(seg::SS)), (CODE + 2, 3, 0x33, 0x2b));
    assert_eq!(m.cpu.rflags(), bit::FIXED | bit::IF | bit::DF | bit::CF);
    assert!(m.cpu.is_64bit());
}

#[test]
fn sysret_to_compatibility_mode_truncates_rip() {
    let mut m = Machine::long(0);
    m.cpu.state.msr.star = 0x0023 << 48;
    m.cpu.regs[gpr::RCX] = 0x1_0000_5678;
    m.run(&[0x0f, 0x07], 1);
    assert_eq!((m.cpu.rip, m.selector(seg::CS), m.cpu.is_64bit(), m.cpu.is_long()), (0x5678, 0x23, false, true));
}

#[test]
fn syscall_family_refuses_by_mode_level_and_address() {
    // Level, EFER.SCE, RCX, code, exception.
    let cases: [(u8, bool, u64, &[u8], u8); 6] = [
        (3, false, 0, &[0x0f, 0x05], 6),
        (0, false, 0, &[0x48, 0x0f, 0x07], 6),
        (3, true, 0, &[0x48, 0x0f, 0x07], 13),
        (0, true, NON_CANONICAL, &[0x48, 0x0f, 0x07], 13),
        (3, true, 0, &[0x0f, 0x34], 13),
        (3, true, 0, &[0x0f, 0x01, 0xf8], 13),
    ];
    for (cpl, sce, rcx, code, vector) in cases {
        let mut m = Machine::long(cpl);
        if !sce {
            m.cpu.state.efer &= !cr::EFER_SCE;
        }
        m.cpu.regs[gpr::RCX] = rcx;
        m.run(code, 1);
        assert_eq!((vector_at(m.cpu.rip), m.cpu.state.cpl), (Some(vector), 0), "{code:x?}");
    }
}

#[test]
fn sysenter_and_sysexit_use_their_msrs() {
    let mut m = Machine::long(3);
    let msr = &mut m.cpu.state.msr;
    (msr.sysenter_cs, msr.sysenter_esp, msr.sysenter_eip) = (0x10, 0x9000, 0x7_0000);
    m.cpu.set_rflags(bit::IF);
    m.run(&[0x0f, 0x34], 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.cpl), (0x7_0000, 0x9000, 0));
    assert!(!m.cpu.has_rflag(bit::IF) && m.cpu.is_64bit());
    (m.cpu.regs[gpr::RCX], m.cpu.regs[gpr::RDX]) = (0x1111, 0x2222);
    m.run(&[0x0f, 0x35], 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.cpl), (0x2222, 0x1111, 3));
    assert_eq!((m.selector(seg::CS), m.selector(seg::SS), m.cpu.is_64bit()), (0x23, 0x2b, false));
}

#[test]
fn swapgs_and_base_instructions() {
    let mut m = Machine::long(0);
    m.cpu.state.cr4 |= cr::CR4_FSGSBASE;
    m.cpu.state.msr.kernel_gs_base = 0xffff_8000_0000_1000;
    m.cpu.regs[gpr::RAX] = 0x5555;
    // wrgsbase rax; swapgs; rdgsbase rcx; wrfsbase eax; rdfsbase edx
    let code = [0xf3, 0x48, 0x0f, 0xae, 0xd8, 0x0f, 0x01, 0xf8, 0xf3, 0x48, 0x0f, 0xae, 0xc9];
    m.run(&code, 3);
    assert_eq!(m.cpu.regs[gpr::RCX], 0xffff_8000_0000_1000);
    assert_eq!(m.cpu.state.msr.kernel_gs_base, 0x5555);
    m.cpu.regs[gpr::RAX] = NON_CANONICAL;
    m.run(&[0xf3, 0x48, 0x0f, 0xae, 0xd0], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(13));
    let mut m = Machine::long(0);
    m.run(&[0xf3, 0x48, 0x0f, 0xae, 0xd0], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(6), "CR4.FSGSBASE clear");
}

#[test]
fn far_call_through_a_64_bit_gate_changes_stack_without_parameters() {
    let mut m = Machine::long(3);
    m.put(GDT + 0x68, gate(sel::CODE64, 0x7_0000, 0xec, 5));
    m.put(GDT + 0x70, 0_u64);
    m.put(0x6000, 0_u32);
    m.put(0x6004, sel::CALL_GATE);
    m.run(&[0xff, 0x1c, 0x25, 0, 0x60, 0, 0], 1);
    assert_eq!((m.cpu.rip, m.cpu.state.cpl, m.selector(seg::SS)), (0x7_0000, 0, 0));
    assert_eq!(m.stacked(8, 4), [CODE + 7, 0x83, STACK, 0x23]);
}
