//! Gives an instruction the register and memory values that its kind needs to do something interesting.
//!
//! Without this almost every division would fault, every string instruction would run off the page, and control words
//! from memory would be illegal. Values that an address depends on are left alone.

use iced_x86::{Instruction, MemorySize, Mnemonic as M, OpKind, Register};

use super::super::case::{FLAGS, FxImage, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, State};
use super::draft::Draft;
use super::values;

/// The value of a register as an address calculation sees it.
pub fn register_value(state: &State, register: Register) -> u64 {
    if !register.is_gpr() {
        return 0;
    }
    let full = state.gpr[register.full_register().number()];
    match register.size() {
        1 if (Register::AH..=Register::BH).contains(&register) => (full >> 8) & 0xFF,
        1 => full & 0xFF,
        2 => full & 0xFFFF,
        4 => full & 0xFFFF_FFFF,
        _ => full,
    }
}

/// The address of a memory operand under the registers of `state`.
pub fn operand_address(instruction: &Instruction, operand: u32, state: &State) -> Option<u64> {
    instruction.virtual_address(operand, 0, |register, _, _| Some(register_value(state, register)))
}

/// Prepares registers and memory; `target` is where an indirect branch should go.
pub fn prepare(instruction: &mut Instruction, draft: &mut Draft, target: u64) {
    if instruction.is_string_instruction() {
        string_pointers(instruction, draft);
    }
    if instruction.is_stack_instruction() || matches!(instruction.mnemonic(), M::Enter | M::Leave) {
        let top = draft.roomy_address();
        draft.pin(RSP, top);
    }
    match instruction.mnemonic() {
        M::Div | M::Idiv => dividend(instruction, draft),
        M::Shl | M::Shr | M::Sar | M::Rol | M::Ror | M::Rcl | M::Rcr => count_in_cl(draft, 70),
        M::Shld | M::Shrd => double_shift_count(instruction, draft),
        M::Bt | M::Bts | M::Btr | M::Btc => bit_offset(instruction, draft),
        M::Cmpxchg => equal_accumulator(instruction, draft),
        M::Cmpxchg8b | M::Cmpxchg16b => equal_pair(instruction, draft),
        M::Xlatb => {
            let table = draft.roomy_address() | unused_upper(instruction, draft);
            draft.pin(RBX, table);
        }
        M::Maskmovq | M::Maskmovdqu => string_pointers(instruction, draft),
        M::Enter => enter_operands(instruction, draft),
        M::Leave => {
            let frame = draft.roomy_address();
            draft.pin(RBP, frame);
        }
        M::Popf | M::Popfq => flags_on_stack(draft),
        M::Ret => stack_word(draft, target),
        M::Jmp | M::Call => indirect_target(instruction, draft, target),
        M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz => small_rcx(draft),
        M::Ldmxcsr => control_from_memory(instruction, draft, Control::Mxcsr),
        M::Fldcw => control_from_memory(instruction, draft, Control::Fcw),
        M::Fldenv | M::Frstor => control_from_memory(instruction, draft, Control::Environment),
        M::Fxrstor | M::Fxrstor64 => control_from_memory(instruction, draft, Control::Fxsave),
        _ => {}
    }
}

/// With 32-bit addresses the upper halves of the registers do not count, so they are filled.
fn unused_upper(instruction: &Instruction, draft: &mut Draft) -> u64 {
    let is_short_kind = |kind| matches!(kind, OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI);
    let is_short = (0..instruction.op_count()).any(|n| is_short_kind(instruction.op_kind(n)))
        || instruction.memory_base() == Register::EBX;
    if is_short { draft.random.next() << 32 } else { 0 }
}

fn string_pointers(instruction: &Instruction, draft: &mut Draft) {
    let upper = unused_upper(instruction, draft);
    let (source, destination) = (draft.roomy_address(), draft.roomy_address());
    let near = draft.random.chance(15);
    // Overlapping ranges show the order of the element copies.
    let destination = if near { source.wrapping_add(draft.random.below(17)).wrapping_sub(8) } else { destination };
    draft.pin(RSI, source | upper);
    draft.pin(RDI, destination | upper);
    let count = if draft.random.chance(90) { draft.random.below(12) } else { draft.random.below(0x3000) };
    draft.pin(RCX, count | upper);
}

fn dividend(instruction: &Instruction, draft: &mut Draft) {
    let width = match instruction.op0_kind() {
        OpKind::Register => instruction.op0_register().size(),
        _ => instruction.memory_size().size(),
    };
    if draft.random.chance(25) || draft.is_pinned(RAX) || draft.is_pinned(RDX) {
        return;
    }
    let signed = instruction.mnemonic() == M::Idiv;
    let low = values::integer(&mut draft.random);
    let spread = |value: u64, bits: u32| {
        if signed { (((value << (64 - bits)) as i64) >> 63) as u64 } else { 0 }
    };
    if width == 1 {
        let upper = spread(low, 8) & 0xFF;
        draft.state.gpr[RAX] = (draft.random.next() << 16) | (upper << 8) | (low & 0xFF);
    } else {
        draft.state.gpr[RAX] = low;
        // Sometimes a little more than fits in the low half, so that quotients use all bits.
        let extra = if draft.random.chance(30) { draft.random.below(4) } else { 0 };
        draft.state.gpr[RDX] = spread(low, width as u32 * 8) ^ extra;
    }
}

fn count_in_cl(draft: &mut Draft, bound: u64) {
    if !draft.is_pinned(RCX) {
        let count = if draft.random.chance(30) { draft.random.below(3) } else { draft.random.below(bound) };
        draft.state.gpr[RCX] = (draft.state.gpr[RCX] & !0xFF) | count;
    }
}

/// A 16-bit double shift by more than 16 has an undefined result, and vendors differ.
fn double_shift_count(instruction: &mut Instruction, draft: &mut Draft) {
    let is_word = instruction.op1_register().size() == 2;
    let bound = if is_word { 17 } else { 70 };
    if instruction.op2_kind() == OpKind::Immediate8 {
        instruction.set_immediate8(draft.random.below(bound) as u8);
    } else if is_word {
        let count = draft.random.below(bound);
        let fits = |value: u64| value & 31 <= 16;
        if !draft.is_pinned(RCX) {
            draft.state.gpr[RCX] = (draft.state.gpr[RCX] & !0xFF) | count;
        } else if !fits(draft.state.gpr[RCX]) {
            // CL is part of an address: take the whole instruction to the immediate-free harmless count instead.
            draft.state.gpr[RCX] &= !31;
        }
    } else {
        count_in_cl(draft, bound);
    }
}

fn bit_offset(instruction: &Instruction, draft: &mut Draft) {
    if instruction.op0_kind() == OpKind::Memory && instruction.op1_kind() == OpKind::Register {
        let register = instruction.op1_register().full_register().number();
        let offset = draft.random.below(2048).wrapping_sub(1024);
        draft.pin(register, offset);
    }
}

fn equal_accumulator(instruction: &Instruction, draft: &mut Draft) {
    if draft.random.chance(50) || draft.is_pinned(RAX) {
        return;
    }
    let value = draft.state.gpr[RAX];
    if instruction.op0_kind() == OpKind::Register {
        let register = instruction.op0_register();
        if !(Register::AH..=Register::BH).contains(&register) {
            draft.pin(register.full_register().number(), value);
        }
    } else if let Some(address) = operand_address(instruction, 0, &draft.state) {
        let size = instruction.memory_size().size();
        draft.patch(address, &value.to_le_bytes()[..size.min(8)]);
    }
}

fn equal_pair(instruction: &Instruction, draft: &mut Draft) {
    if draft.random.chance(50) {
        return;
    }
    if let Some(address) = operand_address(instruction, 0, &draft.state) {
        let half = instruction.memory_size().size() / 2;
        let (low, high) = (draft.state.gpr[RAX].to_le_bytes(), draft.state.gpr[RDX].to_le_bytes());
        let bytes = [&low[..half], &high[..half]].concat();
        draft.patch(address, &bytes);
    }
}

fn enter_operands(instruction: &mut Instruction, draft: &mut Draft) {
    let frame = draft.roomy_address();
    draft.pin(RBP, frame);
    let size = draft.random.below(64) as u16;
    instruction.set_immediate16(size);
    let level = if draft.random.chance(60) { 0 } else { draft.random.below(5) as u8 };
    instruction.set_immediate8_2nd(level);
}

/// POPF may change the flags of a case, but not TF (single step) or AC (alignment checks in the harness).
fn flags_on_stack(draft: &mut Draft) {
    let flags = (draft.random.next() & FLAGS) | 0x202;
    stack_word(draft, flags);
}

fn stack_word(draft: &mut Draft, value: u64) {
    let top = draft.state.gpr[RSP];
    draft.patch(top, &value.to_le_bytes());
}

fn indirect_target(instruction: &Instruction, draft: &mut Draft, target: u64) {
    match instruction.op0_kind() {
        OpKind::Register => {
            // Also when pinned: a register branch has no memory operand, and a stack pointer makes a no-execute target.
            draft.pin(instruction.op0_register().number(), target);
        }
        OpKind::Memory => {
            if let Some(address) = operand_address(instruction, 0, &draft.state) {
                draft.patch(address, &target.to_le_bytes());
            }
        }
        _ => {}
    }
}

fn small_rcx(draft: &mut Draft) {
    if draft.random.chance(60) {
        let count = draft.random.below(3);
        let upper = if draft.random.chance(30) { draft.random.next() << 32 } else { 0 };
        draft.pin(RCX, count | upper);
    }
}

enum Control {
    Mxcsr,
    Fcw,
    Environment,
    Fxsave,
}

/// A legal image for instructions that load control state; 1 in 20 MXCSR values has a reserved bit (above bit 17, which
/// AMD implements).
fn control_from_memory(instruction: &Instruction, draft: &mut Draft, control: Control) {
    let Some(address) = operand_address(instruction, 0, &draft.state) else {
        return;
    };
    let mut mxcsr = values::mxcsr(&mut draft.random);
    if draft.random.chance(5) {
        mxcsr |= 1 << (18 + draft.random.below(14));
    }
    let fcw = values::fcw(&mut draft.random);
    let fsw = values::fsw(&mut draft.random, fcw);
    match control {
        Control::Mxcsr => draft.patch(address, &mxcsr.to_le_bytes()),
        Control::Fcw => draft.patch(address, &fcw.to_le_bytes()),
        Control::Environment => {
            let is_short = matches!(instruction.memory_size(), MemorySize::FpuEnv14 | MemorySize::FpuState94);
            let step = if is_short { 2 } else { 4 };
            let tags = draft.random.next() as u16;
            for (n, word) in [fcw, fsw, tags].into_iter().enumerate() {
                draft.patch(address + n as u64 * step, &word.to_le_bytes());
            }
        }
        Control::Fxsave => {
            let mut fx = FxImage::initial();
            for i in 0..8 {
                fx.set_st(i, values::f80(&mut draft.random));
                fx.set_xmm(2 * i, values::xmm(&mut draft.random));
            }
            fx.set_fcw(fcw);
            fx.set_fsw(fsw);
            fx.set_ftw(values::ftw(&mut draft.random));
            fx.set_mxcsr(mxcsr);
            draft.patch(address, &fx.0);
        }
    }
}
