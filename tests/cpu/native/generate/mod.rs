//! Makes cases: seed and number in, one random instruction or short block with its whole state out.

mod block;
mod catalogue;
mod draft;
mod operands;
mod prepare;
mod values;

use iced_x86::{Code, ConditionCode, Decoder, DecoderOptions, Encoder, Instruction, Mnemonic};

use super::case::{CODE_BASE, CODE_SIZE, Case, DATA_BASE, EXIT_JUMP_SIZE, Retires};
use super::masks::Masks;
use super::random::Random;
use block::{LOOP_END_SIZE, Pools};
use catalogue::{Family, catalogue};
use draft::Draft;
pub use prepare::operand_address;

/// The longest code of a case: eight instructions of 15 bytes, the end of a loop and the exit jump.
const LONGEST: u64 = 8 * 15 + LOOP_END_SIZE + EXIT_JUMP_SIZE as u64;
/// Cases out of 100 that are blocks.
const BLOCKS_PERCENT: u64 = 30;

/// An encoded instruction.
struct Placed {
    bytes: Vec<u8>,
    instruction: Instruction,
}

/// Makes reproducible cases over the catalogue.
pub struct Generator {
    seed: u64,
    codes: Vec<Code>,
    pools: Pools,
    masks: Masks,
    encoder_failures: u64,
}

impl Generator {
    /// A generator for the run `seed`; blocks avoid spreading what `masks` ignores.
    pub fn new(seed: u64, masks: &Masks) -> Self {
        let codes = catalogue();
        let composable: Vec<Code> = codes.iter().copied().filter(|&code| masks.is_composable(code)).collect();
        let of = |wanted| catalogue::of_family(&composable, wanted);
        let integer: Vec<Code> =
            of(Family::Integer).into_iter().filter(|&code| !moves_stack_or_strings(code)).collect();
        let pools = Pools {
            flags: integer.iter().copied().filter(|&code| block::is_flag_instruction(code)).collect(),
            integer,
            sse: of(Family::Sse).into_iter().filter(|&code| !loads_control(code)).collect(),
            fpu: of(Family::Fpu).into_iter().filter(|&code| !loads_control(code)).collect(),
            conditional: codes.iter().copied().filter(|&code| is_short_jcc(code)).collect(),
        };
        Generator { seed, masks: masks.clone(), codes, pools, encoder_failures: 0 }
    }

    /// The forms that single-instruction cases are drawn from.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// Case `number` of this run.
    pub fn case(&mut self, number: u64) -> Case {
        let mut random = Random::for_case(self.seed, number);
        loop {
            let attempt = Random::for_case(random.next(), number);
            let made = if random.chance(BLOCKS_PERCENT) {
                block::block(&self.pools, &self.masks, self.seed, number, attempt)
            } else {
                let code = random.pick(&self.codes);
                single(code, self.seed, number, attempt)
            };
            match made {
                Some(case) => return case,
                None => self.encoder_failures += 1,
            }
        }
    }

    /// A single-instruction case of the given form, or `None` when 50 draws had no encoding.
    pub fn case_of(&self, code: Code, number: u64) -> Option<Case> {
        (0..50).find_map(|attempt| single(code, self.seed, number, Random::for_case(self.seed ^ attempt, number)))
    }
}

fn single(code: Code, seed: u64, number: u64, mut random: Random) -> Option<Case> {
    let entry = entry_offset(&mut random);
    let mut draft = Draft::new(random, entry);
    let ip = draft.state.rip;
    let target = branch_target(code, &mut draft);
    let Placed { bytes, instruction } = make(code, &mut draft, ip, target)?;
    let varies = catalogue::is_branch(code) || block::has_rep(&instruction);
    let retires = if varies { Retires::Varies(1) } else { Retires::Exactly(1) };
    Some(Case { seed, number, code: bytes, retires, before: draft.state, memory: draft.memory })
}

/// Fills, prepares and encodes; the bytes must decode to the same form again.
fn make(code: Code, draft: &mut Draft, ip: u64, target: u64) -> Option<Placed> {
    let mut instruction = operands::fill(code, draft, target)?;
    prepare::prepare(&mut instruction, draft, target);
    let mut encoder = Encoder::new(64);
    encoder.encode(&instruction, ip).ok()?;
    let bytes = encoder.take_buffer();
    let decoded = Decoder::with_ip(64, &bytes, ip, DecoderOptions::NONE).decode();
    (decoded.code() == code && decoded.len() == bytes.len()).then_some(Placed { bytes, instruction: decoded })
}

/// Where the code lies: anywhere in the code pages, one in ten across their boundary.
fn entry_offset(random: &mut Random) -> u64 {
    match random.below(10) {
        0 => 0x1000 - 1 - random.below(24),
        _ => 0x80 + random.below(CODE_SIZE as u64 - 0x80 - LONGEST),
    }
}

/// A branch goes to filler (where INT3 ends the case); indirect ones sometimes to data, which cannot be executed.
fn branch_target(code: Code, draft: &mut Draft) -> u64 {
    let rip = draft.state.rip;
    let is_short = code.op_code().op_kinds().first() == Some(&iced_x86::OpCodeOperandKind::br64_1);
    if is_short {
        let forward = draft.random.chance(50);
        return if forward { rip + 24 + draft.random.below(80) } else { rip - 2 - draft.random.below(100) };
    }
    if matches!(code.mnemonic(), Mnemonic::Jmp | Mnemonic::Call | Mnemonic::Ret) && draft.random.chance(6) {
        return DATA_BASE + draft.random.below(0x4000);
    }
    loop {
        let to = CODE_BASE + draft.random.below(CODE_SIZE as u64);
        if to + 2 < rip || to > rip + 24 {
            return to;
        }
    }
}

fn is_short_jcc(code: Code) -> bool {
    let is_short = code.op_code().op_kinds().first() == Some(&iced_x86::OpCodeOperandKind::br64_1);
    is_short && code.condition_code() != ConditionCode::None && is_plain_jcc(code)
}

fn is_plain_jcc(code: Code) -> bool {
    use Mnemonic as M;
    !matches!(code.mnemonic(), M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz)
}

/// Kept out of blocks: their preparation would fight over RSP, RSI, RDI, RCX with the rest of the block.
fn moves_stack_or_strings(code: Code) -> bool {
    use Mnemonic as M;
    let mut probe = Instruction::default();
    probe.set_code(code);
    let is_string = probe.is_string_instruction() && !matches!(code.mnemonic(), M::Stosq | M::Lodsb | M::Movsd);
    is_string
        || matches!(code.mnemonic(), M::Enter | M::Leave | M::Popf | M::Popfq | M::Xlatb | M::Bt if code != Code::Bt_rm32_imm8)
}

/// Kept out of blocks: what loads or stores whole control state, and what reads undefined status bits.
fn loads_control(code: Code) -> bool {
    use Mnemonic as M;
    matches!(
        code.mnemonic(),
        M::Fxsave
            | M::Fxsave64
            | M::Fxrstor
            | M::Fxrstor64
            | M::Fnsave
            | M::Frstor
            | M::Fnstenv
            | M::Fldenv
            | M::Fnstsw
            | M::Fldcw
            | M::Ldmxcsr
            | M::Maskmovq
            | M::Maskmovdqu
    )
}
