//! The fixed pieces of generated code: the way in, the way out, and calls of the interpreter's handlers.
//!
//! Inside, RSP is a multiple of 16 and nothing of a block is on the stack but, in a helper call, its return address.

use super::asm::{Asm, Rm, cc, reg};
use super::calls;
use super::layout::{
    A, B, BIAS, BUDGET, BUDGET_FIELD, CODE_PAGE, DEFAULT_MXCSR, JUMPS, KEY, LINK, LOADED, MXCSR, RIP, mapped, slot,
};
use super::memory::CodeMemory;
use crate::cpu::Cpu;
use crate::cpu::block::{JUMPS as JUMP_SLOTS, Jump};
use std::mem::offset_of;

/// What the caller-saved registers of the host's calling convention leave to us to keep.
const SAVED: [u8; 6] = [reg::RBP, reg::RBX, reg::R12, reg::R13, reg::R14, reg::R15];

/// Addresses of the fixed pieces.
#[derive(Clone, Copy, Debug)]
pub struct Thunks {
    /// `extern "sysv64" fn(&mut Cpu, code address)`: runs code until it leaves.
    pub enter: usize,
    /// `extern "sysv64" fn()`: a serializing instruction, between changing code and running it.
    pub serialize: usize,
    /// Loads the guest's MXCSR and returns with ZF, if it masks all exceptions. Changes A.
    pub load_mxcsr: usize,
    /// Out at the address in A, which the jump cache does not know.
    pub miss: usize,
    /// The code of a block that has none: out at the address that the jump cache entry in B is for.
    pub uncompiled: usize,
    /// Out through link number A.
    pub unlinked: usize,
    /// Out at the start of a block that does not fit the budget; A is its length << 16 | its offset in its page.
    pub unpaid: usize,
    /// Calls the handler of op B of the block with header A, which neither reads nor writes flags, and returns.
    pub call: usize,
    /// The same for any handler.
    pub call_flags: usize,
    /// The same for the last op of a block, and goes on with what follows.
    pub call_last: usize,
}

impl Thunks {
    /// Makes them.
    pub fn new(memory: &mut CodeMemory) -> Thunks {
        let mut a = Asm::new(memory.next());
        let enter = enter(&mut a);
        let serialize = serialize(&mut a);
        let exit = a.here();
        spill(&mut a);
        let spilled = a.here();
        epilogue(&mut a);
        let miss = miss(&mut a, spilled);
        let uncompiled = a.here();
        a.load(8, A, Rm::M(B, offset_of!(Jump, rip) as i32));
        a.store(8, RIP, A);
        a.jmp(exit);
        let unlinked = a.here();
        a.store(8, LINK, A);
        a.jmp(exit);
        let unpaid = unpaid(&mut a, exit);
        let load_mxcsr = load_mxcsr(&mut a);
        let call = call(&mut a, calls::plain as *const () as usize, spilled);
        let call_flags = self::call(&mut a, calls::with_flags as *const () as usize, spilled);
        let call_last = call_last(&mut a, spilled);
        memory.append(&a.bytes);
        Thunks { enter, serialize, load_mxcsr, miss, uncompiled, unlinked, unpaid, call, call_flags, call_last }
    }
}

fn enter(a: &mut Asm) -> usize {
    let at = a.here();
    for r in SAVED {
        push(a, r);
    }
    // Six registers and the return address: one more word makes RSP a multiple of 16.
    a.alu_imm(5, 8, Rm::R(reg::RSP), 8);
    a.lea(reg::RBP, Rm::M(reg::RDI, BIAS));
    a.store(8, Rm::R(A), reg::RSI);
    fill(a);
    jump_to(a, A);
    at
}
fn epilogue(a: &mut Asm) {
    a.alu_imm(0, 8, Rm::R(reg::RSP), 8);
    for r in SAVED.into_iter().rev() {
        pop(a, r);
    }
    a.byte(0xc3);
}
/// IRETQ to the instruction behind it.
fn serialize(a: &mut Asm) -> usize {
    let at = a.here();
    a.store(8, Rm::R(reg::RAX), reg::RSP);
    a.bytes.extend_from_slice(&[0x8c, 0xd2]); // mov edx, ss
    push(a, reg::RDX);
    push(a, reg::RAX);
    a.byte(0x9c); // pushfq
    a.bytes.extend_from_slice(&[0x8c, 0xca]); // mov edx, cs
    push(a, reg::RDX);
    a.bytes.extend_from_slice(&[0x48, 0x8d, 0x05, 3, 0, 0, 0]); // lea rax, [rip + 3]
    push(a, reg::RAX);
    a.bytes.extend_from_slice(&[0x48, 0xcf]); // iretq
    a.byte(0xc3);
    at
}
fn unpaid(a: &mut Asm, exit: usize) -> usize {
    let at = a.here();
    a.load(4, B, Rm::R(A));
    a.shift(5, 4, Rm::R(B), 16);
    a.alu(0, 8, BUDGET, Rm::R(B));
    a.load_zero(2, A, Rm::R(A));
    a.alu(0, 8, A, CODE_PAGE);
    a.store(8, RIP, A);
    a.jmp(exit);
    at
}
fn load_mxcsr(a: &mut Asm) -> usize {
    const ALL_MASKED: i64 = 0x1f80;
    let at = a.here();
    a.load(4, A, MXCSR);
    a.alu_imm(4, 4, Rm::R(A), ALL_MASKED);
    a.alu_imm(7, 4, Rm::R(A), ALL_MASKED);
    let unmasked = a.jcc_ahead(cc::NE);
    a.op(0, 4, &[0x0f, 0xae], 2, MXCSR); // ldmxcsr
    a.op(0, 1, &[0xc6], 0, LOADED);
    a.imm(1, 1);
    a.place(unmasked);
    a.byte(0xc3);
    at
}
fn call(a: &mut Asm, helper: usize, spilled: usize) -> usize {
    let at = a.here();
    spill(a);
    pass(a);
    a.alu_imm(5, 8, Rm::R(reg::RSP), 8);
    far_call(a, helper);
    a.alu_imm(0, 8, Rm::R(reg::RSP), 8);
    a.op(0, 4, &[0x85], A, Rm::R(A));
    let left = a.jcc_ahead(cc::E);
    fill(a);
    a.byte(0xc3);
    a.place(left);
    a.alu_imm(0, 8, Rm::R(reg::RSP), 8);
    a.jmp(spilled);
    at
}
/// Entered by a jump, as nothing returns.
fn call_last(a: &mut Asm, spilled: usize) -> usize {
    let at = a.here();
    spill(a);
    pass(a);
    far_call(a, calls::last as *const () as usize);
    go_or_leave(a, spilled);
    at
}
/// Goes on with the code that a helper returned, if any.
fn go_or_leave(a: &mut Asm, spilled: usize) {
    a.op(0, 8, &[0x85], A, Rm::R(A));
    let left = a.jcc_ahead(cc::E);
    fill(a);
    jump_to(a, A);
    a.place(left);
    a.jmp(spilled);
}
fn miss(a: &mut Asm, spilled: usize) -> usize {
    let at = a.here();
    spill(a);
    a.lea(reg::RDI, Rm::M(reg::RBP, -BIAS));
    a.store(8, Rm::R(reg::RSI), A);
    far_call(a, calls::missed as *const () as usize);
    go_or_leave(a, spilled);
    at
}
/// Arguments of a helper: `Cpu`, the header (in A), the op's number (in B).
fn pass(a: &mut Asm) {
    a.lea(reg::RDI, Rm::M(reg::RBP, -BIAS));
    a.store(8, Rm::R(reg::RSI), A);
    a.store(4, Rm::R(reg::RDX), B);
}
fn far_call(a: &mut Asm, to: usize) {
    a.constant(A, to as u64);
    a.op(0, 4, &[0xff], 2, Rm::R(A));
}
/// Guest registers and budget from host registers to `Cpu`, MXCSR too if it is the guest's. Changes host flags.
fn spill(a: &mut Asm) {
    for (number, host) in mapped() {
        a.store(8, slot(number), host);
    }
    a.store(8, BUDGET_FIELD, BUDGET);
    a.alu_imm(7, 1, LOADED, 0);
    let is_own = a.jcc_ahead(cc::E);
    a.op(0, 4, &[0x0f, 0xae], 3, MXCSR); // stmxcsr
    a.op(0, 4, &[0x0f, 0xae], 2, DEFAULT_MXCSR); // ldmxcsr
    a.op(0, 1, &[0xc6], 0, LOADED);
    a.imm(1, 0);
    a.place(is_own);
}
/// The other way.
fn fill(a: &mut Asm) {
    for (number, host) in mapped() {
        a.load(8, host, slot(number));
    }
    a.load(8, BUDGET, BUDGET_FIELD);
}
fn push(a: &mut Asm, r: u8) {
    if r >= 8 {
        a.byte(0x41);
    }
    a.byte(0x50 | r & 7);
}
fn pop(a: &mut Asm, r: u8) {
    if r >= 8 {
        a.byte(0x41);
    }
    a.byte(0x58 | r & 7);
}
fn jump_to(a: &mut Asm, r: u8) {
    a.op(0, 4, &[0xff], 4, Rm::R(r));
}

/// Goes to the guest address in A through the jump cache. Status flags have to be saved.
///
/// `before` makes what has to happen once it is sure that there is an entry.
pub fn dispatch(a: &mut Asm, miss: usize, before: impl FnOnce(&mut Asm)) {
    const _: () = assert!(size_of::<Jump>() == 64 && JUMP_SLOTS.is_power_of_two());
    let entry = |offset: usize| Rm::M(B, offset as i32);
    a.store(8, Rm::R(B), A);
    a.shift(5, 8, Rm::R(B), 12);
    a.alu(6, 4, B, Rm::R(A));
    a.alu_imm(4, 4, Rm::R(B), JUMP_SLOTS as i64 - 1);
    a.shift(4, 4, Rm::R(B), 6);
    a.alu(0, 8, B, JUMPS);
    a.alu(7, 8, A, entry(offset_of!(Jump, rip)));
    let other = a.jcc_ahead(cc::NE);
    a.send(other, miss);
    a.load(8, A, KEY);
    a.alu(7, 8, A, entry(offset_of!(Jump, key)));
    a.load(8, A, entry(offset_of!(Jump, rip)));
    let stale = a.jcc_ahead(cc::NE);
    a.send(stale, miss);
    before(a);
    a.alu_imm(4, 8, Rm::R(A), -4096);
    a.store(8, CODE_PAGE, A);
    a.op(0, 4, &[0xff], 4, entry(offset_of!(Jump, code)));
}

/// What templates use most is in reach of short displacements.
const _: () = assert!(offset_of!(Cpu, live) + offset_of!(super::Live, uncompiled) <= 256);
