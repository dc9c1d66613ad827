//! Add, multiply, divide, square root and compare on unpacked operands, for all formats and both NaN rules.
//!
//! Order of checks, as the priorities of SDM Vol. 1, 4.9.2: unsupported operands and NaNs, other invalid operations and
//! division by zero, denormal operands, and only then the result with its overflow, underflow and inexactness.

use super::env::{Flags, Rounding};
use super::round::{Target, Wide, round, shift_right_sticky};
use super::unpacked::{Class, Unpacked};

/// Which NaN an operation with NaN operands gives (SDM Vol. 1, table 4-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NanRule {
    /// A quiet NaN before a signalling one, else the larger significand.
    X87,
    /// The first operand if it is a NaN, else the second.
    Sse,
}

/// How two numbers stand to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The first is less.
    Less,
    /// Equal; zeros of both signs are.
    Equal,
    /// The first is greater.
    Greater,
    /// At least one is a NaN or an unsupported encoding.
    Unordered,
}

pub(super) type Outcome = (Unpacked, Flags);

pub(super) const fn invalid() -> Outcome {
    (Unpacked::indefinite(), Flags::INVALID)
}

/// The result of an operation one of whose operands is a NaN or unsupported; `None` if neither is.
#[inline]
pub(super) fn propagate_nan(a: &Unpacked, b: &Unpacked, rule: NanRule) -> Option<Outcome> {
    let plain = |x: &Unpacked| matches!(x.class, Class::Zero | Class::Finite | Class::Infinity);
    if plain(a) && plain(b) {
        return None;
    }
    Some(propagate_nan_cold(a, b, rule))
}

#[cold]
fn propagate_nan_cold(a: &Unpacked, b: &Unpacked, rule: NanRule) -> Outcome {
    if a.is(Class::Unsupported) || b.is(Class::Unsupported) {
        return invalid();
    }
    let signalling = a.is(Class::SignallingNan) || b.is(Class::SignallingNan);
    let chosen = match (a.is_nan(), b.is_nan()) {
        (true, false) => a,
        (false, _) => b,
        (true, true) => match rule {
            NanRule::Sse => a,
            NanRule::X87 => larger_nan(a, b),
        },
    };
    (chosen.quieted(), Flags::INVALID.when(signalling))
}

fn larger_nan<'a>(a: &'a Unpacked, b: &'a Unpacked) -> &'a Unpacked {
    match (a.class, b.class) {
        (Class::SignallingNan, Class::QuietNan) => b,
        (Class::QuietNan, Class::SignallingNan) => a,
        _ if a.sig != b.sig => {
            if a.sig > b.sig {
                a
            } else {
                b
            }
        }
        // Equal significands: the positive one.
        _ if a.sign => b,
        _ => a,
    }
}

/// The single-operand form of [`propagate_nan`].
pub(super) fn propagate_one_nan(a: &Unpacked) -> Option<Outcome> {
    match a.class {
        Class::Unsupported => Some(invalid()),
        Class::QuietNan => Some((*a, Flags::NONE)),
        Class::SignallingNan => Some((a.quieted(), Flags::INVALID)),
        _ => None,
    }
}

pub(super) const fn denormal_flag(a: &Unpacked, b: &Unpacked) -> Flags {
    Flags::DENORMAL.when(a.denormal || b.denormal)
}

/// Adds to the flags of operand checks those of a rounded result.
#[inline]
pub(super) fn rounded(value: Wide, flags: Flags, target: &Target) -> Outcome {
    let (result, more) = round(value, target);
    (result, flags | more)
}

#[inline]
pub(super) fn add(a: &Unpacked, b: &Unpacked, rule: NanRule, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_nan(a, b, rule) {
        return outcome;
    }
    let infinite = (a.is(Class::Infinity), b.is(Class::Infinity));
    if infinite == (true, true) && a.sign != b.sign {
        return invalid();
    }
    let flags = denormal_flag(a, b);
    if flags.suppress_result(target.masks) {
        return (Unpacked::indefinite(), flags);
    }
    match infinite {
        (true, _) => (*a, flags),
        (_, true) => (*b, flags),
        _ => rounded(sum(a, b, target.rounding), flags, target),
    }
}

/// The sum of two finite numbers, sticky in bit 0.
#[inline]
fn sum(a: &Unpacked, b: &Unpacked, rounding: Rounding) -> Wide {
    // A zero takes part with the other's exponent, so that nothing is shifted.
    let exp_of = |x: &Unpacked, other: &Unpacked| if x.sig == 0 { other.exp } else { x.exp };
    let (a_exp, b_exp) = (exp_of(a, b), exp_of(b, a));
    let exp = a_exp.max(b_exp);
    let aligned = |x: &Unpacked, x_exp: i32| shift_right_sticky(u128::from(x.sig) << 63, exp.abs_diff(x_exp));
    let (a_sig, b_sig) = (aligned(a, a_exp), aligned(b, b_exp));
    let exp = exp + 1;
    if a.sign == b.sign {
        return Wide { sign: a.sign, exp, sig: a_sig + b_sig };
    }
    let (sign, sig) = if a_sig >= b_sig { (a.sign, a_sig - b_sig) } else { (b.sign, b_sig - a_sig) };
    let sign = if sig == 0 { rounding == Rounding::Down } else { sign };
    Wide { sign, exp, sig }
}

#[inline]
pub(super) fn multiply(a: &Unpacked, b: &Unpacked, rule: NanRule, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_nan(a, b, rule) {
        return outcome;
    }
    let infinite = a.is(Class::Infinity) || b.is(Class::Infinity);
    if infinite && (a.is(Class::Zero) || b.is(Class::Zero)) {
        return invalid();
    }
    let flags = denormal_flag(a, b);
    if flags.suppress_result(target.masks) {
        return (Unpacked::indefinite(), flags);
    }
    let sign = a.sign != b.sign;
    if infinite {
        return (Unpacked::infinity(sign), flags);
    }
    let sig = u128::from(a.sig) * u128::from(b.sig);
    rounded(Wide { sign, exp: a.exp + b.exp + 1, sig }, flags, target)
}

#[inline]
pub(super) fn divide(a: &Unpacked, b: &Unpacked, rule: NanRule, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_nan(a, b, rule) {
        return outcome;
    }
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => return invalid(),
        (Class::Finite, Class::Zero) => {
            // A denormal dividend is not reported beside this.
            return (Unpacked::infinity(sign), Flags::DIVIDE_BY_ZERO);
        }
        _ => {}
    }
    let flags = denormal_flag(a, b);
    if flags.suppress_result(target.masks) {
        return (Unpacked::indefinite(), flags);
    }
    match (a.class, b.class) {
        (Class::Infinity, _) => (Unpacked::infinity(sign), flags),
        (Class::Zero, _) | (_, Class::Infinity) => (Unpacked::zero(sign), flags),
        _ => {
            let sig = ratio(a.sig, b.sig);
            rounded(Wide { sign, exp: a.exp - b.exp, sig }, flags, target)
        }
    }
}

/// a/b * 2^127 of two normalised significands, sticky in bit 0.
#[inline]
fn ratio(a: u64, b: u64) -> u128 {
    let (dividend, divisor) = (u128::from(a) << 63, u128::from(b));
    let (high, rest) = (dividend / divisor, dividend % divisor);
    let rest = rest << 64;
    let (low, rest) = (rest / divisor, rest % divisor);
    high << 64 | low | u128::from(rest != 0)
}

#[inline]
pub(super) fn square_root(a: &Unpacked, target: &Target) -> Outcome {
    if let Some(outcome) = propagate_one_nan(a) {
        return outcome;
    }
    if a.is(Class::Zero) {
        return (*a, Flags::NONE);
    }
    if a.sign {
        return invalid();
    }
    if a.is(Class::Infinity) {
        return (*a, Flags::NONE);
    }
    let flags = Flags::DENORMAL.when(a.denormal);
    if flags.suppress_result(target.masks) {
        return (Unpacked::indefinite(), flags);
    }
    // The radicand is sig * 2^64 or 2^63, so that the exponent halves evenly; its root has 64 bits.
    let radicand = u128::from(a.sig) << (63 + (a.exp & 1));
    let root = radicand.isqrt();
    let rest = radicand - root * root;
    // Never half way: (root + 1/2)^2 is not an integer. Two bits below the root tell on which side of it the value is.
    let below: u128 = match rest {
        0 => 0,
        _ if rest > root => 3 << 62,
        _ => 1 << 62,
    };
    rounded(Wide { sign: false, exp: a.exp >> 1, sig: root << 64 | below }, flags, target)
}

/// Compares; a signalling comparison makes quiet NaNs invalid too.
pub(super) fn compare(a: &Unpacked, b: &Unpacked, signalling: bool) -> (Relation, Flags) {
    if propagate_nan(a, b, NanRule::Sse).is_some() {
        let refused = |x: &Unpacked| match x.class {
            Class::Unsupported | Class::SignallingNan => true,
            Class::QuietNan => signalling,
            _ => false,
        };
        return (Relation::Unordered, Flags::INVALID.when(refused(a) || refused(b)));
    }
    let flags = denormal_flag(a, b);
    (order(a, b), flags)
}

fn order(a: &Unpacked, b: &Unpacked) -> Relation {
    let magnitude = |x: &Unpacked| match x.class {
        Class::Zero => (0, 0, 0),
        Class::Infinity => (2, 0, 0),
        _ => (1, x.exp, x.sig),
    };
    let (ma, mb) = (magnitude(a), magnitude(b));
    let both_zero = a.is(Class::Zero) && b.is(Class::Zero);
    let less = match (a.sign, b.sign) {
        _ if both_zero => return Relation::Equal,
        (false, true) => false,
        (true, false) => true,
        _ if ma == mb => return Relation::Equal,
        (false, false) => ma < mb,
        (true, true) => ma > mb,
    };
    if less { Relation::Less } else { Relation::Greater }
}
