//! Short blocks: two to eight instructions of one family, some of them conditional short jumps forward, some blocks a loop.
//!
//! An instruction that reads a flag which the host leaves differently from the model never follows one that does so, and
//! instructions with approximate results stay out.

use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess};

use super::super::case::{Case, DATA_BASE, RSP, Retires};
use super::super::masks::{Masks, Taint};
use super::super::random::Random;
use super::draft::Draft;
use super::{Placed, entry_offset, make};

/// The pools that blocks draw from.
pub struct Pools {
    pub integer: Vec<Code>,
    pub sse: Vec<Code>,
    pub fpu: Vec<Code>,
    /// Jcc rel8.
    pub conditional: Vec<Code>,
    /// Flag producers and consumers, drawn more often in integer blocks.
    pub flags: Vec<Code>,
}

impl Pools {
    fn draw(&self, random: &mut Random, flavour: u64) -> Code {
        let integer = |random: &mut Random| {
            if random.chance(50) { random.pick(&self.flags) } else { random.pick(&self.integer) }
        };
        match flavour {
            0..=69 => integer(random),
            _ if random.chance(25) => integer(random),
            70..=87 => random.pick(&self.sse),
            _ => random.pick(&self.fpu),
        }
    }
}

/// True for instructions that set or read flags and do little else.
pub fn is_flag_instruction(code: Code) -> bool {
    use Mnemonic as M;
    let mnemonic = code.mnemonic();
    let fixed = [
        M::Add,
        M::Sub,
        M::Cmp,
        M::Test,
        M::And,
        M::Or,
        M::Xor,
        M::Inc,
        M::Dec,
        M::Neg,
        M::Adc,
        M::Sbb,
        M::Shl,
        M::Sar,
        M::Lahf,
        M::Sahf,
        M::Cmc,
        M::Bt,
    ];
    let name = format!("{mnemonic:?}");
    fixed.contains(&mnemonic) || name.starts_with("Set") || name.starts_with("Cmov")
}

/// Blocks out of 100 that are loops of a few rounds.
const LOOPS_PERCENT: u64 = 15;
/// Bytes of [`loop_end`].
pub const LOOP_END_SIZE: u64 = 6;

fn start_loop(draft: &mut Draft) {
    // RSP stays out: faults and pushes in the body would use it.
    let free = |n: &usize| *n != RSP && !draft.pointers.contains(n);
    let registers: Vec<usize> = (0..16).filter(free).collect();
    let counter = draft.random.pick(&registers);
    let rounds = 2 + draft.random.below(6);
    draft.pin(counter, rounds);
    draft.counter = Some(counter);
}

/// Whether an instruction writes a general register, by name or implicitly.
fn writes(instruction: &Instruction, register: usize) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    used.iter().any(|one| {
        let is_same = one.register().is_gpr() && one.register().full_register().number() == register;
        is_same && !matches!(one.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None)
    })
}

/// `sub counter, 1` and `jne` to the start of a body of `length` bytes. SUB defines every flag, so that nothing that the
/// host leaves open reaches the next round.
fn loop_end(counter: usize, length: usize) -> Option<[u8; 6]> {
    let (rex, register) = (0x48 | (counter >> 3) as u8, (counter & 7) as u8);
    let back = i8::try_from(-(length as i64) - 6).ok()?;
    Some([rex, 0x83, 0xE8 | register, 1, 0x75, back as u8])
}

/// A block case, or `None` when this draw has no encoding.
pub fn block(pools: &Pools, masks: &Masks, seed: u64, number: u64, mut random: Random) -> Option<Case> {
    let entry = entry_offset(&mut random);
    let length = 2 + random.below(7) as usize;
    let flavour = random.below(100);
    let mut draft = Draft::new(random, entry);
    let first = draft.random.below(16) as usize;
    draft.pointers = vec![first, (first + 1 + draft.random.below(15) as usize) % 16];
    if draft.random.chance(LOOPS_PERCENT) {
        start_loop(&mut draft);
    }
    let mut code = Vec::new();
    let mut starts = Vec::new();
    let mut jumps: Vec<usize> = Vec::new();
    let mut varies = false;
    let mut taint = Taint::default();
    for n in 0..length {
        let ip = draft.state.rip + code.len() as u64;
        starts.push(code.len());
        let is_jump = n + 1 < length && draft.random.chance(18);
        let form = (0..8).find_map(|_| {
            let form =
                if is_jump { draft.random.pick(&pools.conditional) } else { pools.draw(&mut draft.random, flavour) };
            (!taint.reaches(form)).then_some(form)
        })?;
        taint = taint.after(form, masks, !jumps.is_empty());
        if is_jump {
            jumps.push(n);
        }
        let Placed { bytes, instruction } = make(form, &mut draft, ip, ip + 2)?;
        varies |= is_jump || has_rep(&instruction);
        if draft.counter.is_some_and(|counter| writes(&instruction, counter)) {
            return None;
        }
        code.extend_from_slice(&bytes);
    }
    starts.push(code.len());
    for &n in &jumps {
        let to = n + 2 + draft.random.below((length - n - 1) as u64) as usize;
        let distance = starts[to] - starts[n + 1];
        // A Jcc rel8 is opcode and displacement.
        code[starts[n] + 1] = u8::try_from(distance).ok().filter(|&d| d < 128)?;
    }
    if let Some(counter) = draft.counter {
        varies = true;
        code.extend_from_slice(&loop_end(counter, code.len())?);
    }
    for pointer in draft.pointers.clone() {
        let spot = DATA_BASE + 0x100 + (draft.random.below(0x1E00) & !15);
        draft.pin(pointer, spot);
    }
    let count = (length + 2 * usize::from(draft.counter.is_some())) as u32;
    let retires = if varies { Retires::Varies(count) } else { Retires::Exactly(count) };
    Some(Case { seed, number, code, retires, before: draft.state, memory: draft.memory })
}

/// Whether a repeat prefix makes the number of retired instructions depend on registers.
pub fn has_rep(instruction: &Instruction) -> bool {
    instruction.is_string_instruction() && (instruction.has_rep_prefix() || instruction.has_repne_prefix())
}
