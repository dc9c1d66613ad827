//! A refused instruction leaves every register as it was, one row an instruction.

use super::*;
use crate::cpu::exec;
use crate::cpu::fault::Pending;
use crate::cpu::op::Op;
use crate::cpu::system::select;
use iced_x86::{Decoder, DecoderOptions};

/// A fixed stream of numbers.
struct Numbers(u64);
impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }
    /// One of the first `n` selectors, with any RPL.
    fn selector(&mut self, n: u64) -> u64 {
        self.below(n) * 8 + self.below(4)
    }
}

/// Instructions without a memory operand, with room for a selector where they have one.
const CODES: [&[u8]; 19] = [
    &[0xcf],                      // iret
    &[0x66, 0xcf],                // iretw
    &[0xcb],                      // retf
    &[0xca, 4, 0],                // retf 4
    &[0xcd, 40],                  // int 40
    &[0xcc],                      // int3
    &[0xea, 0, 0, 7, 0, 0x68, 0], // jmp far to the call gate
    &[0x9a, 0, 0, 7, 0, 0x68, 0], // call far to the call gate
    &[0x9a, 0, 0, 7, 0, 0x70, 0], // call far to the second task
    &[0xea, 0, 0, 7, 0, 0x08, 0], // jmp far to code
    &[0x8e, 0xd8],                // mov ds, ax
    &[0x8e, 0xd0],                // mov ss, ax
    &[0x07],                      // pop es
    &[0x17],                      // pop ss
    &[0x0f, 0x00, 0xd8],          // ltr ax
    &[0x0f, 0x00, 0xd0],          // lldt ax
    &[0x9d],                      // popf
    &[0x0f, 0x22, 0xc0],          // mov cr0, eax
    &[0x0f, 0x22, 0xe0],          // mov cr4, eax
];

fn op(len: usize) -> Op {
    Op {
        handler: exec::fall_through,
        imm: 0,
        disp: 0,
        dst: 0,
        src: 0,
        base: 0,
        index: 0,
        scale: 0,
        seg: 0,
        offset: 0,
        len: len as u8,
        rest: 1,
        address_bytes: 4,
        instruction: 0,
        aux: 0,
    }
}

/// Descriptors, stacks and selectors go wrong in random ways; a refused instruction must change no register.
#[test]
fn a_refused_instruction_leaves_every_register_as_it_was() {
    let mut n = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut done) = (0, 0);
    let mut m = Machine::protected();
    let fresh = (m.cpu.state.clone(), m.cpu.rflags());
    for round in 0..40_000 {
        m.cpu.state = fresh.0.clone();
        m.cpu.set_rflags(n.next() & 0x5dd5);
        m.common_tables();
        m.put(
            GDT + 0x68,
            gate([8, 0x18, 0x50, 0x10][n.below(4) as usize], 0x7_0000, 0x8c | (n.next() as u8 & 0x60), 3),
        );
        m.put(IDT + 40 * 8, gate([8, 0x18, 0x50, 0x70][n.below(4) as usize], 0x7_0000, 0x80 | n.next() as u8, 0));
        m.set_level(if n.below(2) == 0 { 0 } else { 3 });
        for _ in 0..n.below(3) {
            // One byte of access rights or of a limit.
            let at = GDT + 8 + n.below(18) * 8 + [1, 5, 5, 6][n.below(4) as usize];
            m.bytes(at, &[n.next() as u8]);
        }
        for i in 0..6 {
            let value = if n.below(3) == 0 { n.next() } else { n.selector(20) };
            m.put(STACK + i * 4, value as u32);
        }
        m.put(TSS + 8, n.selector(20) as u32);
        m.cpu.regs[gpr::RAX] = n.selector(24) | if n.below(4) == 0 { n.next() & 0xffff_ffff } else { 0 };

        let code = CODES[n.below(CODES.len() as u64) as usize];
        let insn = Decoder::new(32, code, DecoderOptions::NONE).decode();
        let run = select(&insn).expect("a system instruction");
        m.cpu.rip = CODE + code.len() as u64;
        let before = (m.cpu.regs, m.cpu.rip, m.cpu.rflags(), m.cpu.state.clone());
        match run(&mut m.cpu, &op(code.len()), &insn) {
            Ok(()) => done += 1,
            // A double fault of the new task ends the machine: there is nothing to go back to.
            Err(_) if m.cpu.state.tr.selector != before.3.tr.selector => {}
            Err(_) => {
                assert!(matches!(m.cpu.pending, Pending::Fault(_)), "round {round}: {code:x?}");
                m.cpu.pending = Pending::Nothing;
                let after = (m.cpu.regs, m.cpu.rip, m.cpu.rflags(), m.cpu.state.clone());
                assert_eq!(after, before, "round {round}: {code:x?}");
                refused += 1;
            }
        }
        // The bus is not there outside of a run, and paging may have been switched on.
        m.cpu.state.cr0 &= !cr::CR0_PG;
        m.cpu.flush_translations();
    }
    assert!(refused > 5_000 && done > 5_000, "{refused} refused, {done} done");
}
