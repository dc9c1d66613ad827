//! When the faults of two CPUs count as the same one.
//!
//! Everything of a fault is compared but what is not the architecture's to say: the kernel and this process around the
//! case on the host, and the order in which one instruction makes several accesses that would all fault.

use iced_x86::{Instruction, Mnemonic as M};

use super::case::{CODE_BASE, End, EXIT_SLOT, Fault, Outcome, RDI, RSI};
use super::masks::moves_image;

const PROTECTION_VIOLATION: u64 = 1;
const PAGE_FAULT: u8 = 14;
const PAGE_OFFSET: u64 = 0xFFF;

/// Whether both ended alike, as far as the code of the case lets one tell.
pub fn same_end(code: &[Instruction], native: &Outcome, engine: &Outcome) -> bool {
    let (End::Fault(a), End::Fault(b)) = (native.end, engine.end) else {
        return native.end == engine.end;
    };
    let at = |one: &&Instruction| one.ip() == native.state.rip;
    let Some(faulting) = code.iter().find(at) else {
        return visible(a) == visible(b);
    };
    if moves_image(faulting.code()) {
        return page(visible(a)) == page(visible(b));
    }
    if is_compare_string(faulting) && is_of_operands(faulting, native, a) {
        return is_of_operands(faulting, engine, b) && visible(a).error == visible(b).error;
    }
    visible(a) == visible(b)
}

/// Outside of the area of the case there may be memory of the process, and the kernel reports a protection violation for
/// its half whether or not a page exists.
fn visible(fault: Fault) -> Fault {
    let area = CODE_BASE..EXIT_SLOT;
    match fault.address {
        Some(address) if fault.vector == PAGE_FAULT && !area.contains(&address) => Fault {
            error: fault.error & !PROTECTION_VIOLATION,
            ..fault
        },
        _ => fault,
    }
}

/// Of a fault inside an FPU image only the page is defined.
fn page(fault: Fault) -> Fault {
    Fault {
        address: fault.address.map(|address| address & !PAGE_OFFSET),
        ..fault
    }
}

fn is_compare_string(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq)
        && instruction.is_string_instruction()
}

/// A page fault of CMPS can be that of either operand when both would fault.
fn is_of_operands(instruction: &Instruction, outcome: &Outcome, fault: Fault) -> bool {
    let Some(address) = fault.address else {
        return false;
    };
    let size = instruction.memory_size().size() as u64;
    let is_short = instruction.op0_kind() == iced_x86::OpKind::MemorySegESI;
    [RSI, RDI].into_iter().any(|register| {
        let pointer = outcome.state.gpr[register];
        let start = if is_short { pointer & 0xFFFF_FFFF } else { pointer };
        address.wrapping_sub(start) < size
    })
}
