//! From instruction bytes to ops: iced-x86 decodes, this chooses handlers and lays operands out.
//!
//! Here is how a block is put together; which handler an instruction gets is in one file a kind. What the CPU model does
//! not have decodes to an op that raises #UD.

mod control;
mod integer;
mod model;
mod operands;

use super::block::Mode;
use super::exec::alu::{Addressing, Form};
use super::exec::{self, Choice, branch, data};
use super::fault::{Fault, Stop};
use super::op::{CHANGES_MODE, Handler, JOINED, NEEDS_RUN_LOOP, Op, Slow};
use super::state::{gpr, seg};
use super::{Cpu, simd, system};
use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use model::is_in_model;
pub(super) use model::is_x87;
use operands::{address_bytes, is_immediate, operand_bytes, register_slot, segment_index};

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
pub(super) const OPTIONS: u32 =
    DecoderOptions::NO_MPFX_0FBC | DecoderOptions::NO_MPFX_0FBD | DecoderOptions::NO_WBNOINVD;

/// Decodes up to `limit` instructions, none of which but the first is at an offset that `is_cut` says. `None` if the
/// first one needs more bytes than there are.
pub fn block(bytes: &[u8], mode: Mode, limit: usize, is_cut: &dyn Fn(usize) -> bool) -> Option<Built> {
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
    while count < limit && end < 224 && !is_closed && !(count > 0 && is_cut(end)) {
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
        let choice = if is_in_model(insn) { self.choose(&mut op, insn) } else { self.raise(&mut op, insn, undefined) };
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
            self.ops[0].aux |= JOINED;
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
        if is_last {
            self.ops[0].aux = if model::only_changes_mode(insn) { CHANGES_MODE } else { NEEDS_RUN_LOOP };
        }
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
                OpKind::Memory => self.memory(op, insn),
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

    fn memory(&self, op: &mut Op, insn: &Instruction) {
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

    fn choose(&mut self, op: &mut Op, insn: &Instruction) -> Choice {
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
}

/// Raises #UD.
fn undefined(cpu: &mut Cpu, _: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.fault(Fault::ud())
}
