//! What is not compared, per instruction: undefined bits in which this host departs from the model, and values that are
//! approximations by design.
//!
//! Invariant: a flag is only ignored when the architecture leaves it undefined *and* the probe saw the host depart from
//! the model's rule, or when no rule is documented. Where the manuals of Intel and AMD disagree the model follows Intel's,
//! and what the probe saw the host do otherwise is ignored too.

use std::collections::BTreeMap;
use std::ops::Range;

use iced_x86::{Code, Instruction, MemorySize, Mnemonic as M, OpKind, RflagsBits};

use super::case::{AF, CF, DF, FLAGS, OF, PF, RCX, SF, State, ZF};

const C0: u16 = 1 << 8;
const C1: u16 = 1 << 9;
const C2: u16 = 1 << 10;
const C3: u16 = 1 << 14;
const UNDERFLOW: u16 = 1 << 4;
const PRECISION: u16 = 1 << 5;

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    Exact,
    /// Single-precision lanes of RCPxS and RSQRTxS: each side may be off by 1.5 * 2^-12 relative (SDM vol. 2).
    Reciprocal,
    /// ST(0) and ST(1) after a transcendental: units in the last place of the 64-bit significand.
    Ulps(u64),
}

/// What to ignore after one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// RFLAGS bits to ignore.
    pub rflags: u64,
    /// x87 status word bits to ignore.
    pub fsw: u16,
    pub tolerance: Tolerance,
    /// Bytes of the memory operand to ignore, relative to its address.
    pub memory: Vec<Range<u64>>,
}

impl Mask {
    /// Compare everything.
    pub fn nothing() -> Self {
        Mask { rflags: 0, fsw: 0, tolerance: Tolerance::Exact, memory: Vec::new() }
    }
}

/// The key under which the probe files a departure: mnemonic and operand bits (8, 16, 32, 64).
pub type Form = (M, u32);

/// All masks for this host.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    /// RFLAGS bits in which the host departs from the model, for every form that has a documented rule.
    pub measured: BTreeMap<Form, u64>,
    /// x87 status bits that Intel's manual defines and the host leaves differently.
    pub status: BTreeMap<M, u16>,
    /// The host does not write the destination of a CMPXCHG that fails, so that a 32-bit register keeps its upper half.
    pub failed_cmpxchg_keeps_upper_half: bool,
    /// Instructions for which the host changes to MMX state before it raises the exception with the vector given.
    pub mmx_before_fault: Vec<(M, u8)>,
    /// The host does not change to MMX state, nor raise #MF, for CVTPI2PS from memory.
    pub cvtpi2ps_from_memory_stays: bool,
}

impl Masks {
    /// What to ignore for an instruction form.
    pub fn of(&self, code: Code) -> Mask {
        Mask {
            rflags: self.departures(code),
            fsw: undefined_status(code) | self.status.get(&code.mnemonic()).copied().unwrap_or(0),
            tolerance: tolerance(code),
            memory: open_memory(code),
        }
    }

    /// RFLAGS bits that a form leaves different on this host; all its undefined ones when it has no documented rule.
    pub fn departures(&self, code: Code) -> u64 {
        let measured = self.measured.get(&(code.mnemonic(), operand_bits(code)));
        let undefined = flags_of(example(code).rflags_undefined());
        let flags = measured.map_or(undefined, |departures| departures & undefined);
        // No rule is documented for PF when the source is 0; `settled` takes it back otherwise.
        if is_bit_scan(code) { flags | PF } else { flags }
    }

    /// Whether a form can stand in a block: its values are compared to the last bit, and flags can be tracked.
    pub fn is_composable(&self, code: Code) -> bool {
        let keeps_half = self.failed_cmpxchg_keeps_upper_half && code == Code::Cmpxchg_rm32_r32;
        // A block may leave a count above 16 in CL, for which the result is undefined.
        let may_be_undefined = matches!(code, Code::Shld_rm16_r16_CL | Code::Shrd_rm16_r16_CL);
        let stays = self.cvtpi2ps_from_memory_stays && code.mnemonic() == M::Cvtpi2ps;
        let departs = keeps_half || stays || may_be_undefined;
        tolerance(code) == Tolerance::Exact && open_memory(code).is_empty() && !departs
    }

    /// Whether the host leaves the x87 state alone where the model changes to MMX state.
    pub fn stays_out_of_mmx(&self, instruction: &Instruction) -> bool {
        self.cvtpi2ps_from_memory_stays
            && instruction.mnemonic() == M::Cvtpi2ps
            && instruction.op1_kind() == OpKind::Memory
    }

    /// Whether the host executes a single instruction for which the model raises #MF.
    pub fn is_host_only(&self, instruction: &Instruction, before: &State) -> bool {
        const ERROR_SUMMARY: u16 = 1 << 7;
        self.stays_out_of_mmx(instruction) && before.fx.fsw() & ERROR_SUMMARY != 0
    }

    /// The general register whose upper half is not compared after a single instruction.
    pub fn open_upper_half(&self, instruction: &Instruction, after: &State) -> Option<usize> {
        let is_open = self.failed_cmpxchg_keeps_upper_half
            && instruction.code() == Code::Cmpxchg_rm32_r32
            && instruction.op0_kind() == OpKind::Register
            && after.rflags & ZF == 0;
        is_open.then(|| instruction.op0_register().number())
    }
}

/// Flags that hold host-specific values at a point of straight-line code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taint(pub u64);

impl Taint {
    /// Whether an instruction would look at such a flag, so that the difference would spread.
    pub fn reaches(self, code: Code) -> bool {
        self.0 & flags_of(example(code).rflags_read()) != 0
    }

    /// The taint after an instruction. Behind a jump nothing counts as overwritten, because it may have been skipped.
    pub fn after(self, code: Code, masks: &Masks, may_be_skipped: bool) -> Taint {
        let instruction = example(code);
        let defined = flags_of(instruction.rflags_modified()) & !flags_of(instruction.rflags_undefined());
        let overwritten = if may_be_skipped || writes_flags_by_count(code) { 0 } else { defined };
        Taint(self.0 & !overwritten | masks.departures(code))
    }
}

/// Forms that leave all flags alone when their count is 0.
fn writes_flags_by_count(code: Code) -> bool {
    use M::{Rcl, Rcr, Rol, Ror, Sal, Sar, Shl, Shld, Shr, Shrd};
    let by_count = [Rcl, Rcr, Rol, Ror, Sal, Sar, Shl, Shld, Shr, Shrd];
    by_count.contains(&code.mnemonic()) || example(code).is_string_instruction()
}

/// Forms that load or store a whole FPU image: in which order they touch its bytes is up to the processor.
pub fn moves_image(code: Code) -> bool {
    use M::{Fldenv, Fnsave, Fnstenv, Frstor, Fxrstor, Fxrstor64, Fxsave, Fxsave64};
    let images = [Fldenv, Fnsave, Fnstenv, Frstor, Fxrstor, Fxrstor64, Fxsave, Fxsave64];
    images.contains(&code.mnemonic())
}

/// BSF and BSR.
fn is_bit_scan(code: Code) -> bool {
    matches!(code.mnemonic(), M::Bsf | M::Bsr)
}

/// Flags that a form may leave undefined but that are settled for these operands, so that they are compared after all:
/// PF of a bit scan that found a bit, all flags of a shift by 0, OF of a shift or rotate by 1.
pub fn settled(instruction: &Instruction, before: &State, after: &State) -> u64 {
    let code = instruction.code();
    if is_bit_scan(code) {
        return if after.rflags & ZF == 0 { PF } else { 0 };
    }
    if !writes_flags_by_count(code) || instruction.is_string_instruction() {
        return 0;
    }
    let last = instruction.op_count() - 1;
    let count = match instruction.op_kind(last) {
        OpKind::Immediate8 => u64::from(instruction.immediate8()),
        _ => before.gpr[RCX],
    };
    match count & if operand_bits(code) == 64 { 63 } else { 31 } {
        0 => FLAGS,
        1 => OF,
        _ => 0,
    }
}

/// An instruction of the form without operands, for asking iced about the form. Its count is 2: iced answers for a shift
/// by an immediate count according to that count, and 0 or 1 leave fewer flags undefined.
fn example(code: Code) -> Instruction {
    let mut instruction = Instruction::default();
    instruction.set_code(code);
    instruction.set_immediate8(2);
    instruction
}

/// The width of the first operand in bits.
pub fn operand_bits(code: Code) -> u32 {
    use iced_x86::OpCodeOperandKind as K;
    match code.op_code().op_kinds().first() {
        Some(K::r8_or_mem | K::r8_reg | K::r8_opcode | K::al) => 8,
        Some(K::r16_or_mem | K::r16_reg | K::r16_rm | K::r16_opcode | K::ax) => 16,
        Some(K::r32_or_mem | K::r32_reg | K::r32_rm | K::r32_opcode | K::eax) => 32,
        _ => 64,
    }
}

/// iced's flag set in RFLAGS positions.
fn flags_of(bits: u32) -> u64 {
    let table = [
        (RflagsBits::OF, OF),
        (RflagsBits::SF, SF),
        (RflagsBits::ZF, ZF),
        (RflagsBits::AF, AF),
        (RflagsBits::CF, CF),
        (RflagsBits::PF, PF),
        (RflagsBits::DF, DF),
    ];
    table.iter().filter(|(theirs, _)| bits & theirs != 0).map(|(_, ours)| ours).sum()
}

/// Condition code bits that the SDM calls undefined (vol. 1, 8.1.3.3).
fn undefined_status(code: Code) -> u16 {
    let name = format!("{:?}", code.mnemonic());
    if !name.starts_with('F') || name.starts_with("Fx") && code.mnemonic() != M::Fxch && code.mnemonic() != M::Fxtract {
        return 0;
    }
    match code.mnemonic() {
        M::Fcom | M::Fcomp | M::Fcompp | M::Fucom | M::Fucomp | M::Fucompp | M::Ficom | M::Ficomp | M::Ftst => 0,
        M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip => 0,
        M::Fxam | M::Fprem | M::Fprem1 => 0,
        M::Fldenv | M::Frstor | M::Fninit | M::Fnsave | M::Fnstenv | M::Fnstsw | M::Fnstcw | M::Fldcw => 0,
        M::Fsin | M::Fcos | M::Fsincos | M::Fptan => C0 | C1 | C3 | UNDERFLOW | PRECISION,
        M::Fpatan | M::F2xm1 | M::Fyl2x | M::Fyl2xp1 => C0 | C1 | C2 | C3 | UNDERFLOW | PRECISION,
        _ => C0 | C2 | C3,
    }
}

fn tolerance(code: Code) -> Tolerance {
    match code.mnemonic() {
        M::Rcpss | M::Rcpps | M::Rsqrtss | M::Rsqrtps => Tolerance::Reciprocal,
        M::Fsin | M::Fcos | M::Fsincos | M::Fptan | M::Fpatan | M::F2xm1 | M::Fyl2x | M::Fyl2xp1 => Tolerance::Ulps(4),
        _ => Tolerance::Exact,
    }
}

/// Instruction and data pointers, opcode, reserved fields of stored FPU images: AMD loads and stores the pointers with
/// FXRSTOR and FXSAVE only while an exception is pending, and processors differ in the reserved fields of FXSAVE.
fn open_memory(code: Code) -> Vec<Range<u64>> {
    let mut instruction = example(code);
    if matches!(code.mnemonic(), M::Fxsave | M::Fxsave64) {
        let slots = (0..8).map(|i| 32 + 16 * i + 10..32 + 16 * i + 16);
        return [5..24, 28..32, 416..512].into_iter().chain(slots).collect();
    }
    if !matches!(code.mnemonic(), M::Fnstenv | M::Fnsave) {
        return Vec::new();
    }
    instruction.set_op_kind(0, OpKind::Memory);
    match instruction.memory_size() {
        MemorySize::FpuEnv14 | MemorySize::FpuState94 => std::iter::once(6..14).collect(),
        _ => std::iter::once(12..28).collect(),
    }
}
