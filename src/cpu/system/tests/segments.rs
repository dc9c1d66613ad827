//! Segment loads and the instructions that look at descriptors.

use super::*;
use crate::cpu::flags::bit;

/// MOV Sreg, AX.
fn load(register: usize) -> [u8; 2] {
    [0x8e, 0xc0 | (register as u8) << 3]
}

#[test]
fn loads_follow_the_privilege_and_type_rules() {
    use seg::{DS, ES, SS};
    // Level, register, selector, exception and error code, or none.
    let cases = [
        (0, DS, 0, None),
        (0, DS, 3, None),
        (0, DS, sel::DATA0, None),
        (0, DS, sel::DATA3, None),
        (0, DS, sel::CODE0, None),
        (0, ES, sel::READ_ONLY, None),
        (0, DS, sel::BEYOND, Some((13, 0x100))),
        (0, DS, sel::EXECUTE_ONLY, Some((13, 0x58))),
        (0, DS, sel::TSS, Some((13, 0x28))),
        (0, DS, sel::ABSENT_DATA, Some((11, 0x60))),
        (0, DS, sel::DATA0 | 3, Some((13, 0x10))),
        (3, DS, sel::DATA0, Some((13, 0x10))),
        (3, DS, sel::CONFORMING, None),
        (3, DS, 0x7c | 3, Some((13, 0x7c))),
        (0, SS, sel::DATA0, None),
        (0, SS, 0, Some((13, 0))),
        (0, SS, sel::DATA3, Some((13, 0x20))),
        (0, SS, sel::READ_ONLY, Some((13, 0x48))),
        (0, SS, sel::CODE0, Some((13, 0x08))),
        (3, SS, 0x63, Some((12, 0x60))),
    ];
    for (cpl, register, selector, expected) in cases {
        let mut m = Machine::protected();
        m.set_level(cpl);
        m.cpu.regs[gpr::RAX] = selector.into();
        m.run(&load(register), 1);
        let seen = vector_at(m.cpu.rip).map(|v| (v, m.stacked(4, 1)[0]));
        assert_eq!(seen, expected, "level {cpl}, register {register}, selector {selector:#x}");
        if expected.is_none() {
            assert_eq!(m.selector(register), selector);
        }
    }
}

#[test]
fn null_stack_segment_is_allowed_in_64_bit_mode_below_level_3_only() {
    for (cpl, selector, vector) in [(0, 0, None), (0, 3, Some(13)), (3, 3, Some(13)), (3, 0, Some(13))] {
        let mut m = Machine::long(cpl);
        m.cpu.regs[gpr::RAX] = selector;
        m.run(&load(seg::SS), 1);
        assert_eq!(vector_at(m.cpu.rip), vector, "level {cpl}, selector {selector}");
    }
}

#[test]
fn null_selector_clears_the_fs_base_and_a_descriptor_sets_it() {
    let mut m = Machine::long(0);
    m.put(GDT + u64::from(sel::READ_ONLY), descriptor(0x1234_5678, 0xfff, 0x4091));
    m.cpu.regs[gpr::RAX] = sel::READ_ONLY.into();
    m.run(&load(seg::FS), 1);
    assert_eq!((m.cpu.state.seg[seg::FS].base, m.cpu.state.seg[seg::FS].limit), (0x1234_5678, 0xfff));
    m.cpu.regs[gpr::RAX] = 0;
    m.run(&load(seg::FS), 1);
    assert_eq!(m.cpu.state.seg[seg::FS].base, 0);
}

#[test]
fn real_mode_load_keeps_the_limit_of_protected_mode() {
    let mut m = Machine::real();
    m.cpu.state.seg[seg::DS].limit = u32::MAX;
    m.cpu.regs[gpr::RAX] = 0x1234;
    m.run(&load(seg::DS), 1);
    let ds = m.cpu.state.seg[seg::DS];
    assert_eq!((ds.selector, ds.base, ds.limit), (0x1234, 0x1_2340, u32::MAX));
}

#[test]
fn stack_segment_load_holds_interrupts_back_for_one_instruction() {
    let mut m = Machine::protected();
    m.cpu.regs[gpr::RAX] = sel::DATA0.into();
    m.run(&load(seg::SS), 1);
    assert!(m.cpu.state.interrupt_shadow && m.cpu.state.debug_shadow);
    m.run(&[0x90], 1);
    assert!(!m.cpu.state.interrupt_shadow && !m.cpu.state.debug_shadow);
}

#[test]
fn mov_to_cs_is_undefined() {
    let mut m = Machine::protected();
    m.run(&load(seg::CS), 1);
    assert_eq!(vector_at(m.cpu.rip), Some(6));
}

#[test]
fn push_and_pop_of_segments_move_by_the_operand_size() {
    let mut m = Machine::protected();
    m.put(STACK - 4, 0xffff_ffff_u32);
    m.run(&[0x1e, 0x07, 0x66, 0x1e, 0x0f, 0xa9], 1);
    assert_eq!((m.stacked(4, 1)[0], m.cpu.regs[gpr::RSP]), (0xffff_0010, STACK - 4));
    m.run(&[0x07, 0x66, 0x1e], 2);
    assert_eq!((m.selector(seg::ES), m.cpu.regs[gpr::RSP]), (0x10, STACK - 2));
    let mut m = Machine::long(0);
    m.cpu.state.seg[seg::FS].selector = 0x3b;
    m.put(STACK - 8, u64::MAX);
    m.run(&[0x0f, 0xa0], 1);
    assert_eq!(m.stacked(8, 1)[0], 0x3b);
}

#[test]
fn far_pointer_loads_fill_segment_and_register() {
    let mut m = Machine::protected();
    m.put(0x6000, 0xdead_beef_u32);
    m.put(0x6004, sel::DATA3);
    m.run(&[0xc4, 0x1d, 0, 0x60, 0, 0], 1);
    assert_eq!((m.selector(seg::ES), m.cpu.regs[gpr::RBX]), (sel::DATA3, 0xdead_beef));
    m.put(0x6004, sel::BEYOND);
    m.run(&[0xc4, 0x0d, 0, 0x60, 0, 0], 1);
    assert_eq!((vector_at(m.cpu.rip), m.cpu.regs[gpr::RCX]), (Some(13), 0));
}

#[test]
fn inspection_answers_in_zf_without_faulting() {
    const LAR: u8 = 0x02;
    const LSL: u8 = 0x03;
    // Opcode, selector in CX, answer in EAX if any.
    let cases = [
        (LAR, sel::DATA0, Some(0x00cf_9300)),
        (LAR, sel::TSS, Some(0x8b00)),
        (LAR, sel::TASK_GATE, Some(0xe500)),
        (LAR, sel::DATA0 | 3, None),
        (LAR, 0, None),
        (LAR, sel::BEYOND, None),
        (LSL, sel::DATA0, Some(0xffff_ffff)),
        (LSL, sel::TSS, Some(0xff)),
        (LSL, sel::TASK_GATE, None),
        (LSL, sel::CONFORMING | 3, Some(0xffff_ffff)),
    ];
    for (opcode, selector, expected) in cases {
        let mut m = Machine::protected();
        m.cpu.regs[gpr::RAX] = 0x5555;
        m.cpu.regs[gpr::RCX] = selector.into();
        m.run(&[0x0f, opcode, 0xc1], 1);
        assert_eq!(m.cpu.flags.zf(), expected.is_some(), "{opcode} {selector:#x}");
        assert_eq!(m.cpu.regs[gpr::RAX], expected.unwrap_or(0x5555), "{opcode} {selector:#x}");
    }
    for (modrm, selector, expected) in [
        (0xe1, sel::DATA0, true),
        (0xe1, sel::EXECUTE_ONLY, false),
        (0xe9, sel::DATA0, true),
        (0xe9, sel::READ_ONLY, false),
        (0xe9, sel::CODE0, false),
    ] {
        let mut m = Machine::protected();
        m.cpu.regs[gpr::RCX] = selector.into();
        m.run(&[0x0f, 0x00, modrm], 1);
        assert_eq!(m.cpu.flags.zf(), expected, "{modrm:#x} {selector:#x}");
    }
}

#[test]
fn arpl_raises_the_rpl() {
    let mut m = Machine::protected();
    (m.cpu.regs[gpr::RAX], m.cpu.regs[gpr::RCX]) = (0x1_0010, 3);
    m.run(&[0x63, 0xc8], 1);
    assert_eq!((m.cpu.regs[gpr::RAX], m.cpu.flags.zf()), (0x1_0013, true));
    m.run(&[0x63, 0xc8], 1);
    assert!(!m.cpu.flags.zf());
}

#[test]
fn ltr_marks_the_task_busy_and_lldt_checks_its_type() {
    for (op, selector, expected) in [
        (3, sel::TSS_B, None),
        (3, sel::TSS, Some((13, 0x28))),
        (3, 0, Some((13, 0))),
        (3, sel::CODE0, Some((13, 8))),
        (2, sel::LDT, None),
        (2, 0, None),
        (2, sel::TSS, Some((13, 0x28))),
    ] {
        let mut m = Machine::protected();
        m.cpu.regs[gpr::RCX] = selector.into();
        m.run(&[0x0f, 0x00, 0xc1 | op << 3], 1);
        let seen = vector_at(m.cpu.rip).map(|v| (v, m.stacked(4, 1)[0]));
        assert_eq!(seen, expected, "/{op} {selector:#x}");
        if selector == sel::TSS_B {
            assert_eq!((m.get(GDT + 0x75, 1), m.cpu.state.tr.attr), (0x8b, 0x8b));
        }
    }
}

#[test]
fn table_registers_store_what_was_loaded() {
    let mut m = Machine::long(0);
    m.put(0x6000, 0x1234_u16);
    m.put(0x6002, 0xffff_8000_1234_5678_u64);
    // lgdt [0x6000]; sgdt [0x6010]
    m.run(&[0x0f, 0x01, 0x14, 0x25, 0, 0x60, 0, 0, 0x0f, 0x01, 0x04, 0x25, 0x10, 0x60, 0, 0], 2);
    assert_eq!((m.get(0x6010, 2), m.get(0x6012, 8)), (0x1234, 0xffff_8000_1234_5678));
    let mut m = Machine::protected();
    m.put(0x6000, 0xffff_u16);
    m.put(0x6002, 0x1234_5678_u32);
    m.run(&[0x66, 0x0f, 0x01, 0x1d, 0, 0x60, 0, 0], 1);
    assert_eq!(m.cpu.state.idtr, TableRegister { base: 0x34_5678, limit: 0xffff });
}

#[test]
fn umip_hides_system_registers_from_user_code() {
    // sgdt, sidt, smsw, sldt, str with the register or memory at RCX
    let codes: [&[u8]; 5] =
        [&[0x0f, 0x01, 0x01], &[0x0f, 0x01, 0x09], &[0x0f, 0x01, 0xe1], &[0x0f, 0x00, 0xc1], &[0x0f, 0x00, 0xc9]];
    for code in codes {
        for (umip, cpl, vector) in [(0, 3, None), (cr::CR4_UMIP, 3, Some(13)), (cr::CR4_UMIP, 0, None)] {
            let mut m = Machine::protected();
            m.set_level(cpl);
            m.cpu.state.cr4 = umip;
            m.cpu.regs[gpr::RCX] = 0x6000;
            m.run(code, 1);
            assert_eq!(vector_at(m.cpu.rip), vector, "{code:x?} at level {cpl}");
        }
    }
}

#[test]
fn system_instructions_are_refused_at_level_3() {
    let codes: [&[u8]; 9] = [
        &[0xf4],
        &[0xfa],
        &[0xfb],
        &[0x0f, 0x06],
        &[0x0f, 0x09],
        &[0x0f, 0x20, 0xc0],
        &[0x0f, 0x21, 0xc0],
        &[0x0f, 0x32],
        &[0x0f, 0x01, 0x39],
    ];
    for code in codes {
        let mut m = Machine::protected();
        m.set_level(3);
        m.run(code, 1);
        assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 2)), (Some(13), vec![0, CODE]), "{code:x?}");
    }
    let mut m = Machine::protected();
    m.set_level(3);
    m.cpu.set_rflags(bit::IOPL);
    m.run(&[0xfb], 1);
    assert!(m.cpu.has_rflag(bit::IF) && m.cpu.state.interrupt_shadow);
}
