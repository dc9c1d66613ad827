//! Floating point in integers: binary32, binary64 and the x87 double-extended format with x86 semantics.
//!
//! One algorithm serves all formats: operands are unpacked to a 64-bit significand, an operation makes an exact (or
//! sticky-jammed) 128-bit significand, and one rounding function brings it to the target format. Results and exception
//! flags are equal on every host. There is no host floating point here, so nothing depends on the host's environment.
//! Source of the rules: Intel SDM Vol. 1, chapters 4.8, 4.9, 8.5 and 11.5.

mod arithmetic;
mod convert;
mod env;
mod f80;
mod remainder;
mod round;
mod sse;
pub mod transcendental;
mod unpacked;

pub use arithmetic::Relation;
pub use env::{Env, Flags, Precision, Rounding, SseEnv};
pub use f80::{F80, F80Class};
pub use remainder::{Quotient, Remainder};
pub use sse::*;

#[cfg(test)]
mod tests;
