//! The x87 transcendental functions, in integers.
//!
//! They are computed to about 120 bits and then rounded once, by the rounding mode and to 64 bits whatever the precision
//! control: the result is the correctly rounded one but for arguments that chance puts within 2^-120 of a rounding
//! boundary. Hardware is only promised to be within one unit of the last place, so results may differ from a
//! processor's in the last bit; they are equal on all hosts.

mod logarithm;
mod real;
mod series;
mod trigonometry;

pub use logarithm::{exponential_minus_one, y_log2_x, y_log2_x_plus_one};
pub use trigonometry::{arctangent_of_quotient, cosine_of as cosine, sine, tangent};

use super::arithmetic::{NanRule, Outcome, denormal_flag, propagate_nan, propagate_one_nan, rounded};
use super::env::{Env, Flags};
use super::round::Target;
use super::unpacked::Unpacked;
use real::Real;

/// The outcome of a NaN or of an unmasked denormal; otherwise the flags to go on with.
fn prepare(x: &Unpacked, env: &Env) -> Result<Outcome, Flags> {
    if let Some(outcome) = propagate_one_nan(x) {
        return Ok(outcome);
    }
    let flags = Flags::DENORMAL.when(x.denormal);
    if flags.suppress_result(env.masks) { Ok((*x, flags)) } else { Err(flags) }
}

fn prepare_two(a: &Unpacked, b: &Unpacked, env: &Env) -> Result<Outcome, ()> {
    if let Some(outcome) = propagate_nan(a, b, NanRule::X87) {
        return Ok(outcome);
    }
    let flags = denormal_flag(a, b);
    if flags.suppress_result(env.masks) { Ok((*a, flags)) } else { Err(()) }
}

/// Rounds a value that is known to be irrational.
fn finish(value: Real, flags: Flags, env: &Env) -> Outcome {
    finish_exact(Real { sig: value.sig | 1, ..value }, flags, env)
}

fn finish_exact(value: Real, flags: Flags, env: &Env) -> Outcome {
    rounded(value, flags, &Target::x87(&env.extended()))
}
