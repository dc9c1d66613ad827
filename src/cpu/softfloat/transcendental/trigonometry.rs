//! FSIN, FCOS, FSINCOS, FPTAN and FPATAN.
//!
//! Arguments are reduced with the 66-bit pi of Intel's x87 (SDM Vol. 1, 8.3.8), exactly: the result is the correctly
//! reduced function of that pi, as on hardware, and so loses accuracy near multiples of the true pi just as it does
//! there. From 2^63 on there is no result and C2 tells so.

use super::real::{PI, Real};
use super::series::{arctangent, cosine, sine_ratio};
use super::{finish, prepare, prepare_two};
use crate::cpu::softfloat::arithmetic::{Outcome, denormal_flag, invalid};
use crate::cpu::softfloat::unpacked::{Class, Unpacked};
use crate::cpu::softfloat::{Env, F80, Flags};

/// pi * 2^64 cut to 66 bits; an odd number.
const PI_66: u128 = 0x3_243f_6a88_85a3_08d3;

/// An argument as k * pi/2 + r, |r| at most pi/4.
struct Reduced {
    quadrant: u8,
    rest: Real,
}

/// `x` is finite, nonzero and below 2^63 in magnitude.
fn reduce(x: &Unpacked) -> Reduced {
    if x.exp < -2 {
        return Reduced { quadrant: 0, rest: Real::from_unpacked(x) };
    }
    // In units of 2^-65 both the argument and pi/2 are integers.
    let argument = u128::from(x.sig) << (x.exp + 2);
    let (mut turns, mut rest) = (argument / PI_66, argument % PI_66);
    let above = rest > PI_66 / 2;
    if above {
        turns += 1;
        rest = PI_66 - rest;
    }
    let quadrant = (turns & 3) as u8;
    let quadrant = if x.sign { (4 - quadrant) & 3 } else { quadrant };
    Reduced { quadrant, rest: Real::from_u128(x.sign != above, 62, rest) }
}

impl Reduced {
    fn sine_of_rest(&self) -> Real {
        self.rest.mul(Real::from_fixed(sine_ratio(self.square())))
    }

    fn cosine_of_rest(&self) -> Real {
        Real::from_fixed(cosine(self.square()))
    }

    fn square(&self) -> u128 {
        self.rest.mul(self.rest).fraction()
    }

    fn sine(&self) -> Real {
        let value = if self.quadrant & 1 == 0 { self.sine_of_rest() } else { self.cosine_of_rest() };
        if self.quadrant & 2 == 0 { value } else { value.negated() }
    }

    fn cosine(&self) -> Real {
        Self { quadrant: (self.quadrant + 1) & 3, rest: self.rest }.sine()
    }

    fn tangent(&self) -> Real {
        // One division of nearly equal ratios, so that a tiny argument comes out not below itself.
        let square = self.square();
        let (sine, cosine) = (Real::from_fixed(sine_ratio(square)), Real::from_fixed(cosine(square)));
        if self.quadrant & 1 == 0 { self.rest.mul(sine.div(cosine)) } else { cosine.div(self.rest.mul(sine)).negated() }
    }
}

fn out_of_range(x: &Unpacked) -> bool {
    x.is(Class::Finite) && x.exp >= 63
}

/// Applies a function of the reduced argument; `at_zero` gives its value at a zero. `None` if out of range.
fn circular(
    x: F80,
    env: &Env,
    at_zero: impl Fn(&Unpacked) -> Unpacked,
    function: impl Fn(&Reduced) -> Real,
) -> Option<(F80, Flags)> {
    let x = x.unpack();
    if out_of_range(&x) {
        return None;
    }
    let (value, flags) = prepare(&x, env).unwrap_or_else(|flags| match x.class {
        Class::Infinity => invalid(),
        Class::Zero => (at_zero(&x), flags),
        _ => finish(function(&reduce(&x)), flags, env),
    });
    Some((F80::from_unpacked(value), flags))
}

/// Sine; `None` from 2^63 on.
pub fn sine(x: F80, env: &Env) -> Option<(F80, Flags)> {
    circular(x, env, |zero| *zero, Reduced::sine)
}

/// Cosine; `None` from 2^63 on.
pub fn cosine_of(x: F80, env: &Env) -> Option<(F80, Flags)> {
    circular(x, env, |_| F80::ONE.unpack(), Reduced::cosine)
}

/// Tangent; `None` from 2^63 on.
pub fn tangent(x: F80, env: &Env) -> Option<(F80, Flags)> {
    circular(x, env, |zero| *zero, Reduced::tangent)
}

/// Angle of the point (`x`, `y`), from -pi to pi (FPATAN: `y` is ST(1), `x` is ST(0)).
pub fn arctangent_of_quotient(y: F80, x: F80, env: &Env) -> (F80, Flags) {
    let (y, x) = (y.unpack(), x.unpack());
    let (value, flags) = prepare_two(&y, &x, env).unwrap_or_else(|()| angle(&y, &x, env));
    (F80::from_unpacked(value), flags)
}

fn angle(y: &Unpacked, x: &Unpacked, env: &Env) -> Outcome {
    let flags = denormal_flag(y, x);
    let with_sign_of_y = |value: Real| finish(Real { sign: y.sign, ..value }, flags, env);
    let quarter = PI.times_power_of_two(-2);
    match (y.class, x.class) {
        (Class::Infinity, Class::Infinity) if x.sign => with_sign_of_y(PI.sub(quarter)),
        (Class::Infinity, Class::Infinity) => with_sign_of_y(quarter),
        (Class::Zero, _) | (_, Class::Infinity) if x.sign => with_sign_of_y(PI),
        (Class::Zero, _) | (_, Class::Infinity) => (Unpacked::zero(y.sign), flags),
        (Class::Infinity, _) | (_, Class::Zero) => with_sign_of_y(PI.times_power_of_two(-1)),
        _ => with_sign_of_y(finite_angle(Real::from_unpacked(y).abs(), Real::from_unpacked(x))),
    }
}

/// The angle for positive `y`.
fn finite_angle(y: Real, x: Real) -> Real {
    let run = x.abs();
    let steep = (y.exp, y.sig) > (run.exp, run.sig);
    let acute = if steep { PI.times_power_of_two(-1).sub(arctangent(run.div(y))) } else { arctangent(y.div(run)) };
    if x.sign { PI.sub(acute) } else { acute }
}
