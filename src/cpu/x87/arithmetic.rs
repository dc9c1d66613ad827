//! Basic arithmetic: FADD, FSUB, FMUL, FDIV with their reversed, integer and popping forms, and the unary operations.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::execute::register_index;
use super::transfer::read_number;
use super::{C0, C1, C2, C3, X87, X87Context};
use crate::cpu::softfloat::{Env, F80, Flags, Quotient, Remainder};

type Operation = fn(F80, F80, &Env) -> (F80, Flags);

/// The operation of a mnemonic and whether its operands are reversed and the stack popped.
fn binary(mnemonic: Mnemonic) -> Option<(Operation, bool, bool)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Fadd | Fiadd => (F80::add, false, false),
        Faddp => (F80::add, false, true),
        Fsub | Fisub => (F80::sub, false, false),
        Fsubp => (F80::sub, false, true),
        Fsubr | Fisubr => (F80::sub, true, false),
        Fsubrp => (F80::sub, true, true),
        Fmul | Fimul => (F80::mul, false, false),
        Fmulp => (F80::mul, false, true),
        Fdiv | Fidiv => (F80::div, false, false),
        Fdivp => (F80::div, false, true),
        Fdivr | Fidivr => (F80::div, true, false),
        Fdivrp => (F80::div, true, true),
        _ => return None,
    })
}

/// Returns whether the instruction was of this family.
pub(super) fn execute<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<bool, C::Stop> {
    if let Some((operation, reversed, pops)) = binary(insn.mnemonic()) {
        let is_memory = insn.op0_kind() == OpKind::Memory;
        let destination = if is_memory { 0 } else { register_index(insn, 0) };
        let source = if is_memory {
            Some(read_number(insn, cx)?)
        } else {
            let i = register_index(insn, 1);
            (!x87.is_empty(i)).then(|| (x87.st(i), Flags::NONE))
        };
        let compute = |a: F80, b: F80, env: &Env| {
            if reversed { operation(b, a, env) } else { operation(a, b, env) }
        };
        if combine(x87, destination, source, compute) && pops {
            x87.pop();
        }
        return Ok(true);
    }
    Ok(execute_unary(x87, insn.mnemonic()))
}

/// Computes into ST(`destination`); `source` is `None` if its register is empty. Tells whether to go on with a pop.
fn combine(
    x87: &mut X87,
    destination: u8,
    source: Option<(F80, Flags)>,
    compute: impl Fn(F80, F80, &Env) -> (F80, Flags),
) -> bool {
    let (Some((source, denormal)), false) = (source, x87.is_empty(destination)) else {
        let masked = x87.underflow();
        if masked {
            x87.set_st(destination, F80::INDEFINITE);
        }
        return masked;
    };
    let env = x87.env();
    let (value, flags) = with_memory_denormal(compute(x87.st(destination), source, &env), denormal, &env);
    let go_on = x87.record(flags);
    if go_on {
        x87.set_st(destination, value);
    }
    go_on
}

/// Adds the DE of a memory operand, which is no longer denormal once widened, as its priority wants it.
pub(super) fn with_memory_denormal((value, flags): (F80, Flags), denormal: Flags, env: &Env) -> (F80, Flags) {
    let nan = value.classify() == crate::cpu::softfloat::F80Class::Nan;
    if denormal == Flags::NONE || nan || flags.has(Flags::INVALID | Flags::DIVIDE_BY_ZERO) {
        (value, flags)
    } else if denormal.suppress_result(env.masks) {
        (value, denormal)
    } else {
        (value, flags | denormal)
    }
}

fn execute_unary(x87: &mut X87, mnemonic: Mnemonic) -> bool {
    match mnemonic {
        Mnemonic::Fchs => unary(x87, |a, _| (a.negated(), Flags::NONE)),
        Mnemonic::Fabs => unary(x87, |a, _| (a.abs(), Flags::NONE)),
        Mnemonic::Fsqrt => unary(x87, F80::sqrt),
        Mnemonic::Frndint => unary(x87, F80::round_to_integral),
        Mnemonic::Fscale => {
            let source = (!x87.is_empty(1)).then(|| (x87.st(1), Flags::NONE));
            combine(x87, 0, source, F80::scale);
        }
        Mnemonic::Fprem => remainder(x87, Remainder::Truncated),
        Mnemonic::Fprem1 => remainder(x87, Remainder::Nearest),
        Mnemonic::Fxtract => extract(x87),
        _ => return false,
    }
    true
}

/// Replaces ST(0) by a function of it.
pub(super) fn unary(x87: &mut X87, compute: impl Fn(F80, &Env) -> (F80, Flags)) {
    if x87.is_empty(0) {
        if x87.underflow() {
            x87.set_st(0, F80::INDEFINITE);
        }
        return;
    }
    let (value, flags) = compute(x87.st(0), &x87.env());
    if x87.record(flags) {
        x87.set_st(0, value);
    }
}

fn remainder(x87: &mut X87, kind: Remainder) {
    if x87.is_empty(0) || x87.is_empty(1) {
        x87.set_condition(C2, false);
        if x87.underflow() {
            x87.set_st(0, F80::INDEFINITE);
        }
        return;
    }
    let (value, quotient, flags) = x87.st(0).partial_remainder(x87.st(1), kind, &x87.env());
    let go_on = x87.record(flags);
    x87.set_condition(C2, quotient == Quotient::Incomplete);
    if !go_on {
        return;
    }
    x87.set_st(0, value);
    let bits = match quotient {
        Quotient::Complete(bits) => bits,
        Quotient::Incomplete => 0,
        Quotient::None => return,
    };
    x87.set_condition(C0, bits & 4 != 0);
    x87.set_condition(C3, bits & 2 != 0);
    x87.set_condition(C1, bits & 1 != 0);
}

fn extract(x87: &mut X87) {
    if x87.is_empty(0) {
        if x87.underflow() {
            replace_and_push(x87, F80::INDEFINITE, F80::INDEFINITE);
        }
        return;
    }
    if !x87.is_empty(7) {
        if x87.overflow() {
            replace_and_push(x87, F80::INDEFINITE, F80::INDEFINITE);
        }
        return;
    }
    let (exponent, significand, flags) = x87.st(0).extract(&x87.env());
    if x87.record(flags) {
        replace_and_push(x87, exponent, significand);
    }
}

/// Writes ST(0) and then pushes, for the instructions with two results.
pub(super) fn replace_and_push(x87: &mut X87, replacement: F80, pushed: F80) {
    x87.set_st(0, replacement);
    x87.push(pushed);
}
