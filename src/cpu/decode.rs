//! From instruction bytes to ops: iced-x86 decodes, this chooses handlers and lays operands out.
//!
//! What the CPU model does not have decodes to an op that raises #UD.

use super::block::Mode;
use super::exec::alu::{self, Addressing, Form};
use super::exec::{self, Choice, bits, branch, data, muldiv, shift, stack, string};
use super::fault::{Fault, Stop};
use super::op::{Handler, Op, Slow};
use super::state::{gpr, seg};
use super::{Cpu, simd, system};
use iced_x86::{Code, CpuidFeature, Decoder, DecoderError, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// A freshly decoded block.
pub struct Built {
    /// Header, instructions, last op.
    pub ops: Vec<Op>,
    /// What `Op::instruction` indexes.
    pub instructions: Vec<Instruction>,
    /// Bytes decoded.
    pub bytes: usize,
    /// RAM ranges: page, first byte, length. Filled in by the caller.
    pub spans: Vec<(u32, usize, usize)>,
}

/// BSF and BSR ignore a repeat prefix and WBINVD too, as on processors without the newer meanings.
const OPTIONS: u32 = DecoderOptions::NO_MPFX_0FBC | DecoderOptions::NO_MPFX_0FBD | DecoderOptions::NO_WBNOINVD;

/// Decodes up to `limit` instructions. `None` if the first one needs more bytes than there are.
pub fn block(bytes: &[u8], mode: Mode, limit: usize) -> Option<Built> {
    let mut decoder = Decoder::with_ip(mode.bits(), bytes, 0, OPTIONS);
    let mut b = Builder {
        mode,
        comparison: None,
        candidate: None,
        condition: None,
        ops: vec![header()],
        instructions: Vec::new(),
    };
    let mut count = 0;
    let mut end = 0;
    let mut is_closed = false;
    while count < limit && end < 224 && !is_closed {
        let insn = decoder.decode();
        if insn.is_invalid() && decoder.last_error() == DecoderError::NoMoreBytes {
            if bytes.len() - end >= 15 {
                is_closed = b.too_long(end);
                count += 1;
                end += 1;
            } else if count == 0 {
                return None;
            }
            break;
        }
        is_closed = b.push(&insn, end);
        end += insn.len().max(1);
        count += 1;
    }
    if is_closed {
        b.close();
    } else {
        let mut last = plain(exec::fall_through);
        last.imm = end as u64;
        b.ops.push(last);
    }
    let mut rest = count as u8;
    b.ops[0].rest = rest;
    for op in &mut b.ops[1..=count] {
        op.rest = rest;
        rest -= 1;
    }
    Some(Built { ops: b.ops, instructions: b.instructions, bytes: end, spans: Vec::new() })
}

fn plain(handler: Handler) -> Op {
    let zero = gpr::ZERO as u8 * 8;
    Op {
        handler,
        imm: 0,
        disp: 0,
        dst: 0,
        src: 0,
        base: zero,
        index: zero,
        scale: 0,
        seg: seg::DS as u8,
        offset: 0,
        len: 0,
        rest: 0,
        address_bytes: 8,
        instruction: 0,
        aux: 0,
    }
}

/// A header is never run.
fn header() -> Op {
    plain(exec::fall_through)
}

struct Builder {
    mode: Mode,
    /// The instruction before the last, if it is a CMP or TEST in 64-bit mode: is it TEST, its width, its form.
    comparison: Option<(bool, usize, Form)>,
    /// The last instruction, if it is one.
    candidate: Option<(bool, usize, Form)>,
    /// The condition of the last instruction, if it is a Jcc.
    condition: Option<u8>,
    ops: Vec<Op>,
    instructions: Vec<Instruction>,
}

impl Builder {
    /// Adds one instruction at `offset` of the block; true if it must be the last.
    fn push(&mut self, insn: &Instruction, offset: usize) -> bool {
        let mut op = plain(data::nop);
        op.offset = offset as u8;
        op.len = insn.len() as u8;
        self.operands(&mut op, insn, offset);
        let choice =
            if is_in_model(insn) { self.choose(&mut op, insn, offset) } else { self.raise(&mut op, insn, undefined) };
        op.handler = choice.handler;
        self.comparison = self.candidate;
        let is_comparison = matches!(insn.mnemonic(), Mnemonic::Cmp | Mnemonic::Test) && self.mode.bits() == 64;
        self.candidate =
            is_comparison.then(|| (insn.mnemonic() == Mnemonic::Test, operand_bytes(insn), self.form(&op, insn)));
        self.condition = insn.is_jcc_short_or_near().then(|| insn.condition_code() as u8 - 1);
        self.ops.push(op);
        choice.is_last
    }
    /// Gives a branch at the end its slot for links, and joins a comparison before it.
    fn close(&mut self) {
        let count = self.ops.len();
        self.ops.push(exec::unused_links());
        if let (Some((is_test, bytes, form)), Some(cc)) = (self.comparison, self.condition)
            && let Some(handler) = branch::select_fused(is_test, bytes, form, cc)
        {
            self.ops[count - 2].handler = handler;
        }
    }
    /// More than 15 bytes.
    fn too_long(&mut self, offset: usize) -> bool {
        let mut op = plain(data::nop);
        op.offset = offset as u8;
        let choice = self.slow(&mut op, &Instruction::default(), |cpu, _, _| cpu.fault(Fault::gp(0)), true);
        op.handler = choice.handler;
        self.ops.push(op);
        true
    }
    fn slow(&mut self, op: &mut Op, insn: &Instruction, f: Slow, is_last: bool) -> Choice {
        op.imm = f as usize as u64;
        op.instruction = self.instructions.len() as u8;
        self.instructions.push(*insn);
        Choice { handler: if is_last { exec::slow_last } else { exec::slow }, is_last }
    }
    fn raise(&mut self, op: &mut Op, insn: &Instruction, f: Slow) -> Choice {
        self.slow(op, insn, f, true)
    }

    /// Lays the operands out: registers by kind, the memory operand, the immediate.
    fn operands(&self, op: &mut Op, insn: &Instruction, offset: usize) {
        let mut registers = 0;
        for i in 0..insn.op_count() {
            match insn.op_kind(i) {
                OpKind::Register => {
                    let slot = register_slot(insn.op_register(i));
                    if i == 0 {
                        op.dst = slot;
                    } else if registers < 2 {
                        op.src = slot;
                    }
                    registers += 1;
                }
                OpKind::Memory => self.memory(op, insn, offset),
                kind if is_immediate(kind) => op.imm = insn.immediate(i),
                OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                    // Decoding starts at IP 0, so this is relative to the block's start.
                    let target = insn.near_branch_target();
                    op.imm = match insn.op_kind(i) {
                        OpKind::NearBranch16 => target as i16 as i64 as u64,
                        OpKind::NearBranch32 => target as i32 as i64 as u64,
                        _ => target,
                    };
                    op.disp = (offset + insn.len()) as i32;
                }
                _ => {}
            }
        }
    }

    fn memory(&self, op: &mut Op, insn: &Instruction, _offset: usize) {
        op.seg = self.segment(insn);
        let zero = gpr::ZERO as u8 * 8;
        let base = insn.memory_base();
        let address = |r: Register| if r == Register::None { zero } else { register_slot(r) };
        op.disp = insn.memory_displacement64() as i32;
        op.address_bytes = address_bytes(insn);
        match base {
            Register::RIP | Register::EIP => op.base = gpr::BLOCK as u8 * 8,
            _ => op.base = address(base),
        }
        op.index = address(insn.memory_index());
        op.scale = insn.memory_index_scale().trailing_zeros() as u8;
    }

    /// The segment of the memory operand. In 64-bit mode overrides other than FS and GS are ignored, so that they do not
    /// even change the vector of a canonical fault (SDM vol. 1, 3.3.7.1).
    fn segment(&self, insn: &Instruction) -> u8 {
        let segment = segment_index(insn.memory_segment());
        if self.mode.bits() != 64 || segment >= seg::FS as u8 {
            return segment;
        }
        match insn.memory_base() {
            Register::RSP | Register::RBP | Register::ESP | Register::EBP => seg::SS as u8,
            _ => seg::DS as u8,
        }
    }

    /// How the memory operand is addressed, if there is one.
    fn addressing(&self, op: &Op, insn: &Instruction) -> Option<Addressing> {
        (0..insn.op_count()).any(|i| insn.op_kind(i) == OpKind::Memory).then(|| {
            let is_flat = self.mode.bits() == 64 && op.address_bytes == 8 && op.seg < seg::FS as u8;
            match (is_flat, op.index == gpr::ZERO as u8 * 8) {
                (true, true) => Addressing::Near,
                (true, false) => Addressing::Flat,
                _ => Addressing::Segmented,
            }
        })
    }

    fn form(&self, op: &Op, insn: &Instruction) -> Form {
        let memory = self.addressing(op, insn);
        let has_immediate = insn.op_count() > 1 && is_immediate(insn.op_kind(1));
        match (memory, insn.op_kind(0) == OpKind::Memory, has_immediate) {
            (None, _, false) => Form::RegReg,
            (None, _, true) => Form::RegImm,
            (Some(a), true, true) => Form::MemImm(a),
            (Some(a), true, false) => Form::MemReg(a),
            (Some(a), false, _) => Form::RegMem(a),
        }
    }

    fn choose(&mut self, op: &mut Op, insn: &Instruction, offset: usize) -> Choice {
        if let Some(handler) = self.integer(op, insn) {
            return Choice { handler, is_last: false };
        }
        if let Some(handler) = self.control(op, insn) {
            return Choice { handler, is_last: true };
        }
        if let Some(handler) = self.strings(op, insn) {
            let is_last = insn.has_rep_prefix() || insn.has_repne_prefix();
            return Choice { handler, is_last };
        }
        if let Some(f) = self.stack_slow(insn) {
            return self.slow(op, insn, f, false);
        }
        let _ = offset;
        if let Some(f) = system::select(insn) {
            return self.slow(op, insn, f, true);
        }
        if let Some(refusal) = self.refusal(insn) {
            return self.raise(op, insn, refusal);
        }
        if let Some(f) = simd::select(insn) {
            self.simd_operands(op, insn);
            return self.slow(op, insn, f, false);
        }
        if let Some(f) = exec::x87::select(insn) {
            return self.slow(op, insn, f, false);
        }
        self.raise(op, insn, undefined)
    }

    /// Vector instructions number their registers; the last immediate is in `aux`.
    fn simd_operands(&self, op: &mut Op, insn: &Instruction) {
        for i in 0..insn.op_count().min(2) {
            if insn.op_kind(i) == OpKind::Register {
                let r = insn.op_register(i);
                let n = if r.is_xmm() || r.is_mm() { r.number() as u8 } else { register_slot(r) };
                if i == 0 { op.dst = n } else { op.src = n }
            }
        }
        let last = insn.op_count().saturating_sub(1);
        if insn.op_count() > 0 && is_immediate(insn.op_kind(last)) {
            op.aux = insn.immediate(last) as u8;
        }
    }

    /// The exception that CR0 and CR4 call for instead of this floating-point or vector instruction.
    fn refusal(&self, insn: &Instruction) -> Option<Slow> {
        let not_available: Slow = |cpu, _, _| cpu.fault(Fault::nm());
        if insn.mnemonic() == Mnemonic::Wait {
            return self.mode.has(Mode::NO_WAIT).then_some(not_available);
        }
        if matches!(insn.mnemonic(), Mnemonic::Fxsave | Mnemonic::Fxsave64 | Mnemonic::Fxrstor | Mnemonic::Fxrstor64) {
            return self.mode.has(Mode::NO_X87).then_some(not_available);
        }
        if is_x87(insn) {
            return self.mode.has(Mode::NO_X87).then_some(not_available);
        }
        if matches!(insn.mnemonic(), Mnemonic::Crc32 | Mnemonic::Movnti) {
            return None;
        }
        let touches_mmx =
            (0..insn.op_count()).any(|i| insn.op_register(i).is_mm()) || insn.mnemonic() == Mnemonic::Emms;
        let touches_xmm = (0..insn.op_count()).any(|i| insn.op_register(i).is_xmm())
            || matches!(insn.mnemonic(), Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr);
        if touches_mmx && self.mode.has(Mode::EMULATE) || touches_xmm && self.mode.has(Mode::SSE_OFF) {
            return Some(undefined);
        }
        self.mode.has(Mode::NO_SSE).then_some(not_available)
    }

    fn stack_slow(&self, insn: &Instruction) -> Option<Slow> {
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

    fn integer(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
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

    fn control(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
        use Mnemonic as M;
        let memory = self.addressing(op, insn);
        let is_relative = matches!(insn.op_kind(0), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
        let bytes = match insn.op_kind(0) {
            OpKind::NearBranch16 => 2,
            OpKind::NearBranch32 => 4,
            OpKind::NearBranch64 => 8,
            OpKind::Register => insn.op_register(0).size(),
            _ => insn.memory_size().size(),
        };
        let cc = insn.condition_code() as u8;
        Some(match insn.mnemonic() {
            M::Jmp if is_relative => branch::select_jmp(bytes),
            M::Call if is_relative => branch::select_call(bytes),
            M::Jmp | M::Call if insn.is_jmp_near_indirect() || insn.is_call_near_indirect() => {
                if memory.is_none() {
                    op.src = register_slot(insn.op_register(0));
                }
                branch::select_indirect(insn.mnemonic() == M::Call, bytes, memory)
            }
            M::Ret => {
                op.imm = if insn.op_count() == 1 { u64::from(insn.immediate16()) } else { 0 };
                branch::select_ret(match insn.code() {
                    Code::Retnw | Code::Retnw_imm16 => 2,
                    Code::Retnd | Code::Retnd_imm16 => 4,
                    _ => 8,
                })
            }
            M::Loopne | M::Loope | M::Loop | M::Jcxz | M::Jecxz | M::Jrcxz => {
                op.aux = match insn.mnemonic() {
                    M::Loopne => 0,
                    M::Loope => 1,
                    M::Loop => 2,
                    _ => 3,
                };
                op.address_bytes = counter_bytes(insn.code());
                branch::select_loop(bytes)
            }
            _ if is_relative && cc != 0 && insn.is_jcc_short_or_near() => branch::select_jcc(bytes, cc - 1),
            _ => return None,
        })
    }

    fn strings(&mut self, op: &mut Op, insn: &Instruction) -> Option<Handler> {
        use Mnemonic as M;
        if !insn.is_string_instruction() {
            return None;
        }
        let repeated = insn.has_rep_prefix() || insn.has_repne_prefix();
        op.aux = if insn.has_repne_prefix() { 2 } else { 1 };
        op.seg = self.segment(insn);
        op.address_bytes = string_address_bytes(insn);
        Some(match insn.mnemonic() {
            M::Movsb => string::select::<string::Movs>(1, repeated),
            M::Movsw => string::select::<string::Movs>(2, repeated),
            M::Movsd => string::select::<string::Movs>(4, repeated),
            M::Movsq => string::select::<string::Movs>(8, repeated),
            M::Cmpsb => string::select::<string::Cmps>(1, repeated),
            M::Cmpsw => string::select::<string::Cmps>(2, repeated),
            M::Cmpsd => string::select::<string::Cmps>(4, repeated),
            M::Cmpsq => string::select::<string::Cmps>(8, repeated),
            M::Stosb => string::select::<string::Stos>(1, repeated),
            M::Stosw => string::select::<string::Stos>(2, repeated),
            M::Stosd => string::select::<string::Stos>(4, repeated),
            M::Stosq => string::select::<string::Stos>(8, repeated),
            M::Lodsb => string::select::<string::Lods>(1, repeated),
            M::Lodsw => string::select::<string::Lods>(2, repeated),
            M::Lodsd => string::select::<string::Lods>(4, repeated),
            M::Lodsq => string::select::<string::Lods>(8, repeated),
            M::Scasb => string::select::<string::Scas>(1, repeated),
            M::Scasw => string::select::<string::Scas>(2, repeated),
            M::Scasd => string::select::<string::Scas>(4, repeated),
            M::Scasq => string::select::<string::Scas>(8, repeated),
            _ => return None,
        })
    }
}

/// Raises #UD.
fn undefined(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.fault(Fault::ud())
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
    use super::flags::{Flags, bit};
    let others = cpu.flags.bits() & !bit::ZF;
    cpu.flags = Flags::from_bits(others | u64::from(zf) << 6);
}

/// MOV between the accumulator and a 64-bit absolute offset, which is in `imm`.
fn absolute(bytes: usize, is_store: bool) -> Handler {
    use super::exec::{by_width, handler};
    use super::word::Word;
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

fn is_immediate(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Immediate8
            | Immediate8_2nd
            | Immediate16
            | Immediate32
            | Immediate64
            | Immediate8to16
            | Immediate8to32
            | Immediate8to64
            | Immediate32to64
    )
}

/// Byte offset of a general register in `Cpu::regs`.
fn register_slot(r: Register) -> u8 {
    use Register::*;
    match r {
        AH | CH | DH | BH => (r as u8 - AH as u8) * 8 + 1,
        _ if r.is_gpr() => r.full_register().number() as u8 * 8,
        _ => 0,
    }
}

fn segment_index(r: Register) -> u8 {
    match r {
        Register::ES => seg::ES as u8,
        Register::CS => seg::CS as u8,
        Register::SS => seg::SS as u8,
        Register::FS => seg::FS as u8,
        Register::GS => seg::GS as u8,
        _ => seg::DS as u8,
    }
}

/// Size of the destination operand.
fn operand_bytes(insn: &Instruction) -> usize {
    if insn.op_count() == 0 {
        return 0;
    }
    match insn.op_kind(0) {
        OpKind::Register => insn.op_register(0).size(),
        OpKind::Memory => insn.memory_size().size(),
        _ => 0,
    }
}
/// Size of the second operand of MOVZX and its like.
fn source_bytes(insn: &Instruction) -> usize {
    match insn.op_kind(1) {
        OpKind::Register => insn.op_register(1).size(),
        _ => insn.memory_size().size(),
    }
}

fn has_segment_register(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|i| insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_segment_register())
}
fn has_system_register(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|i| {
        let r = insn.op_register(i);
        insn.op_kind(i) == OpKind::Register && (r.is_segment_register() || r.is_cr() || r.is_dr() || r.is_tr())
    })
}

/// Address size of a memory operand, from its registers or else its displacement (8 bytes in 64-bit mode even where
/// the encoding has a sign-extended 4).
fn address_bytes(insn: &Instruction) -> u8 {
    let named = [insn.memory_base(), insn.memory_index()].into_iter().find(|r| *r != Register::None);
    match named {
        Some(Register::EIP) => 4,
        Some(r) => r.size() as u8,
        None => match insn.memory_displ_size() {
            2 => 2,
            8 => 8,
            _ => 4,
        },
    }
}

fn string_address_bytes(insn: &Instruction) -> u8 {
    use OpKind::*;
    (0..insn.op_count())
        .find_map(|i| match insn.op_kind(i) {
            MemorySegSI | MemorySegDI | MemoryESDI => Some(2),
            MemorySegESI | MemorySegEDI | MemoryESEDI => Some(4),
            MemorySegRSI | MemorySegRDI | MemoryESRDI => Some(8),
            _ => None,
        })
        .unwrap_or(8)
}

fn counter_bytes(code: Code) -> u8 {
    use Code::*;
    match code {
        Loopne_rel8_16_CX | Loopne_rel8_32_CX | Loope_rel8_16_CX | Loope_rel8_32_CX | Loop_rel8_16_CX
        | Loop_rel8_32_CX | Jcxz_rel8_16 | Jcxz_rel8_32 => 2,
        Loopne_rel8_16_ECX | Loopne_rel8_32_ECX | Loopne_rel8_64_ECX | Loope_rel8_16_ECX | Loope_rel8_32_ECX
        | Loope_rel8_64_ECX | Loop_rel8_16_ECX | Loop_rel8_32_ECX | Loop_rel8_64_ECX | Jecxz_rel8_16
        | Jecxz_rel8_32 | Jecxz_rel8_64 => 4,
        _ => 8,
    }
}

/// True for the x87 unit's instructions, FWAIT among them.
pub(super) fn is_x87(insn: &Instruction) -> bool {
    use CpuidFeature::{FPU, FPU287, FPU387};
    matches!(insn.mnemonic(), Mnemonic::Fisttp | Mnemonic::Wait)
        || insn.cpuid_features().iter().any(|f| matches!(f, FPU | FPU287 | FPU387))
}

/// The instruction set extensions of the model, `reenact-x86-64-v2`.
fn is_in_model(insn: &Instruction) -> bool {
    use CpuidFeature::*;
    if insn.is_invalid() {
        return false;
    }
    insn.cpuid_features().iter().all(|f| {
        matches!(
            f,
            INTEL8086
                | INTEL8086_ONLY
                | INTEL186
                | INTEL286
                | INTEL386
                | INTEL486
                | X64
                | CMOV
                | CX8
                | CMPXCHG16B
                | FPU
                | FPU287
                | FPU387
                | MMX
                | SSE
                | SSE2
                | SSE3
                | SSSE3
                | SSE4_1
                | SSE4_2
                | POPCNT
                | FXSR
                | TSC
                | RDTSCP
                | RDPMC
                | MSR
                | SEP
                | SYSCALL
                | SMAP
                | FSGSBASE
                | PAUSE
                | MULTIBYTENOP
                | CLFSH
                | CET_IBT
                | CET_SS
                | PREFETCHW
                | PREFETCHWT1
                | CPUID
                | SMM
                | UDBG
        )
    }) && !matches!(insn.mnemonic(), Mnemonic::Rsm)
}
