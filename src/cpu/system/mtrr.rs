//! The memory-type registers: MTRRs and PAT (SDM vol. 3, 12.11 and 12.12). Stored and checked; there are no caches,
//! so they change nothing.

use crate::cpu::Cpu;
use crate::cpu::paging::PHYSICAL_BITS;

/// Variable-range pairs.
const VARIABLE: u32 = 8;
/// IA32_MTRRCAP: eight variable ranges, fixed ranges, write combining.
pub(super) const MTRR_CAP: u64 = VARIABLE as u64 | 1 << 8 | 1 << 10;
/// IA32_MTRR_PHYSBASE0.
pub(super) const VARIABLE_FIRST: u32 = 0x200;
pub(super) const VARIABLE_LAST: u32 = VARIABLE_FIRST + 2 * VARIABLE - 1;
/// The valid bit of a variable mask.
const VALID: u64 = 1 << 11;
/// IA32_MTRR_DEF_TYPE: type, fixed enable, enable.
const DEF_TYPE: u64 = 0xff | 1 << 10 | 1 << 11;

/// UC, WC, WT, WP, WB.
fn is_memory_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4 | 5 | 6)
}
/// PAT entries may also be UC-.
fn is_pat_type(value: u8) -> bool {
    is_memory_type(u64::from(value)) || value == 7
}

/// The position of a fixed-range MTRR in `Msrs::mtrr_fixed`.
fn fixed_index(number: u32) -> Option<usize> {
    match number {
        0x250 => Some(0),
        0x258 | 0x259 => Some((number - 0x257) as usize),
        0x268..=0x26f => Some((number - 0x265) as usize),
        _ => None,
    }
}

/// Reads a variable or fixed MTRR.
pub(super) fn read(cpu: &Cpu, number: u32) -> Option<u64> {
    let msr = &cpu.state.msr;
    if let Some(i) = fixed_index(number) {
        return Some(msr.mtrr_fixed[i]);
    }
    let (VARIABLE_FIRST..=VARIABLE_LAST) = number else { return None };
    let (base, mask) = msr.mtrr_variable[(number - VARIABLE_FIRST) as usize / 2];
    Some(if number & 1 == 0 { base } else { mask })
}

/// Writes a variable or fixed MTRR; `None` refuses the number or a reserved bit.
pub(super) fn write(cpu: &mut Cpu, number: u32, value: u64) -> Option<()> {
    let msr = &mut cpu.state.msr;
    if let Some(i) = fixed_index(number) {
        let is_valid = value.to_le_bytes().iter().all(|&t| is_memory_type(u64::from(t)));
        msr.mtrr_fixed[i] = is_valid.then_some(value)?;
        return Some(());
    }
    let (VARIABLE_FIRST..=VARIABLE_LAST) = number else { return None };
    let pair = &mut msr.mtrr_variable[(number - VARIABLE_FIRST) as usize / 2];
    if value >> PHYSICAL_BITS != 0 {
        return None;
    }
    if number & 1 == 0 {
        pair.0 = (value & 0xf00 == 0 && is_memory_type(value & 0xff)).then_some(value)?;
    } else {
        pair.1 = (value & 0xfff & !VALID == 0).then_some(value)?;
    }
    Some(())
}

/// Checks IA32_MTRR_DEF_TYPE.
pub(super) fn default_type(value: u64) -> Option<u64> {
    (value & !DEF_TYPE == 0 && is_memory_type(value & 0xff)).then_some(value)
}
/// Checks IA32_PAT.
pub(super) fn pat(value: u64) -> Option<u64> {
    value.to_le_bytes().iter().all(|&t| is_pat_type(t)).then_some(value)
}
