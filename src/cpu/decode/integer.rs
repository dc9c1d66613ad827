//! Handlers of the integer instructions that run on to the next.

use super::Builder;
use super::operands::{
    has_segment_register, has_system_register, is_immediate, operand_bytes, register_slot, source_bytes,
};
use crate::cpu::Cpu;
use crate::cpu::exec::alu::{self, Addressing, Form};
use crate::cpu::exec::{bits, data, muldiv, shift, stack};
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::{Handler, Op, Slow};
use crate::cpu::state::gpr;
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

impl Builder {
    pub(super) fn stack_slow(&self, insn: &Instruction) -> Option<Slow> {
        Some(match insn.code() {
            Code::Enterw_imm16_imm8 => stack::enter::<u16>,
            Code::Enterd_imm16_imm8 => stack::enter::<u32>,
            Code::Enterq_imm16_imm8 => stack::enter::<u64>,
            Code::Pushaw => stack::pusha::<u16>,
            Code::Pushad => stack::pusha::<u32>,
            Code::Popaw => stack::popa::<u16>,
            Code::Popad => stack::popa::<u32>,
            Code::Cmpxchg8b_m64 => cmpxchg8b,
            Code::Cmpxchg16b_m128 => cmpxchg16b,
            Code::Clflush_m8 => clflush,
            _ => return None,
        })
    }

    pub(super) fn integer(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
        use Mnemonic as M;
        let memory = self.addressing(op, insn);
        let bytes = operand_bytes(insn);
        let form = self.form(op, insn);
        let is_long = self.mode.bits() == 64;
        Some(match insn.mnemonic() {
            M::Add => alu::select_binary::<alu::Add>(bytes, form),
            M::Or => alu::select_binary::<alu::Or>(bytes, form),
            M::Adc => alu::select_binary::<alu::Adc>(bytes, form),
            M::Sbb => alu::select_binary::<alu::Sbb>(bytes, form),
            M::And => alu::select_binary::<alu::And>(bytes, form),
            M::Sub => alu::select_binary::<alu::Sub>(bytes, form),
            M::Xor => alu::select_binary::<alu::Xor>(bytes, form),
            M::Cmp => alu::select_binary::<alu::Cmp>(bytes, form),
            M::Test => alu::select_binary::<alu::Test>(bytes, form),
            M::Inc => alu::select_unary::<alu::Inc>(bytes, memory),
            M::Dec => alu::select_unary::<alu::Dec>(bytes, memory),
            M::Neg => alu::select_unary::<alu::Neg>(bytes, memory),
            M::Not => alu::select_unary::<alu::Not>(bytes, memory),
            M::Xadd => {
                op.aux = memory.is_none() as u8;
                alu::select_xadd(bytes, memory)
            }
            M::Cmpxchg => alu::select_cmpxchg(bytes, memory),
            M::Mov if has_system_register(insn) => return None,
            M::Mov => self.mov(op, insn, bytes, form),
            M::Movnti => data::select_mov(bytes, form),
            M::Movzx => data::select_extend(false, bytes, source_bytes(insn), memory),
            M::Movsx | M::Movsxd => data::select_extend(true, bytes, source_bytes(insn), memory),
            M::Lea => data::select_lea(bytes),
            M::Xchg => {
                self.xchg_operands(op, insn);
                data::select_xchg(bytes, memory)
            }
            M::Bswap => data::select_bswap(bytes),
            M::Cbw => data::select_cbw(2),
            M::Cwde => data::select_cbw(4),
            M::Cdqe => data::select_cbw(8),
            M::Cwd => data::select_cwd(2),
            M::Cdq => data::select_cwd(4),
            M::Cqo => data::select_cwd(8),
            M::Lahf => data::lahf,
            M::Sahf => data::sahf,
            M::Clc | M::Stc | M::Cmc => {
                op.aux = match insn.mnemonic() {
                    M::Clc => 0,
                    M::Stc => 1,
                    _ => 2,
                };
                data::carry
            }
            M::Cld | M::Std => {
                op.aux = (insn.mnemonic() == M::Std) as u8;
                data::direction
            }
            M::Xlatb => data::xlat,
            M::Nop
            | M::Reservednop
            | M::Pause
            | M::Endbr64
            | M::Endbr32
            | M::Lfence
            | M::Mfence
            | M::Sfence
            | M::Rdsspd
            | M::Rdsspq => data::nop,
            M::Prefetchnta
            | M::Prefetcht0
            | M::Prefetcht1
            | M::Prefetcht2
            | M::Prefetchw
            | M::Prefetch
            | M::Prefetchwt1 => data::nop,
            M::Shl | M::Sal => self.shift::<shift::Shl>(op, insn, bytes, memory),
            M::Shr => self.shift::<shift::Shr>(op, insn, bytes, memory),
            M::Sar => self.shift::<shift::Sar>(op, insn, bytes, memory),
            M::Rol => self.shift::<shift::Rol>(op, insn, bytes, memory),
            M::Ror => self.shift::<shift::Ror>(op, insn, bytes, memory),
            M::Rcl => self.shift::<shift::Rcl>(op, insn, bytes, memory),
            M::Rcr => self.shift::<shift::Rcr>(op, insn, bytes, memory),
            M::Shld | M::Shrd => {
                op.src = register_slot(insn.op_register(1));
                let by_cl = insn.op_kind(2) == OpKind::Register;
                op.aux = if by_cl { 0 } else { insn.immediate8() };
                shift::select_double(insn.mnemonic() == M::Shld, bytes, memory, by_cl)
            }
            M::Mul => self.one_source(op, insn, memory, |m| muldiv::select_multiply(false, bytes, m)),
            M::Imul if insn.op_count() == 1 => {
                self.one_source(op, insn, memory, |m| muldiv::select_multiply(true, bytes, m))
            }
            M::Imul => {
                if insn.op_kind(1) == OpKind::Register {
                    op.src = register_slot(insn.op_register(1));
                }
                muldiv::select_imul(insn.op_count() == 3, bytes, memory)
            }
            M::Div => self.one_source(op, insn, memory, |m| muldiv::select_divide(false, bytes, m)),
            M::Idiv => self.one_source(op, insn, memory, |m| muldiv::select_divide(true, bytes, m)),
            M::Daa | M::Das => {
                op.aux = (insn.mnemonic() == M::Das) as u8;
                muldiv::decimal_adjust
            }
            M::Aaa | M::Aas => {
                op.aux = (insn.mnemonic() == M::Aas) as u8;
                muldiv::ascii_adjust
            }
            M::Aam => muldiv::aam,
            M::Aad => muldiv::aad,
            M::Bt => bits::select_bit(0, bytes, memory, is_immediate(insn.op_kind(1))),
            M::Bts => bits::select_bit(1, bytes, memory, is_immediate(insn.op_kind(1))),
            M::Btr => bits::select_bit(2, bytes, memory, is_immediate(insn.op_kind(1))),
            M::Btc => bits::select_bit(3, bytes, memory, is_immediate(insn.op_kind(1))),
            M::Bsf => bits::select_scan(0, bytes, memory),
            M::Bsr => bits::select_scan(1, bytes, memory),
            M::Popcnt => bits::select_scan(2, bytes, memory),
            M::Push if has_segment_register(insn) => return None,
            M::Push => {
                let source = match memory {
                    Some(a) => stack::PushSource::Memory(a),
                    None if insn.op_kind(0) == OpKind::Register => {
                        op.src = register_slot(insn.op_register(0));
                        stack::PushSource::Register
                    }
                    None => stack::PushSource::Immediate,
                };
                stack::select_push(is_long, insn.stack_pointer_increment().unsigned_abs() as usize, source)
            }
            M::Pop if has_segment_register(insn) => return None,
            M::Pop => stack::select_pop(is_long, insn.stack_pointer_increment() as usize, memory.is_some()),
            M::Leave => stack::select_leave(match insn.code() {
                Code::Leavew => 2,
                Code::Leaved => 4,
                _ => 8,
            }),
            mnemonic => {
                if let Some(cc) = condition(mnemonic, &CMOV) {
                    op.aux = cc;
                    data::select_cmov(bytes, memory)
                } else if let Some(cc) = condition(mnemonic, &SET) {
                    op.aux = cc;
                    data::select_setcc(memory)
                } else {
                    return None;
                }
            }
        })
    }

    /// MOV moves with the accumulator's absolute-offset forms, whose 64-bit displacement does not fit `disp`.
    fn mov(&self, op: &mut Op, insn: &Instruction, bytes: usize, form: Form) -> Handler {
        let is_offset = insn.memory_base() == Register::None && insn.memory_index() == Register::None;
        if is_offset && insn.memory_displ_size() == 8 {
            let wide = insn.memory_displacement64();
            if wide != wide as i32 as i64 as u64 {
                op.imm = wide;
                return absolute(bytes, insn.op_kind(0) == OpKind::Memory);
            }
        }
        data::select_mov(bytes, form)
    }

    /// XCHG with memory: the register may be either operand.
    fn xchg_operands(&self, op: &mut Op, insn: &Instruction) {
        let i = if insn.op_kind(1) == OpKind::Register { 1 } else { 0 };
        op.src = register_slot(insn.op_register(i));
    }

    fn one_source(
        &self,
        op: &mut Op,
        insn: &Instruction,
        memory: Option<Addressing>,
        select: impl Fn(Option<Addressing>) -> Handler,
    ) -> Handler {
        if memory.is_none() {
            op.src = register_slot(insn.op_register(0));
        }
        select(memory)
    }

    fn shift<O: shift::Shift>(
        &self,
        op: &mut Op,
        insn: &Instruction,
        bytes: usize,
        memory: Option<Addressing>,
    ) -> Handler {
        let by_cl = insn.op_kind(1) == OpKind::Register;
        op.aux = if by_cl { 0 } else { insn.immediate(1) as u8 };
        shift::select::<O>(bytes, memory, by_cl)
    }
}

/// Nothing to flush, but the address is checked like a byte load's (SDM vol. 2, CLFLUSH).
fn clflush(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let la = cpu.operand_address(op, 1, false)?;
    cpu.probe_read(la, op.seg)
}
fn cmpxchg8b(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let la = cpu.operand_address(op, 8, true)?;
    cpu.probe_write(la, op.seg, 8)?;
    let old: u64 = cpu.read(la, op.seg)?;
    let pair = |high: usize, low: usize, cpu: &Cpu| cpu.regs[high] << 32 | cpu.regs[low] & 0xffff_ffff;
    let is_equal = old == pair(gpr::RDX, gpr::RAX, cpu);
    let new = if is_equal { pair(gpr::RCX, gpr::RBX, cpu) } else { old };
    cpu.write(la, op.seg, new)?;
    if !is_equal {
        cpu.regs[gpr::RAX] = old & 0xffff_ffff;
        cpu.regs[gpr::RDX] = old >> 32;
    }
    set_zf(cpu, is_equal);
    Ok(())
}
fn cmpxchg16b(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let la = cpu.operand_address(op, 16, true)?;
    if la % 16 != 0 {
        return cpu.fault(Fault::gp(0));
    }
    cpu.probe_write(la, op.seg, 16)?;
    let mut old = [0; 16];
    cpu.read_bytes(la, op.seg, &mut old)?;
    let pair = |high: usize, low: usize, cpu: &Cpu| u128::from(cpu.regs[high]) << 64 | u128::from(cpu.regs[low]);
    let value = u128::from_le_bytes(old);
    let is_equal = value == pair(gpr::RDX, gpr::RAX, cpu);
    let new = if is_equal { pair(gpr::RCX, gpr::RBX, cpu) } else { value };
    cpu.write_bytes(la, op.seg, &new.to_le_bytes())?;
    if !is_equal {
        cpu.regs[gpr::RAX] = value as u64;
        cpu.regs[gpr::RDX] = (value >> 64) as u64;
    }
    set_zf(cpu, is_equal);
    Ok(())
}
fn set_zf(cpu: &mut Cpu, zf: bool) {
    use crate::cpu::flags::{Flags, bit};
    let others = cpu.flags.bits() & !bit::ZF;
    cpu.flags = Flags::from_bits(others | u64::from(zf) << 6);
}

/// MOV between the accumulator and a 64-bit absolute offset, which is in `imm`.
fn absolute(bytes: usize, is_store: bool) -> Handler {
    use crate::cpu::exec::{by_width, handler};
    use crate::cpu::word::Word;
    unsafe extern "C" fn load<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
        handler!(cpu, op, {
            let la = cpu.linear(op.seg, op.imm, W::BYTES as u64, false)?;
            let value: W = cpu.read(la, op.seg)?;
            cpu.set_reg(0, value);
            Ok(())
        })
    }
    unsafe extern "C" fn store<W: Word>(cpu: &mut Cpu, op: *const Op) -> *const Op {
        handler!(cpu, op, {
            let la = cpu.linear(op.seg, op.imm, W::BYTES as u64, true)?;
            cpu.write(la, op.seg, cpu.reg::<W>(0))
        })
    }
    by_width!(bytes, W => if is_store { store::<W> } else { load::<W> })
}

const CMOV: [Mnemonic; 16] = {
    use Mnemonic::*;
    [
        Cmovo, Cmovno, Cmovb, Cmovae, Cmove, Cmovne, Cmovbe, Cmova, Cmovs, Cmovns, Cmovp, Cmovnp, Cmovl, Cmovge,
        Cmovle, Cmovg,
    ]
};
const SET: [Mnemonic; 16] = {
    use Mnemonic::*;
    [Seto, Setno, Setb, Setae, Sete, Setne, Setbe, Seta, Sets, Setns, Setp, Setnp, Setl, Setge, Setle, Setg]
};
fn condition(mnemonic: Mnemonic, table: &[Mnemonic; 16]) -> Option<u8> {
    table.iter().position(|&m| m == mnemonic).map(|i| i as u8)
}
