//! Stack handling of the transcendental instructions; the functions are in `softfloat::transcendental`.

use iced_x86::Mnemonic;

use super::arithmetic::{replace_and_push, unary};
use super::{C2, X87};
use crate::cpu::softfloat::transcendental as functions;
use crate::cpu::softfloat::{Env, F80, Flags};

/// Returns whether the instruction was of this family.
pub(super) fn execute(x87: &mut X87, mnemonic: Mnemonic) -> bool {
    match mnemonic {
        Mnemonic::F2xm1 => unary(x87, functions::exponential_minus_one),
        Mnemonic::Fyl2x => into_st1(x87, functions::y_log2_x),
        Mnemonic::Fyl2xp1 => into_st1(x87, functions::y_log2_x_plus_one),
        Mnemonic::Fpatan => into_st1(x87, functions::arctangent_of_quotient),
        Mnemonic::Fsin => circular(x87, functions::sine),
        Mnemonic::Fcos => circular(x87, functions::cosine),
        Mnemonic::Fptan => two_results(x87, tangent_and_one),
        Mnemonic::Fsincos => two_results(x87, sine_and_cosine),
        _ => return false,
    }
    true
}

/// ST(1) and ST(0) into ST(1), then a pop.
fn into_st1(x87: &mut X87, function: impl Fn(F80, F80, &Env) -> (F80, Flags)) {
    let empty = x87.is_empty(0) || x87.is_empty(1);
    let (value, flags) = match empty {
        true => (F80::INDEFINITE, Flags::INVALID | Flags::STACK),
        false => function(x87.st(1), x87.st(0), &x87.env()),
    };
    if x87.record(flags) {
        x87.set_st(1, value);
        x87.pop();
    }
}

/// FSIN and FCOS. An argument out of range stays, and C2 tells so.
fn circular(x87: &mut X87, function: impl Fn(F80, &Env) -> Option<(F80, Flags)>) {
    let computed = match x87.is_empty(0) {
        true => Some((F80::INDEFINITE, Flags::INVALID | Flags::STACK)),
        false => function(x87.st(0), &x87.env()),
    };
    x87.set_condition(C2, computed.is_none());
    let (value, flags) = computed.unwrap_or((x87.st(0), Flags::NONE));
    if x87.record(flags) {
        x87.set_st(0, value);
    }
}

type Pair = Option<(F80, F80, Flags)>;

fn tangent_and_one(x: F80, env: &Env) -> Pair {
    let (tangent, flags) = functions::tangent(x, env)?;
    let nan = tangent.classify() == crate::cpu::softfloat::F80Class::Nan;
    Some((tangent, if nan { tangent } else { F80::ONE }, flags))
}

/// C1 tells of the sine's rounding.
fn sine_and_cosine(x: F80, env: &Env) -> Pair {
    let (sine, flags) = functions::sine(x, env)?;
    let (cosine, more) = functions::cosine(x, env)?;
    Some((sine, cosine, flags | more & Flags::EXCEPTIONS))
}

/// FPTAN and FSINCOS: one result replaces ST(0), the other is pushed.
fn two_results(x87: &mut X87, function: impl Fn(F80, &Env) -> Pair) {
    let invalid = (F80::INDEFINITE, F80::INDEFINITE, Flags::INVALID | Flags::STACK);
    let computed = if x87.is_empty(0) {
        Some(invalid)
    } else if !x87.is_empty(7) {
        Some((invalid.0, invalid.1, invalid.2 | Flags::ROUNDED_UP))
    } else {
        function(x87.st(0), &x87.env())
    };
    x87.set_condition(C2, computed.is_none());
    let Some((replacement, pushed, flags)) = computed else {
        x87.record(Flags::NONE);
        return;
    };
    if x87.record(flags) {
        replace_and_push(x87, replacement, pushed);
    }
}
