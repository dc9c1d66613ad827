//! Far jumps, calls and returns between privilege levels, and their refusals.

use super::*;

/// CALL or JMP ptr16:32.
fn direct(opcode: u8, selector: u16, offset: u32) -> [u8; 7] {
    let (o, s) = (offset.to_le_bytes(), selector.to_le_bytes());
    [opcode, o[0], o[1], o[2], o[3], s[0], s[1]]
}
const JUMP: u8 = 0xea;
const CALL: u8 = 0x9a;

#[test]
fn far_jump_checks_its_target() {
    // Level, selector, exception and error code, or none.
    let cases = [
        (0, sel::CODE0, None),
        (0, 0, Some((13, 0))),
        (0, sel::BEYOND, Some((13, 0x100))),
        (0, sel::DATA0, Some((13, 0x10))),
        (0, sel::CODE3, Some((13, 0x18))),
        (0, sel::ABSENT_CODE, Some((11, 0x40))),
        (0, sel::CONFORMING, None),
        (3, sel::CONFORMING, None),
        (3, sel::CODE0, Some((13, 0x08))),
        (3, sel::CODE3, None),
        (0, sel::TSS, Some((13, 0x28))),
        (0, sel::LDT, Some((13, 0x78))),
    ];
    for (cpl, selector, expected) in cases {
        let mut m = Machine::protected();
        m.set_level(cpl);
        m.run(&direct(JUMP, selector, 0x7_0000), 1);
        let seen = vector_at(m.cpu.rip).map(|v| (v, m.stacked(4, 1)[0]));
        assert_eq!(seen, expected, "level {cpl}, selector {selector:#x}");
        if expected.is_none() {
            assert_eq!((m.cpu.rip, m.selector(seg::CS)), (0x7_0000, selector & !3 | u16::from(cpl)));
            assert_eq!(m.cpu.state.cpl, cpl);
        }
    }
}

#[test]
fn far_call_pushes_cs_and_ip_and_ret_takes_them() {
    let mut m = Machine::protected();
    m.run(&direct(CALL, sel::CODE0, 0x7_0000), 1);
    assert_eq!(m.stacked(4, 2), [CODE + 7, 8]);
    m.run(&[0xca, 8, 0], 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP]), (CODE + 7, STACK + 8));
}

#[test]
fn accessed_bit_is_set_in_the_table_when_a_segment_is_loaded() {
    let mut m = Machine::protected();
    m.put(GDT + 8, descriptor(0, u32::MAX, 0xc09a));
    m.run(&direct(JUMP, sel::CODE0, 0x7_0000), 1);
    assert_eq!(m.get(GDT + 13, 1), 0x9b);
}

#[test]
fn call_gate_copies_parameters_to_the_inner_stack_and_ret_drops_them_from_both() {
    let mut m = Machine::protected();
    m.set_level(3);
    m.put(GDT + 0x68, gate(sel::CODE0, 0x7_0000, 0xec, 2));
    m.put(STACK, 0x1111_u32);
    m.put(STACK + 4, 0x2222_u32);
    m.run(&direct(CALL, sel::CALL_GATE, 0), 1);
    assert_eq!((m.cpu.rip, m.cpu.state.cpl, m.selector(seg::CS)), (0x7_0000, 0, 8));
    assert_eq!(m.stacked(4, 6), [CODE + 7, 0x1b, 0x1111, 0x2222, STACK, 0x23]);
    m.run(&[0xca, 8, 0], 1);
    assert_eq!((m.cpu.rip, m.cpu.state.cpl, m.cpu.regs[gpr::RSP]), (CODE + 7, 3, STACK + 8));
    assert_eq!(m.selector(seg::SS), 0x23);
}

#[test]
fn call_gate_refusals() {
    let target = 0x7_0000;
    let cases = [
        ("gate of an inner level", gate(sel::CODE0, target, 0x8c, 0), CALL, 13, 0x68),
        ("absent gate", gate(sel::CODE0, target, 0x6c, 0), CALL, 11, 0x68),
        ("null target", gate(0, target, 0xec, 0), CALL, 13, 0),
        ("data target", gate(sel::DATA0, target, 0xec, 0), CALL, 13, 0x10),
        ("absent target", gate(sel::ABSENT_CODE, target, 0xec, 0), CALL, 11, 0x40),
        ("jump to an inner level", gate(sel::CODE0, target, 0xec, 0), JUMP, 13, 0x08),
    ];
    for (name, gate, opcode, vector, code) in cases {
        let mut m = Machine::protected();
        m.set_level(3);
        m.put(GDT + 0x68, gate);
        m.run(&direct(opcode, sel::CALL_GATE, 0), 1);
        assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(vector), code), "{name}");
    }
}

#[test]
fn returns_check_code_and_stack_segments() {
    // CS, SS of the frame; exception and error code, or none.
    let cases = [
        (sel::CODE3, sel::DATA3, None),
        (sel::CODE3, sel::DATA0, Some((13, 0x10))),
        (sel::CODE3, 0, Some((13, 0))),
        (sel::CODE3, sel::CODE3, Some((13, 0x18))),
        (sel::CODE3, 0x63, Some((12, 0x60))),
        (sel::CODE0 | 3, sel::DATA3, Some((13, 0x08))),
        (sel::DATA3, sel::DATA3, Some((13, 0x20))),
        (0, 0, Some((13, 0))),
    ];
    for (cs, ss, expected) in cases {
        for is_iret in [false, true] {
            let mut m = Machine::protected();
            let frame: &[u32] = if is_iret {
                &[0x7_0000, cs.into(), 2, 0x9000, ss.into()]
            } else {
                &[0x7_0000, cs.into(), 0x9000, ss.into()]
            };
            for (i, &v) in frame.iter().enumerate() {
                m.put(STACK + i as u64 * 4, v);
            }
            m.run(if is_iret { &[0xcf] } else { &[0xcb] }, 1);
            let seen = vector_at(m.cpu.rip).map(|v| (v, m.stacked(4, 1)[0]));
            assert_eq!(seen, expected, "CS {cs:#x}, SS {ss:#x}, IRET {is_iret}");
            if expected.is_none() {
                assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.cpl), (0x7_0000, 0x9000, 3));
            }
        }
    }
}

#[test]
fn instruction_pointer_beyond_the_limit_is_refused() {
    let mut m = Machine::protected();
    m.put(GDT + 8, descriptor(0, 0x7_0000, 0x409b));
    m.run(&direct(JUMP, sel::CODE0, 0x7_0001), 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 2)), (Some(13), vec![0, CODE]));
}

#[test]
fn popf_at_level_3_changes_neither_if_nor_iopl() {
    use crate::cpu::flags::bit;
    for (cpl, iopl, changes) in [(0, 0, bit::IF | bit::IOPL), (3, 0, 0), (3, 3, bit::IF)] {
        let mut m = Machine::protected();
        m.set_level(cpl);
        m.cpu.set_rflags(iopl << 12);
        let wanted = bit::IF | bit::IOPL | bit::CF | bit::ID | bit::VM;
        m.put(STACK, wanted as u32);
        m.run(&[0x9d], 1);
        let expected = bit::FIXED | bit::CF | bit::ID | changes | iopl << 12;
        assert_eq!(m.cpu.rflags(), expected, "level {cpl}, IOPL {iopl}");
    }
}
