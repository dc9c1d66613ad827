//! Fills the operands of an instruction form: random registers, immediates and addresses that fit the draft's registers.

use iced_x86::{Code, Instruction, MemorySize, OpCodeInfo, OpCodeOperandKind as K, OpKind, Register};

use super::draft::Draft;
use super::values;

/// An instruction of the form with random operands; `None` when the form has an operand kind that is not generated.
pub fn fill(code: Code, draft: &mut Draft, branch_target: u64) -> Option<Instruction> {
    let op_code = code.op_code();
    let mut instruction = Instruction::default();
    instruction.set_code(code);
    let mut has_immediate = false;
    for operand in 0..op_code.op_count() {
        let kind = op_code.op_kind(operand);
        if let Some(register) = register_for(kind, draft) {
            instruction.set_op_kind(operand, OpKind::Register);
            instruction.set_op_register(operand, register);
        } else if is_immediate(kind) {
            set_immediate(&mut instruction, operand, kind, has_immediate, draft);
            has_immediate = true;
        } else if matches!(kind, K::br64_1 | K::br64_4) {
            instruction.set_op_kind(operand, OpKind::NearBranch64);
            instruction.set_near_branch64(branch_target);
        } else if !set_memory(&mut instruction, operand, kind, op_code, draft) {
            return None;
        }
    }
    add_prefixes(&mut instruction, op_code, draft);
    Some(instruction)
}

fn gpr(width: u32, draft: &mut Draft) -> Register {
    // 20 byte registers: AL..BH without REX, SPL..R15L.
    let count = if width == 8 { 20 } else { 16 };
    let first = match width {
        8 => Register::AL,
        16 => Register::AX,
        32 => Register::EAX,
        _ => Register::RAX,
    };
    loop {
        let register = first + draft.random.below(count) as u32;
        // In a block the address registers stay out of the way, so that later accesses still hit.
        let number = register.full_register().number();
        if draft.counter == Some(number) {
            continue;
        }
        if !draft.pointers.contains(&number) || draft.random.chance(5) {
            return register;
        }
    }
}

fn register_for(kind: K, draft: &mut Draft) -> Option<Register> {
    let is_memory_form =
        matches!(kind, K::r8_or_mem | K::r16_or_mem | K::r32_or_mem | K::r64_or_mem | K::mm_or_mem | K::xmm_or_mem);
    if is_memory_form && draft.random.chance(55) {
        return None;
    }
    let numbered = |first: Register, count: u64, draft: &mut Draft| first + draft.random.below(count) as u32;
    Some(match kind {
        K::r8_or_mem | K::r8_reg | K::r8_opcode => gpr(8, draft),
        K::r16_or_mem | K::r16_reg | K::r16_reg_mem | K::r16_rm | K::r16_opcode => gpr(16, draft),
        K::r32_or_mem | K::r32_reg | K::r32_reg_mem | K::r32_rm | K::r32_opcode => gpr(32, draft),
        K::r64_or_mem | K::r64_reg | K::r64_reg_mem | K::r64_rm | K::r64_opcode => gpr(64, draft),
        K::mm_or_mem | K::mm_reg | K::mm_rm => numbered(Register::MM0, 8, draft),
        K::xmm_or_mem | K::xmm_reg | K::xmm_rm => numbered(Register::XMM0, 16, draft),
        K::sti_opcode => numbered(Register::ST0, 8, draft),
        K::st0 => Register::ST0,
        K::al => Register::AL,
        K::cl => Register::CL,
        K::ax => Register::AX,
        K::dx => Register::DX,
        K::eax => Register::EAX,
        K::rax => Register::RAX,
        _ => return None,
    })
}

fn is_immediate(kind: K) -> bool {
    matches!(
        kind,
        K::imm8
            | K::imm8_const_1
            | K::imm8sex16
            | K::imm8sex32
            | K::imm8sex64
            | K::imm16
            | K::imm32
            | K::imm32sex64
            | K::imm64
    )
}

fn set_immediate(instruction: &mut Instruction, operand: u32, kind: K, is_second: bool, draft: &mut Draft) {
    let value = values::integer(&mut draft.random);
    let op_kind = match kind {
        K::imm8 | K::imm8_const_1 if is_second => OpKind::Immediate8_2nd,
        K::imm8 | K::imm8_const_1 => OpKind::Immediate8,
        K::imm8sex16 => OpKind::Immediate8to16,
        K::imm8sex32 => OpKind::Immediate8to32,
        K::imm8sex64 => OpKind::Immediate8to64,
        K::imm16 => OpKind::Immediate16,
        K::imm32 => OpKind::Immediate32,
        K::imm32sex64 => OpKind::Immediate32to64,
        _ => OpKind::Immediate64,
    };
    instruction.set_op_kind(operand, op_kind);
    match kind {
        K::imm8_const_1 => instruction.set_immediate8(1),
        K::imm8 if is_second => instruction.set_immediate8_2nd(value as u8),
        K::imm8 => instruction.set_immediate8(value as u8),
        K::imm8sex16 => instruction.set_immediate8to16(i16::from(value as i8)),
        K::imm8sex32 => instruction.set_immediate8to32(i32::from(value as i8)),
        K::imm8sex64 => instruction.set_immediate8to64(i64::from(value as i8)),
        K::imm16 => instruction.set_immediate16(value as u16),
        K::imm32 => instruction.set_immediate32(value as u32),
        K::imm32sex64 => instruction.set_immediate32to64(i64::from(value as i32)),
        _ => instruction.set_immediate64(value),
    }
}

fn add_prefixes(instruction: &mut Instruction, op_code: &OpCodeInfo, draft: &mut Draft) {
    let writes_memory = instruction.op_count() > 0 && instruction.op0_kind() == OpKind::Memory;
    if op_code.can_use_lock_prefix() && writes_memory && draft.random.chance(15) {
        instruction.set_has_lock_prefix(true);
    }
    // Ignored in 64-bit mode, but for what it does to the kind of a fault.
    let has_memory = (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory);
    if has_memory && draft.random.chance(6) {
        let segments = [Register::ES, Register::CS, Register::SS, Register::DS];
        instruction.set_segment_prefix(draft.random.pick(&segments));
    }
    if instruction.is_string_instruction() {
        if op_code.can_use_repne_prefix() && draft.random.chance(30) {
            instruction.set_has_repne_prefix(true);
        } else if op_code.can_use_rep_prefix() && draft.random.chance(60) {
            instruction.set_has_rep_prefix(true);
        }
    }
}

/// The memory size of the operand in bytes; the form decides, so it is known before the address.
fn operand_size(instruction: &mut Instruction, operand: u32) -> u64 {
    instruction.set_op_kind(operand, OpKind::Memory);
    match instruction.memory_size() {
        MemorySize::Unknown => 64,
        size => size.size().max(1) as u64,
    }
}

fn set_memory(instruction: &mut Instruction, operand: u32, kind: K, op_code: &OpCodeInfo, draft: &mut Draft) -> bool {
    let is_short = op_code.address_size() == 32 || (op_code.address_size() == 0 && draft.random.chance(12));
    let implicit = match (kind, is_short) {
        (K::seg_rSI, false) => OpKind::MemorySegRSI,
        (K::seg_rSI, true) => OpKind::MemorySegESI,
        (K::es_rDI, false) => OpKind::MemoryESRDI,
        (K::es_rDI, true) => OpKind::MemoryESEDI,
        (K::seg_rDI, false) => OpKind::MemorySegRDI,
        (K::seg_rDI, true) => OpKind::MemorySegEDI,
        (K::seg_rBX_al, _) => {
            instruction.set_op_kind(operand, OpKind::Memory);
            instruction.set_memory_base(if is_short { Register::EBX } else { Register::RBX });
            instruction.set_memory_index(Register::AL);
            return true;
        }
        (K::mem_offs, _) => {
            let size = operand_size(instruction, operand);
            set_absolute(instruction, draft.data_address(size), is_short);
            return true;
        }
        (K::mem | K::r8_or_mem | K::r16_or_mem | K::r32_or_mem | K::r64_or_mem | K::mm_or_mem | K::xmm_or_mem, _) => {
            let size = operand_size(instruction, operand);
            let address = draft.data_address(size);
            set_address(instruction, address, is_short, draft);
            put_operand(instruction.memory_size(), address, draft);
            return true;
        }
        _ => return false,
    };
    // Both string operands have to agree on the address size.
    let other = if operand > 0 { instruction.op0_kind() } else { implicit };
    let agreed = match (implicit, other) {
        (OpKind::MemoryESRDI, OpKind::MemorySegESI) => OpKind::MemoryESEDI,
        (OpKind::MemoryESEDI, OpKind::MemorySegRSI) => OpKind::MemoryESRDI,
        (OpKind::MemorySegRSI, OpKind::MemoryESEDI) => OpKind::MemorySegESI,
        (OpKind::MemorySegESI, OpKind::MemoryESRDI) => OpKind::MemorySegRSI,
        (own, _) => own,
    };
    instruction.set_op_kind(operand, agreed);
    true
}

fn set_absolute(instruction: &mut Instruction, address: u64, is_short: bool) {
    instruction.set_memory_displ_size(if is_short { 4 } else { 8 });
    instruction.set_memory_displacement64(address & 0x7FFF_FFFF);
}

/// Writes `address` as base + index * scale + displacement, RIP-relative, or absolute, and pins the registers used.
fn set_address(instruction: &mut Instruction, address: u64, is_short: bool, draft: &mut Draft) {
    if draft.random.chance(15) {
        return set_absolute(instruction, address, is_short);
    }
    if draft.random.chance(15) {
        instruction.set_memory_base(if is_short { Register::EIP } else { Register::RIP });
        instruction.set_memory_displ_size(if is_short { 4 } else { 8 });
        return instruction.set_memory_displacement64(address);
    }
    let first = if is_short { Register::EAX } else { Register::RAX };
    let mut rest = address;
    if draft.random.chance(40) {
        let index = draft.random.below(16) as usize;
        if index != 4 {
            let value = match draft.random.below(3) {
                0 => draft.random.below(64),
                _ => values::integer(&mut draft.random),
            };
            if draft.pointers.is_empty() {
                draft.pin(index, value);
            }
            let scale = 1 << draft.random.below(4);
            // In a block the register may have changed by now; single instructions see the initial value.
            rest = rest.wrapping_sub(draft.state.gpr[index].wrapping_mul(u64::from(scale)));
            instruction.set_memory_index(first + index as u32);
            instruction.set_memory_index_scale(scale);
        }
    }
    let (displacement, size) = match draft.random.below(3) {
        0 => (0, 0),
        1 => (draft.random.next() as i8 as i64, 1),
        _ => (i64::from(draft.random.next() as i32), 8),
    };
    let free = free_register(draft);
    let value = rest.wrapping_sub(displacement as u64);
    let upper = if is_short { draft.random.next() << 32 } else { 0 };
    let wanted = if is_short { (value & 0xFFFF_FFFF) | upper } else { value };
    let is_set = free.is_some_and(|base| draft.pin(base, wanted));
    match free {
        Some(base) if is_set => {
            instruction.set_memory_base(first + base as u32);
            set_displacement(instruction, displacement, if size == 8 && is_short { 4 } else { size });
        }
        Some(base) => {
            // A pointer of the block that is already in use: reach the address by displacement.
            let distance = rest.wrapping_sub(draft.state.gpr[base]) as i32;
            instruction.set_memory_base(first + base as u32);
            set_displacement(instruction, i64::from(distance), if is_short { 4 } else { 8 });
        }
        None => {
            instruction.set_memory_index(Register::None);
            set_absolute(instruction, address, is_short);
        }
    }
}

fn set_displacement(instruction: &mut Instruction, displacement: i64, size: u32) {
    instruction.set_memory_displ_size(size);
    let value = if size == 4 { displacement as u64 & 0xFFFF_FFFF } else { displacement as u64 };
    instruction.set_memory_displacement64(value);
}

fn free_register(draft: &mut Draft) -> Option<usize> {
    if !draft.pointers.is_empty() {
        let pointers = draft.pointers.clone();
        return Some(draft.random.pick(&pointers));
    }
    for _ in 0..6 {
        let register = draft.random.below(16) as usize;
        if !draft.is_pinned(register) {
            return Some(register);
        }
    }
    None
}

/// Puts a value of the operand's type at the address, so that corner cases come from memory as often as from registers.
fn put_operand(size: MemorySize, address: u64, draft: &mut Draft) {
    if draft.random.chance(20) {
        return;
    }
    let random = &mut draft.random;
    let bytes: Vec<u8> = match (size.element_type(), size.size()) {
        (MemorySize::Float80, _) => values::f80(random).to_vec(),
        (MemorySize::Bcd, _) => (0..10).map(|_| random.below(10) as u8 | ((random.below(10) as u8) << 4)).collect(),
        (MemorySize::Float32, 4) => values::f32_bits(random).to_le_bytes().to_vec(),
        (MemorySize::Float64, 8) => values::f64_bits(random).to_le_bytes().to_vec(),
        (_, 16) => values::xmm(random).to_le_bytes().to_vec(),
        (_, n @ 1..=8) => values::integer(random).to_le_bytes()[..n].to_vec(),
        _ => return,
    };
    draft.patch(address, &bytes);
}
