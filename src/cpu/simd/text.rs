//! The string comparisons of SSE4.2: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1).
//!
//! Both operands become widened lanes with a count of valid ones; sets of lanes of the second operand are bit masks,
//! bit j for lane j. The memory operand need not be aligned.

use super::lanes::{I8, I16, Lanes, U8, U16};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::{Flags, bit};
use crate::cpu::op::{Op, Slow};
use crate::cpu::state::gpr;
use iced_x86::{Instruction, Mnemonic, OpKind};

/// Characters of one operand; those from `valid` on are not part of the string.
struct Text {
    lanes: [i32; 16],
    valid: usize,
}

/// Lanes in a register with this immediate: 16 bytes or 8 words.
fn lane_count(control: u8) -> usize {
    if control & 1 == 0 { 16 } else { 8 }
}
/// The lowest `n` bits, of at most 16.
fn ones(n: usize) -> u32 {
    (1 << n) - 1
}

impl Text {
    /// The lanes by bits 1..0 of the control: unsigned bytes, unsigned words, signed bytes, signed words.
    fn of(v: u128, control: u8) -> Text {
        fn widened<T: Copy + Into<i32>, const N: usize>(from: [T; N]) -> [i32; 16] {
            let mut lanes = [0; 16];
            for (wide, lane) in lanes.iter_mut().zip(from) {
                *wide = lane.into();
            }
            lanes
        }
        let lanes = match control & 3 {
            0 => widened(U8::of(v)),
            1 => widened(U16::of(v)),
            2 => widened(I8::of(v)),
            _ => widened(I16::of(v)),
        };
        Text { lanes, valid: lane_count(control) }
    }
    /// With a length from a register; its magnitude counts, and no more than there are lanes.
    fn explicit(v: u128, control: u8, length: i64) -> Text {
        let text = Text::of(v, control);
        let valid = length.unsigned_abs().min(text.valid as u64) as usize;
        Text { valid, ..text }
    }
    /// Up to the first zero.
    fn implicit(v: u128, control: u8) -> Text {
        let text = Text::of(v, control);
        let end = text.lanes[..text.valid].iter().position(|&lane| lane == 0);
        Text { valid: end.unwrap_or(text.valid), ..text }
    }
    fn string(&self) -> &[i32] {
        &self.lanes[..self.valid]
    }
    /// The valid lanes that `is_hit` holds for.
    #[inline(always)]
    fn matching(&self, is_hit: impl Fn(i32) -> bool) -> u32 {
        let mut hits = 0;
        for (j, &lane) in self.lanes.iter().enumerate() {
            hits |= u32::from(is_hit(lane)) << j;
        }
        hits & ones(self.valid)
    }
}

/// Bits 3..2 of the control: equal any, ranges, equal each, equal ordered (IntRes1 of the manual).
fn aggregate(set: &Text, text: &Text, control: u8) -> u32 {
    let all = ones(lane_count(control));
    match control >> 2 & 3 {
        0 => set.string().iter().fold(0, |hits, &c| hits | text.matching(|x| x == c)),
        1 => set.string().chunks_exact(2).fold(0, |hits, c| hits | text.matching(|x| c[0] <= x && x <= c[1])),
        2 => {
            let equal = (0..16).fold(0, |hits, j| hits | u32::from(set.lanes[j] == text.lanes[j]) << j);
            // Past the end of both strings lanes count as equal, past one of them as different.
            let (a, b) = (ones(set.valid), ones(text.valid));
            (equal & a & b | !a & !b) & all
        }
        _ => set.string().iter().enumerate().fold(all, |starts, (i, &c)| {
            let reaches_past_register = !(all >> i);
            starts & (text.matching(|x| x == c) >> i | reaches_past_register)
        }),
    }
}

/// The comparison as a whole: the set of lanes (IntRes2) and the flags.
fn compare(set: &Text, text: &Text, control: u8) -> (u32, Flags) {
    let lanes = lane_count(control);
    let hits = match control >> 4 & 3 {
        1 => aggregate(set, text, control) ^ ones(lanes),
        3 => aggregate(set, text, control) ^ ones(text.valid),
        _ => aggregate(set, text, control),
    };
    let flag = |is_set: bool, mask: u64| if is_set { mask } else { 0 };
    let flags = flag(hits != 0, bit::CF)
        | flag(text.valid < lanes, bit::ZF)
        | flag(set.valid < lanes, bit::SF)
        | flag(hits & 1 != 0, bit::OF);
    (hits, Flags::from_bits(flags))
}

/// The first or (bit 6) last lane of the set; the number of lanes if it is empty.
fn index(hits: u32, control: u8) -> u32 {
    match (hits, control & 0x40) {
        (0, _) => lane_count(control) as u32,
        (_, 0) => hits.trailing_zeros(),
        _ => hits.ilog2(),
    }
}
/// The set as bits or (bit 6) as lanes of all ones.
fn mask(hits: u32, control: u8) -> u128 {
    if control & 0x40 == 0 {
        return u128::from(hits);
    }
    let width = 128 / lane_count(control);
    let lane = u128::MAX >> (128 - width);
    (0..lane_count(control)).filter(|j| hits >> j & 1 != 0).fold(0, |v, j| v | lane << (width * j))
}

/// Where lengths come from: zero lanes, EAX and EDX, or RAX and RDX.
const IMPLICIT: u8 = 0;
const NARROW: u8 = 4;
const WIDE: u8 = 8;

fn compare_strings<const LENGTHS: u8, const TO_MASK: bool, const MEM: bool>(
    cpu: &mut Cpu,
    op: &Op,
    _: &Instruction,
) -> Result<(), Stop> {
    let b = if MEM { cpu.load128(op, false)? } else { cpu.x(op.src) };
    let a = cpu.x(op.dst);
    let control = op.aux;
    let length = |register: usize| match LENGTHS {
        WIDE => cpu.regs[register] as i64,
        _ => i64::from(cpu.regs[register] as i32),
    };
    let (set, text) = match LENGTHS {
        IMPLICIT => (Text::implicit(a, control), Text::implicit(b, control)),
        _ => (Text::explicit(a, control, length(gpr::RAX)), Text::explicit(b, control, length(gpr::RDX))),
    };
    let (hits, flags) = compare(&set, &text, control);
    cpu.flags = flags;
    if TO_MASK {
        cpu.set_x(0, mask(hits, control));
    } else {
        cpu.regs[gpr::RCX] = u64::from(index(hits, control));
    }
    Ok(())
}

/// The function of one of these instructions.
pub fn select(insn: &Instruction) -> Option<Slow> {
    let is_memory = insn.op_count() > 1 && insn.op_kind(1) == OpKind::Memory;
    macro_rules! by_memory {
        ($lengths:ident, $to_mask:literal) => {
            if is_memory {
                compare_strings::<$lengths, $to_mask, true> as Slow
            } else {
                compare_strings::<$lengths, $to_mask, false>
            }
        };
    }
    Some(match insn.mnemonic() {
        Mnemonic::Pcmpistri => by_memory!(IMPLICIT, false),
        Mnemonic::Pcmpistrm => by_memory!(IMPLICIT, true),
        Mnemonic::Pcmpestri => by_memory!(NARROW, false),
        Mnemonic::Pcmpestrm => by_memory!(NARROW, true),
        Mnemonic::Pcmpestri64 => by_memory!(WIDE, false),
        Mnemonic::Pcmpestrm64 => by_memory!(WIDE, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Text, compare, index};

    fn text(s: &[u8]) -> Text {
        let mut bytes = [0; 16];
        bytes[..s.len()].copy_from_slice(s);
        Text::implicit(u128::from_le_bytes(bytes), 0)
    }
    fn found(set: &[u8], in_text: &[u8], control: u8) -> u32 {
        index(compare(&text(set), &text(in_text), control).0, control)
    }

    #[test]
    fn the_four_aggregations_find_what_they_are_made_for() {
        assert_eq!(found(b"xyc", b"abcd", 0x00), 2, "any of a set");
        assert_eq!(found(b"09", b"ab7d", 0x04), 2, "a range");
        assert_eq!(found(b"abXd", b"abcd", 0x18), 2, "the first difference");
        assert_eq!(found(b"cd", b"abcd", 0x0c), 2, "a substring");
        assert_eq!(found(b"pqr", b"0123456789abcdpq", 0x0c), 14, "a substring that the register cuts off");
        assert_eq!(found(b"zz", b"abcd", 0x0c), 16, "nothing");
    }

    #[test]
    fn masked_negation_leaves_lanes_past_the_text_alone() {
        assert_eq!(compare(&text(b"ab"), &text(b"abcd"), 0x30).0, 0b1100);
        assert_eq!(compare(&text(b"ab"), &text(b"abcd"), 0x10).0, 0b1111_1111_1111_1100);
    }
}
