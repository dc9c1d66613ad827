//! Task switches by jump, call, gate and return.

use super::*;
use crate::cpu::fault::Fault;
use crate::cpu::flags::bit;

const JUMP: u8 = 0xea;
const CALL: u8 = 0x9a;
const NEW_RIP: u64 = 0x7_0000;

fn transfer(opcode: u8, selector: u16) -> [u8; 7] {
    let s = selector.to_le_bytes();
    [opcode, 0, 0, 0, 0, s[0], s[1]]
}

/// A machine whose second TSS holds a runnable task at level 0.
fn two_tasks() -> Machine {
    let mut m = Machine::protected();
    m.put(TSS_B + 0x20, NEW_RIP as u32);
    m.put(TSS_B + 0x24, (bit::FIXED | bit::CF) as u32);
    for i in 0..8 {
        m.put(TSS_B + 0x28 + i * 4, 0x100 + i as u32);
    }
    m.put(TSS_B + 0x38, 0x9000_u32);
    for (i, s) in [sel::DATA0, sel::CODE0, sel::DATA0, sel::DATA0, 0, 0].into_iter().enumerate() {
        m.put(TSS_B + 0x48 + i as u64 * 4, u32::from(s));
    }
    m
}
fn busy(m: &Machine, selector: u16) -> bool {
    m.get(GDT + u64::from(selector) + 5, 1) & 2 != 0
}

#[test]
fn jump_saves_the_old_task_and_moves_the_busy_bit() {
    for selector in [sel::TSS_B, sel::TASK_GATE] {
        let mut m = two_tasks();
        m.cpu.regs[gpr::RBX] = 0xabcd;
        m.cpu.state.dr[7] = 0x455;
        m.run(&transfer(JUMP, selector), 1);
        assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RAX], m.cpu.regs[gpr::RSP]), (NEW_RIP, 0x100, 0x9000));
        assert_eq!((m.selector(seg::CS), m.selector(seg::SS), m.cpu.state.tr.selector), (8, 0x10, sel::TSS_B));
        assert!(m.cpu.flags.cf() && !m.cpu.has_rflag(bit::NT) && m.cpu.state.cr0 & cr::CR0_TS != 0);
        assert_eq!((busy(&m, sel::TSS), busy(&m, sel::TSS_B)), (false, true));
        assert_eq!((m.get(TSS + 0x20, 4), m.get(TSS + 0x34, 4)), (CODE + 7, 0xabcd));
        assert_eq!(m.cpu.state.dr[7], 0x400);
    }
}

#[test]
fn call_nests_and_iret_comes_back() {
    let mut m = two_tasks();
    m.run(&transfer(CALL, sel::TSS_B), 1);
    assert!(m.cpu.has_rflag(bit::NT));
    assert_eq!(m.get(TSS_B, 2), u64::from(sel::TSS));
    assert_eq!((busy(&m, sel::TSS), busy(&m, sel::TSS_B)), (true, true));
    m.run(&[0xcf], 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.tr.selector), (CODE + 7, STACK, sel::TSS));
    assert_eq!((busy(&m, sel::TSS), busy(&m, sel::TSS_B)), (true, false));
    assert_eq!(m.get(TSS_B + 0x24, 4) & bit::NT, 0);
}

#[test]
fn task_gate_delivers_an_exception_with_its_code_on_the_new_stack() {
    let mut m = two_tasks();
    m.put(IDT + 8 * 8, gate(sel::TSS_B, 0, 0x85, 0));
    m.put(IDT + 13 * 8, gate(sel::CODE0, 0, 0x0e, 0));
    m.cpu.deliver_fault(Fault::gp(0x10)).unwrap();
    assert_eq!((m.cpu.rip, m.stacked(4, 1)[0], m.cpu.regs[gpr::RSP]), (NEW_RIP, 0, 0x8ffc));
    assert_eq!(m.get(TSS + 0x20, 4), CODE);
    assert_eq!(m.get(TSS + 0x24, 4) & bit::RF, bit::RF);
}

#[test]
fn refused_switch_leaves_the_old_task_running() {
    let cases: [(&str, u64, u8, u64); 3] = [
        ("busy", descriptor(TSS_B, 0x67, 0x8b), 13, 0x70),
        ("absent", descriptor(TSS_B, 0x67, 0x09), 11, 0x70),
        ("short", descriptor(TSS_B, 0x66, 0x89), 10, 0x70),
    ];
    for (name, tss, vector, code) in cases {
        let mut m = two_tasks();
        m.put(GDT + u64::from(sel::TSS_B), tss);
        m.run(&transfer(JUMP, sel::TSS_B), 1);
        assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 2)), (Some(vector), vec![code, CODE]), "{name}");
        assert_eq!((m.cpu.state.tr.selector, busy(&m, sel::TSS)), (sel::TSS, true), "{name}");
    }
}

#[test]
fn segments_that_the_new_task_cannot_have_fault_in_the_new_task() {
    // Field of the TSS, its value, exception, error code.
    let cases: [(u64, u16, u8, u64); 6] = [
        (0x4c, 0, 10, 0),
        (0x4c, sel::DATA0, 10, 0x10),
        (0x4c, sel::ABSENT_CODE, 11, 0x40),
        (0x58, sel::EXECUTE_ONLY, 10, 0x58),
        (0x60, sel::CODE0, 10, 0x08),
        (0x48, sel::BEYOND, 10, 0x100),
    ];
    for (field, selector, vector, code) in cases {
        let mut m = two_tasks();
        // Without a usable CS or SS the handler needs a stack of its own: enter by a task gate back to the first task.
        m.put(IDT + u64::from(vector) * 8, gate(sel::TSS, 0, 0x85, 0));
        m.put(TSS_B + field, u32::from(selector));
        let after_switch = (m.cpu.regs[gpr::RBX], CODE + 7);
        m.run(&transfer(JUMP, sel::TSS_B), 1);
        assert_eq!((m.cpu.state.tr.selector, m.cpu.rip), (sel::TSS, after_switch.1), "field {field:#x}");
        assert_eq!(m.stacked(4, 1)[0], code, "field {field:#x}");
        assert_eq!((m.get(TSS, 2), m.get(TSS_B + 0x20, 4)), (u64::from(sel::TSS_B), NEW_RIP), "field {field:#x}");
    }
}

#[test]
fn sixteen_bit_task_and_trap_bit() {
    let mut m = two_tasks();
    m.put(GDT + u64::from(sel::TSS_B), descriptor(TSS_B, 0x2b, 0x81));
    m.put(TSS_B + 0x0e, 0x7000_u16);
    m.put(TSS_B + 0x10, 2_u16);
    m.put(TSS_B + 0x1a, 0x9000_u16);
    for (i, s) in [sel::DATA0, sel::CODE0, sel::DATA0, sel::DATA0].into_iter().enumerate() {
        m.put(TSS_B + 0x22 + i as u64 * 2, s);
    }
    m.put(TSS_B + 0x2a, 0_u16);
    m.run(&transfer(JUMP, sel::TSS_B), 1);
    assert_eq!((m.cpu.rip, m.cpu.regs[gpr::RSP], m.cpu.state.tr.kind()), (0x7000, 0x9000, 3));
    let mut m = two_tasks();
    m.put(TSS_B + 0x64, 1_u16);
    m.run(&transfer(JUMP, sel::TSS_B), 1);
    assert_eq!((vector_at(m.cpu.rip), m.stacked(4, 1)[0]), (Some(1), NEW_RIP));
    assert_eq!(m.cpu.state.dr[6] & 0xf00f, 0x8000);
}

#[test]
fn switch_to_a_v86_task_loads_paragraphs() {
    let mut m = two_tasks();
    m.put(TSS_B + 0x20, 0x100_u32);
    m.put(TSS_B + 0x24, (bit::FIXED | bit::VM) as u32);
    m.put(TSS_B + 0x4c, 0x2000_u32);
    m.run(&transfer(JUMP, sel::TSS_B), 1);
    assert!(m.cpu.is_v86());
    assert_eq!((m.cpu.state.cpl, m.cpu.rip, m.cpu.state.seg[seg::CS].base), (3, 0x100, 0x2_0000));
}
