//! Comparisons: FCOM, FUCOM, FTST, FCOMI with their forms, and FXAM.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::execute::register_index;
use super::transfer::read_number;
use super::{C1, X87, X87Context};
use crate::cpu::softfloat::{F80, F80Class, Flags, Relation};

/// How a comparison reports, which NaNs it refuses and how often it pops.
struct Comparison {
    signalling: bool,
    to_eflags: bool,
    pops: u8,
}

fn comparison(mnemonic: Mnemonic) -> Option<Comparison> {
    use Mnemonic::*;
    let (signalling, to_eflags, pops) = match mnemonic {
        Fcom | Ficom | Ftst => (true, false, 0),
        Fcomp | Ficomp => (true, false, 1),
        Fcompp => (true, false, 2),
        Fucom => (false, false, 0),
        Fucomp => (false, false, 1),
        Fucompp => (false, false, 2),
        Fcomi => (true, true, 0),
        Fcomip => (true, true, 1),
        Fucomi => (false, true, 0),
        Fucomip => (false, true, 1),
        _ => return None,
    };
    Some(Comparison { signalling, to_eflags, pops })
}

/// Returns whether the instruction was of this family.
pub(super) fn execute<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<bool, C::Stop> {
    if insn.mnemonic() == Mnemonic::Fxam {
        examine(x87);
        return Ok(true);
    }
    let Some(comparison) = comparison(insn.mnemonic()) else {
        return Ok(false);
    };
    let other = match insn.mnemonic() {
        Mnemonic::Ftst => Some((F80::ZERO, Flags::NONE)),
        _ if insn.op0_kind() == OpKind::Memory => Some(read_number(insn, cx)?),
        _ => {
            // FCOMPP and FUCOMPP have no explicit operands; all others name ST(i) last.
            let i = match insn.op_count() {
                0 => 1,
                count => register_index(insn, count - 1),
            };
            (!x87.is_empty(i)).then(|| (x87.st(i), Flags::NONE))
        }
    };
    compare(x87, other, &comparison, cx);
    Ok(true)
}

fn compare<C: X87Context>(x87: &mut X87, other: Option<(F80, Flags)>, how: &Comparison, cx: &mut C) {
    let (relation, flags) = match other {
        Some((other, denormal)) if !x87.is_empty(0) => {
            let (relation, flags) = x87.st(0).compare(other, how.signalling);
            (relation, flags | denormal.when(relation != Relation::Unordered))
        }
        _ => (Relation::Unordered, Flags::INVALID | Flags::STACK),
    };
    let go_on = x87.record(flags);
    report(x87, relation, how, cx);
    if go_on {
        x87.pop_times(how.pops);
    }
}

fn report<C: X87Context>(x87: &mut X87, relation: Relation, how: &Comparison, cx: &mut C) {
    let unordered = relation == Relation::Unordered;
    let less = unordered || relation == Relation::Less;
    let equal = unordered || relation == Relation::Equal;
    if how.to_eflags {
        cx.set_comparison_flags(equal, unordered, less);
    } else {
        x87.set_c3_c2_c0(equal, unordered, less);
    }
}

fn examine(x87: &mut X87) {
    let value = x87.st(0);
    let (c3, c2, c0) = match value.classify() {
        _ if x87.is_empty(0) => (true, false, true),
        F80Class::Unsupported => (false, false, false),
        F80Class::Nan => (false, false, true),
        F80Class::Normal => (false, true, false),
        F80Class::Infinity => (false, true, true),
        F80Class::Zero => (true, false, false),
        F80Class::Denormal => (true, true, false),
    };
    x87.set_c3_c2_c0(c3, c2, c0);
    x87.set_condition(C1, value.is_negative());
}
