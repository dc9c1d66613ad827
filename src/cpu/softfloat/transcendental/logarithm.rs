//! F2XM1, FYL2X and FYL2XP1.
//!
//! Outside the ranges that the SDM defines: F2XM1 of more than one in magnitude leaves its operand, FYL2XP1 computes
//! wherever the logarithm exists, and from -1 down gives `x`. Finite results are always reported as inexact, exact ones
//! too. Both as the processors at hand do.

use super::real::{LN_2, ONE, Real};
use super::series::{exponential_ratio, log2_of_ratio};
use super::{finish, finish_exact, prepare, prepare_two};
use crate::cpu::softfloat::arithmetic::{Outcome, denormal_flag, invalid};
use crate::cpu::softfloat::unpacked::{Class, Unpacked};
use crate::cpu::softfloat::{Env, F80, Flags};

/// 2^x - 1.
pub fn exponential_minus_one(x: F80, env: &Env) -> (F80, Flags) {
    let x = x.unpack();
    let (value, flags) = prepare(&x, env).unwrap_or_else(|flags| match x.class {
        Class::Infinity if x.sign => (F80::ONE.negated().unpack(), flags),
        Class::Zero | Class::Infinity => (x, flags),
        _ if x.exp > 0 || x.exp == 0 && x.sig != 1 << 63 => (x, flags | Flags::PRECISION),
        // 2^1 - 1 = 1 and 2^-1 - 1 = -1/2 are the only exact ones.
        _ if x.exp == 0 => (Unpacked::finite(x.sign, -i32::from(x.sign), 1 << 63), flags | Flags::PRECISION),
        _ => {
            let y = Real::from_unpacked(&x).mul(LN_2);
            let ratio = Real::from_fixed(exponential_ratio(y.fraction(), y.sign));
            finish(y.mul(ratio), flags, env)
        }
    });
    (F80::from_unpacked(value), flags)
}

/// y * log2(x) (FYL2X: `y` is ST(1), `x` is ST(0)).
pub fn y_log2_x(y: F80, x: F80, env: &Env) -> (F80, Flags) {
    let (y, x) = (y.unpack(), x.unpack());
    let (value, flags) = if x.sign && matches!(x.class, Class::Finite | Class::Infinity) && !is_nan(&y) {
        invalid()
    } else if x.is(Class::Zero) && y.is(Class::Finite) {
        (Unpacked::infinity(!y.sign), Flags::DIVIDE_BY_ZERO)
    } else {
        prepare_two(&y, &x, env).unwrap_or_else(|()| {
            let logarithm = match x.class {
                Class::Zero => Logarithm::Infinite(true),
                Class::Infinity => Logarithm::Infinite(false),
                _ => log2(&x),
            };
            multiply(&y, logarithm, denormal_flag(&y, &x), env)
        })
    };
    (F80::from_unpacked(value), flags)
}

/// y * log2(x + 1) (FYL2XP1: `y` is ST(1), `x` is ST(0)).
pub fn y_log2_x_plus_one(y: F80, x: F80, env: &Env) -> (F80, Flags) {
    let (y, x) = (y.unpack(), x.unpack());
    let (value, flags) = prepare_two(&y, &x, env).unwrap_or_else(|()| {
        let flags = denormal_flag(&y, &x);
        let logarithm = match x.class {
            Class::Infinity if x.sign => return invalid(),
            Class::Zero => Logarithm::Zero(x.sign),
            Class::Infinity => Logarithm::Infinite(false),
            _ if x.sign && x.exp >= 0 && y.is(Class::Finite) => {
                return (x, flags | Flags::PRECISION);
            }
            _ if x.sign && x.exp >= 0 => Logarithm::Infinite(true),
            _ => log2_plus_one(&x),
        };
        multiply_unless_zero(&y, logarithm, flags, env)
    });
    (F80::from_unpacked(value), flags)
}

fn is_nan(value: &Unpacked) -> bool {
    value.is_nan() || value.is(Class::Unsupported)
}

/// A logarithm to be multiplied.
enum Logarithm {
    /// Of the sign given.
    Infinite(bool),
    /// Of the sign given.
    Zero(bool),
    /// Of a power of two.
    Exact(i32),
    Inexact(Real),
}

/// Of a positive finite number.
fn log2(x: &Unpacked) -> Logarithm {
    if x.sig == 1 << 63 {
        return if x.exp == 0 { Logarithm::Zero(false) } else { Logarithm::Exact(x.exp) };
    }
    Logarithm::Inexact(log2_of_real(Real::from_unpacked(x)))
}

fn log2_of_real(x: Real) -> Real {
    const SQRT_2: u128 = 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let halved = x.sig > SQRT_2;
    let exponent = x.exp + i32::from(halved);
    let mantissa = Real { sign: false, exp: -i32::from(halved), sig: x.sig };
    let s = mantissa.sub(Real::one()).div(mantissa.add(Real::one()));
    Real::from_i32(exponent).add(log2_of_ratio(s))
}

/// Of one more than a finite number above -1.
fn log2_plus_one(x: &Unpacked) -> Logarithm {
    let x = Real::from_unpacked(x);
    // Up to a quarter the ratio keeps the relative accuracy; beyond, the sum does.
    if x.exp < -2 {
        return Logarithm::Inexact(log2_of_ratio(x.div(Real::one().times_power_of_two(1).add(x))));
    }
    let sum = x.add(Real::one());
    let exact = sum.sig == ONE && x.exp < 64;
    if exact { Logarithm::Exact(sum.exp) } else { Logarithm::Inexact(log2_of_real(sum)) }
}

/// [`multiply`] for a logarithm that cannot be that of zero.
fn multiply_unless_zero(y: &Unpacked, logarithm: Logarithm, flags: Flags, env: &Env) -> Outcome {
    match (y.class, &logarithm) {
        (Class::Zero, Logarithm::Infinite(true)) => (Unpacked::zero(!y.sign), flags),
        _ => multiply(y, logarithm, flags, env),
    }
}

fn multiply(y: &Unpacked, logarithm: Logarithm, flags: Flags, env: &Env) -> Outcome {
    let (zero, infinite, negative) = match &logarithm {
        Logarithm::Infinite(sign) => (false, true, *sign),
        Logarithm::Zero(sign) => (true, false, *sign),
        Logarithm::Exact(value) => (false, false, *value < 0),
        Logarithm::Inexact(value) => (false, false, value.sign),
    };
    let sign = y.sign != negative;
    match y.class {
        Class::Zero if infinite => invalid(),
        Class::Infinity if zero => invalid(),
        Class::Zero => (Unpacked::zero(sign), flags),
        Class::Infinity => (Unpacked::infinity(sign), flags),
        _ => match logarithm {
            Logarithm::Zero(_) => (Unpacked::zero(sign), flags),
            Logarithm::Infinite(_) => (Unpacked::infinity(sign), flags),
            Logarithm::Exact(value) => finish_exact(exact_product(y, value), flags | Flags::PRECISION, env),
            Logarithm::Inexact(value) => finish(Real::from_unpacked(y).mul(value), flags, env),
        },
    }
}

fn exact_product(y: &Unpacked, factor: i32) -> Real {
    let sig = u128::from(y.sig) * u128::from(factor.unsigned_abs());
    Real::from_u128(y.sign != (factor < 0), y.exp + 64, sig)
}
