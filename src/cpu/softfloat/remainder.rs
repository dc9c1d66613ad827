//! The partial remainder of FPREM and FPREM1 (SDM Vol. 2, FPREM).
//!
//! An exponent difference below 64 is finished in one step. Otherwise a step reduces it by 32 + (difference mod 32), the
//! choice within the SDM's 32 to 63 that processors make, so that the number of steps is that of hardware.

use super::arithmetic::{NanRule, Outcome, denormal_flag, invalid, propagate_nan, rounded};
use super::round::{Target, Wide};
use super::unpacked::{Class, Unpacked};

/// Which remainder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remainder {
    /// FPREM: the quotient is truncated.
    Truncated,
    /// FPREM1: the quotient is rounded to nearest even (IEEE 754).
    Nearest,
}

/// What is known of the quotient after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quotient {
    /// The reduction is complete; the low three bits of the quotient's magnitude.
    Complete(u8),
    /// The exponent difference was too large: another step is needed.
    Incomplete,
    /// An operand was a NaN or the operation invalid: there is no quotient.
    None,
}

pub(super) fn partial_remainder(a: &Unpacked, b: &Unpacked, kind: Remainder, target: &Target) -> (Outcome, Quotient) {
    let special = |outcome| (outcome, Quotient::None);
    if let Some(outcome) = propagate_nan(a, b, NanRule::X87) {
        return special(outcome);
    }
    if a.is(Class::Infinity) || b.is(Class::Zero) {
        return special(invalid());
    }
    let flags = denormal_flag(a, b);
    if flags.suppress_result(target.masks) {
        return special((Unpacked::indefinite(), flags));
    }
    if a.is(Class::Zero) {
        return ((*a, flags), Quotient::Complete(0));
    }
    let (value, quotient) = step(a, b, kind);
    (rounded(value, flags, target), quotient)
}

/// One step on finite nonzero `a` and nonzero `b`; the remainder is exact.
fn step(a: &Unpacked, b: &Unpacked, kind: Remainder) -> (Wide, Quotient) {
    let difference = a.exp - b.exp;
    if b.is(Class::Infinity) || difference < -1 {
        return (Wide::from_unpacked(a), Quotient::Complete(0));
    }
    if difference >= 64 {
        let reduced = 32 + difference % 32;
        let rest = (u128::from(a.sig) << reduced) % u128::from(b.sig);
        let exp = b.exp + difference - reduced;
        return (Wide { sign: a.sign, exp, sig: rest << 64 }, Quotient::Incomplete);
    }
    // Both in units of the smaller exponent; difference -1 makes the divisor the longer one.
    let exp = a.exp.min(b.exp);
    let dividend = u128::from(a.sig) << difference.max(0);
    let divisor = u128::from(b.sig) << -difference.min(0);
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let twice = rest << 1;
    let round_up = kind == Remainder::Nearest && (twice > divisor || (twice == divisor && quotient & 1 == 1));
    let (quotient, rest, flip) = if round_up { (quotient + 1, divisor - rest, true) } else { (quotient, rest, false) };
    // A complete remainder is at most the divisor, below 2^65: it fits under a shift of 63.
    let value = Wide { sign: a.sign != flip && rest != 0 || a.sign && rest == 0, exp: exp + 1, sig: rest << 63 };
    (value, Quotient::Complete((quotient & 7) as u8))
}
