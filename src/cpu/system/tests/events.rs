//! Exceptions and interrupts: vectors, error codes, double and triple faults.

use super::*;
use crate::cpu::fault::Fault;
use crate::cpu::flags::bit;
use crate::cpu::system::Shutdown;

#[test]
fn real_mode_interrupt_pushes_three_words_and_iret_takes_them_back() {
    let mut m = Machine::real();
    m.put(0x21 * 4, 0x2000_0123_u32);
    m.bytes(0x2_0123, &[0xcf]);
    m.cpu.set_rflags(bit::IF | bit::CF | bit::AC);
    m.run(&[0xcd, 0x21, 0x90], 1);
    assert_eq!((m.selector(seg::CS), m.cpu.rip), (0x2000, 0x123));
    assert_eq!(m.stacked(2, 3), [2, 0x1000, 0x203]);
    assert_eq!(m.cpu.rflags(), bit::CF | bit::FIXED);
    m.run(&[0xcf], 1);
    assert_eq!((m.selector(seg::CS), m.cpu.rip, m.cpu.regs[gpr::RSP]), (0x1000, 2, 0x8000));
    assert!(m.cpu.has_rflag(bit::IF));
}

#[test]
fn same_level_fault_pushes_rf_and_error_code_and_masks_interrupts() {
    let mut m = Machine::protected();
    m.cpu.set_rflags(bit::IF | bit::TF | bit::NT);
    m.cpu.deliver_fault(Fault::gp(0x18)).unwrap();
    assert_eq!(m.cpu.rip, handler(13));
    assert_eq!(m.stacked(4, 4), [0x18, CODE, 0x08, bit::FIXED | bit::IF | bit::TF | bit::NT | bit::RF]);
    assert_eq!(m.cpu.rflags(), bit::FIXED);
}

#[test]
fn trap_gate_leaves_interrupts_on_and_interrupt_saves_no_rf() {
    let mut m = Machine::protected();
    m.put(IDT + 32 * 8, gate(sel::CODE0, handler(32), 0x8f, 0));
    m.cpu.set_rflags(bit::IF);
    m.cpu.deliver_interrupt(32).unwrap();
    assert_eq!(m.stacked(4, 3), [CODE, 0x08, bit::FIXED | bit::IF]);
    assert!(m.cpu.has_rflag(bit::IF));
}

#[test]
fn sixteen_bit_gate_pushes_words() {
    let mut m = Machine::protected();
    m.put(IDT + 13 * 8, gate(sel::CODE0, 0x1234, 0x86, 0));
    m.cpu.deliver_fault(Fault::gp(4)).unwrap();
    assert_eq!(m.cpu.rip, 0x1234);
    assert_eq!(m.stacked(2, 3), [4, CODE & 0xffff, 8]);
    assert_eq!(m.cpu.regs[gpr::RSP], STACK - 8);
}

#[test]
fn inner_level_takes_the_stack_from_the_tss_and_iret_returns_to_the_outer() {
    let mut m = Machine::protected();
    m.set_level(3);
    m.cpu.deliver_fault(Fault::ud()).unwrap();
    assert_eq!((m.cpu.state.cpl, m.selector(seg::SS), m.cpu.regs[gpr::RSP]), (0, sel::DATA0, STACK_0 - 20));
    assert_eq!(m.stacked(4, 5), [CODE, 0x1b, bit::FIXED | bit::RF, STACK, 0x23]);
    m.cpu.state.seg[seg::DS] = m.cpu.state.seg[seg::SS];
    m.run(&[0xcf], 1);
    assert_eq!((m.cpu.state.cpl, m.cpu.rip, m.cpu.regs[gpr::RSP]), (3, CODE, STACK));
    assert_eq!((m.selector(seg::CS), m.selector(seg::SS)), (0x1b, 0x23));
    assert_eq!((m.selector(seg::DS), m.selector(seg::ES)), (0, 0x23), "a segment of the inner level is dropped");
    assert!(m.cpu.has_rflag(bit::RF));
}

#[test]
fn v86_interrupt_saves_and_clears_the_segments_and_iret_restores_them() {
    let mut m = Machine::protected();
    for (i, s) in m.cpu.state.seg.iter_mut().enumerate() {
        *s = super::super::segment::v86_segment(0x1000 + i as u16);
    }
    m.cpu.state.cpl = 3;
    m.cpu.set_rflags(bit::VM | bit::IF);
    (m.cpu.rip, m.cpu.regs[gpr::RSP]) = (0x77, 0xfff0);
    m.cpu.deliver_fault(Fault::gp(0)).unwrap();
    assert_eq!(m.cpu.rip, handler(13));
    let flags = bit::FIXED | bit::IF | bit::VM | bit::RF;
    assert_eq!(m.stacked(4, 10), [0, 0x77, 0x1001, flags, 0xfff0, 0x1002, 0x1000, 0x1003, 0x1004, 0x1005]);
    assert_eq!([seg::ES, seg::DS, seg::FS, seg::GS].map(|r| m.selector(r)), [0; 4]);
    m.cpu.regs[gpr::RSP] += 4;
    m.run(&[0xcf], 1);
    assert!(m.cpu.is_v86());
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.cpl), (0x77, 0xfff0, 3));
    assert_eq!([0, 1, 2, 3, 4, 5].map(|r| m.selector(r)), [0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005]);
}

/// Breaks the gate of vector 40 in one way; the exception that a use of it becomes.
#[test]
fn broken_gates_refuse_with_the_right_vector_and_error_code() {
    let idt_code = 40 * 8 + 2;
    let good = handler(40);
    let cases = [
        ("not a gate", gate(sel::CODE0, good, 0x82, 0), 13, idt_code),
        ("absent", gate(sel::CODE0, good, 0x0e, 0), 11, idt_code),
        ("null target", gate(0, good, 0x8e, 0), 13, 0),
        ("target beyond the table", gate(sel::BEYOND, good, 0x8e, 0), 13, 0x100),
        ("target is data", gate(sel::DATA0, good, 0x8e, 0), 13, 0x10),
        ("target at an outer level", gate(sel::CODE3, good, 0x8e, 0), 13, 0x18),
        ("target absent", gate(sel::ABSENT_CODE, good, 0x8e, 0), 11, 0x40),
        ("task gate to no task", gate(sel::CODE0, 0, 0x85, 0), 13, 0x08),
        ("task gate into the LDT", gate(0x74, 0, 0x85, 0), 13, 0x74),
        ("task gate to the busy task", gate(sel::TSS, 0, 0x85, 0), 13, 0x28),
    ];
    for (name, gate, vector, code) in cases {
        let mut m = Machine::protected();
        m.put(IDT + 40 * 8, gate);
        m.cpu.deliver_interrupt(40).unwrap();
        assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(vector), code | 1), "external: {name}");
        let mut m = Machine::protected();
        m.put(IDT + 40 * 8, gate);
        m.run(&[0xcd, 40], 1);
        let seen = (vector_at(m.cpu.rip), m.stacked(4, 2)[0], m.stacked(4, 2)[1]);
        assert_eq!(seen, (Some(vector), code, CODE), "INT n: {name}");
    }
}

#[test]
fn int_n_needs_the_gates_privilege_and_hardware_does_not() {
    let mut m = Machine::protected();
    m.set_level(3);
    m.run(&[0xcd, 40], 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 2)), (Some(13), vec![40 * 8 + 2, CODE]));
    let mut m = Machine::protected();
    m.set_level(3);
    m.put(IDT + 40 * 8, gate(sel::CODE0, handler(40), 0xee, 0));
    m.run(&[0xcd, 40], 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)), (Some(40), vec![CODE + 2]));
    let mut m = Machine::protected();
    m.set_level(3);
    m.run(&[0xf1], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(1), "INT1 checks no privilege");
}

#[test]
fn vector_beyond_the_idt_is_general_protection() {
    let mut m = Machine::protected();
    m.run(&[0xcd, 0x80], 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 2)), (Some(13), vec![0x80 * 8 + 2, CODE]));
}

#[test]
fn inner_stack_that_cannot_be_used_is_invalid_tss_or_stack_fault() {
    let cases = [
        ("null", 0, 10, 0),
        ("beyond", sel::BEYOND, 10, 0x100),
        ("wrong level", sel::DATA3, 10, 0x20),
        ("not writable", sel::READ_ONLY, 10, 0x48),
        ("code", sel::CODE0, 10, 8),
    ];
    for (name, ss, vector, code) in cases {
        let mut m = Machine::protected();
        // The handlers of the second fault run at level 3, since level 0 has no stack.
        for v in [10, 11, 12] {
            m.put(IDT + v * 8, gate(sel::CODE3, handler(v as u8), 0x8e, 0));
        }
        m.set_level(3);
        m.put(TSS + 8, u32::from(ss));
        m.cpu.deliver_fault(Fault::ud()).unwrap();
        assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(vector), code | 1), "{name}");
    }
}

#[test]
fn second_faults_combine_by_the_double_fault_table() {
    let pf = |address| Fault::pf(address, 2);
    let absent = gate(sel::CODE0, 0, 0x0e, 0);
    // First event; the vectors whose gates are absent; the handler reached.
    type Case = (Option<Fault>, &'static [u8], Result<u8, Shutdown>);
    let cases: [Case; 10] = [
        (None, &[32], Ok(11)),
        (Some(Fault::ud()), &[6], Ok(11)),
        (Some(Fault::de()), &[0], Ok(8)),
        (Some(Fault::gp(0)), &[13], Ok(8)),
        (Some(pf(0x123)), &[14], Ok(8)),
        (Some(Fault::ud()), &[6, 11], Ok(8)),
        (None, &[32, 11], Ok(8)),
        (Some(Fault::gp(0)), &[13, 8], Err(Shutdown)),
        (Some(Fault::ud()), &[6, 11, 8], Err(Shutdown)),
        (Some(pf(1)), &[14, 8], Err(Shutdown)),
    ];
    for (first, broken, expected) in cases {
        let mut m = Machine::protected();
        for &vector in broken {
            m.put(IDT + u64::from(vector) * 8, absent);
        }
        let before = m.cpu.rip;
        let outcome = match first {
            Some(fault) => m.cpu.deliver_fault(fault),
            None => m.cpu.deliver_interrupt(32),
        };
        let seen = outcome.map(|()| vector_at(m.cpu.rip).unwrap());
        assert_eq!(seen, expected, "{first:?} with {broken:?}");
        if seen == Ok(8) {
            assert_eq!(m.stacked(4, 2), [0, before], "{first:?}: the double fault's code is 0");
        }
        if let Some(address) = first.and_then(|f| f.address) {
            assert_eq!(m.cpu.state.cr2, address);
        }
    }
}

#[test]
fn triple_fault_stops_the_machine() {
    let mut m = Machine::protected();
    m.cpu.state.idtr.limit = 0;
    assert_eq!(m.run(&[0x0f, 0x0b], 5), Exit::Shutdown);
    let mut m = Machine::protected();
    m.cpu.state.idtr.limit = 0;
    assert_eq!(m.run(&[0xcc], 5), Exit::Shutdown);
}

#[test]
fn general_detect_faults_on_debug_register_access_and_is_off_in_the_handler() {
    let mut m = Machine::protected();
    m.cpu.state.dr[7] = 0x2400;
    m.run(&[0x0f, 0x23, 0xc0], 1);
    assert_eq!(vector_at(m.cpu.rip), Some(1));
    assert_eq!((m.cpu.state.dr[7], m.cpu.state.dr[6] & 0xf00f), (0x400, 0x2000));
    assert_eq!(m.stacked(4, 1)[0], CODE);
}

#[test]
fn single_step_traps_after_the_instruction_but_not_after_int() {
    let mut m = Machine::protected();
    m.cpu.set_rflags(bit::TF);
    m.run(&[0x90, 0x90], 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(1), CODE + 1));
    assert_eq!(m.cpu.state.dr[6] & 0xf00f, 0x4000);
    let mut m = Machine::protected();
    m.cpu.set_rflags(bit::TF);
    m.run(&[0xcd, 40], 1);
    assert_eq!(m.cpu.rip, handler(40));
}

#[test]
fn nmi_is_blocked_until_iret() {
    let mut m = Machine::protected();
    m.bus.nmi = true;
    m.run(&[0x90], 1);
    assert!(m.cpu.state.nmi_blocked && !m.bus.nmi);
    assert_eq!(m.cpu.rip, handler(2) + 1);
    m.bus.nmi = true;
    m.run(&[0xcf], 1);
    assert!(m.bus.nmi, "the second one waits");
    assert!(!m.cpu.state.nmi_blocked);
    assert_eq!(m.cpu.rip, CODE);
}

#[test]
fn into_and_bound_raise_only_when_they_must() {
    let mut m = Machine::protected();
    m.run(&[0xce], 1);
    assert_eq!(m.cpu.rip, CODE + 1);
    let mut m = Machine::protected();
    m.cpu.set_rflags(bit::OF);
    m.run(&[0xce], 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(4), CODE + 1));
    for (index, vector) in [(5_u64, None), (10, None), (11, Some(5)), (0xffff_ffff, Some(5))] {
        let mut m = Machine::protected();
        m.put(0x6000, 5_u32);
        m.put(0x6004, 10_u32);
        m.cpu.regs[gpr::RAX] = index;
        m.run(&[0x62, 0x05, 0, 0x60, 0, 0], 1);
        assert_eq!(vector_at(m.cpu.rip), vector, "index {index:#x}");
    }
}
