//! When the faults of two CPUs count as the same one.
//!
//! Everything of a fault is compared but what is not the architecture's to say: the kernel and this process around the
//! case on the host, and the order in which one instruction makes several accesses that would all fault.

use std::ops::Range;

use iced_x86::{Instruction, Mnemonic as M, OpKind};

use super::case::{
    CODE_BASE, CODE_SIZE, Case, DATA_BASE, DATA_SIZE, EXIT_SLOT, End, Fault, Outcome, RDI, RSI, State, WRITABLE_SIZE,
};
use super::generate::operand_address;
use super::masks::moves_image;

const PROTECTION_VIOLATION: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const PAGE_FAULT: u8 = 14;
const PAGE: u64 = 0x1000;

/// Whether both ended alike, as far as the code of the case lets one tell.
pub fn same_end(code: &[Instruction], native: &Outcome, engine: &Outcome) -> bool {
    let (End::Fault(a), End::Fault(b)) = (native.end, engine.end) else {
        return native.end == engine.end;
    };
    let (a, b) = (visible(a), visible(b));
    let at = |one: &&Instruction| one.ip() == native.state.rip;
    a == b
        || code.iter().find(at).is_some_and(|faulting| {
            let operands = operands_in_any_order(faulting, &native.state);
            is_fault_of(&operands, a) && is_fault_of(&operands, b)
        })
}

/// Outside of the area of the case there may be memory of the process, and the kernel reports a protection violation for
/// its half whether or not a page exists.
fn visible(fault: Fault) -> Fault {
    let area = CODE_BASE..EXIT_SLOT;
    match fault.address {
        Some(address) if fault.vector == PAGE_FAULT && !area.contains(&address) => {
            Fault { error: fault.error & !PROTECTION_VIOLATION, ..fault }
        }
        _ => fault,
    }
}

/// What an instruction accesses in an order, and from a byte on, that is up to the processor: an FPU image, or the two
/// operands of CMPS.
fn operands_in_any_order(instruction: &Instruction, state: &State) -> Vec<Range<u64>> {
    let size = instruction.memory_size().size() as u64;
    if moves_image(instruction.code()) {
        let start = operand_address(instruction, 0, state).unwrap_or(0);
        return std::iter::once(start..start.saturating_add(size)).collect();
    }
    if !instruction.is_string_instruction()
        || !matches!(instruction.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq)
    {
        return Vec::new();
    }
    let is_short = instruction.op0_kind() == OpKind::MemorySegESI;
    let width = if is_short { 0xFFFF_FFFF } else { u64::MAX };
    let starts = [RSI, RDI].map(|register| state.gpr[register] & width);
    starts.map(|start| start..start.saturating_add(size)).into()
}

/// Whether this is how an access to one of the ranges must fault.
fn is_fault_of(operands: &[Range<u64>], fault: Fault) -> bool {
    let Some(address) = fault.address else {
        return false;
    };
    operands.iter().any(|range| range.contains(&address)) && refusal(address, fault.error & WRITE) == Some(fault.error)
}

/// The error code of a user access (`write` is 0 or [`WRITE`]) where memory is as a case sees it; `None` if it is allowed.
fn refusal(address: u64, write: u64) -> Option<u64> {
    let data = DATA_BASE..DATA_BASE + DATA_SIZE as u64;
    let code = CODE_BASE..CODE_BASE + CODE_SIZE as u64;
    let is_writable = data.contains(&address) && address < DATA_BASE + WRITABLE_SIZE as u64;
    let is_mapped = data.contains(&address) || code.contains(&address);
    match (is_mapped, write) {
        (false, _) => Some(USER | write),
        (true, WRITE) if !is_writable => Some(USER | WRITE | PROTECTION_VIOLATION),
        _ => None,
    }
}

/// MASKMOVQ and MASKMOVDQU may or may not fault for a page of which the mask selects no byte (SDM vol. 2). True if that
/// is all that ended one of the two.
pub fn is_optional(case: &Case, code: &[Instruction], native: &Outcome, engine: &Outcome) -> bool {
    let [only] = code else {
        return false;
    };
    let fault = match (native.end, engine.end) {
        (End::Fault(fault), End::Reached) | (End::Reached, End::Fault(fault)) => fault,
        _ => return false,
    };
    let (mask, bytes) = match only.mnemonic() {
        M::Maskmovq => (mmx(case, only.op2_register().number()), 8),
        M::Maskmovdqu => (case.before.fx.xmm(only.op2_register().number()), 16),
        _ => return false,
    };
    let is_short = only.op0_kind() == OpKind::MemorySegEDI;
    let width = if is_short { 0xFFFF_FFFF } else { u64::MAX };
    let mut selected = (0..bytes)
        .filter(|byte| mask >> (8 * byte + 7) & 1 != 0)
        .map(|byte| (case.before.gpr[RDI] & width).wrapping_add(byte));
    let page = |address: u64| address / PAGE;
    fault.address.is_some_and(|at| !selected.any(|byte| page(byte) == page(at)))
}

/// MM`n` before the case.
fn mmx(case: &Case, n: usize) -> u128 {
    let fx = &case.before.fx;
    let top = usize::from(fx.fsw() >> 11 & 7);
    let st = fx.st((n + 8 - top) % 8);
    u128::from(u64::from_le_bytes(st[..8].try_into().expect("eight bytes")))
}
