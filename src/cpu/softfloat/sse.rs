//! Scalar binary32 and binary64 operations with SSE semantics, on raw bits.
//!
//! The caller ORs the returned flags into MXCSR and, if [`Flags::unmasked`] of them is not empty, raises #XM and leaves
//! the destination alone; the value is then meaningless. NaN results follow the SSE rule: the first operand if it is a
//! NaN, else the second. An invalid conversion to an integer gives the integer indefinite.

use super::arithmetic::{self, NanRule, Outcome, Relation};
use super::convert;
use super::env::{Flags, Rounding, SseEnv};
use super::round::Target;
use super::unpacked::{Class, Unpacked};

/// What `unpack` of a NaN-free operand reports in conversions.
fn with_denormal((value, flags): Outcome, operand: &Unpacked) -> Outcome {
    let checked = !operand.is_nan();
    (value, flags | Flags::DENORMAL.when(operand.denormal && checked))
}

fn to_int(value: &Unpacked, bits: u32, rounding: Rounding) -> (i64, Flags) {
    match convert::to_int(value, bits, rounding) {
        Some((value, flags)) => (value, flags & Flags::EXCEPTIONS),
        None => (-1 << (bits - 1), Flags::INVALID),
    }
}

/// MINSx and MAXSx: the second operand if either is a NaN or both are zeros; `keep` is the relation that keeps the first.
fn pick(a: &Unpacked, b: &Unpacked, keep: Relation) -> (bool, Flags) {
    let (relation, flags) = arithmetic::compare(a, b, true);
    (relation == keep, flags)
}

macro_rules! format_operations {
    ($bits:ty, $from:ident, $to:ident, $target:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $min:ident, $max:ident, $compare:ident,
     $round:ident, $from_i32:ident, $from_i64:ident, $to_i32:ident, $to_i64:ident, $to_i32t:ident, $to_i64t:ident) => {
        /// Sum (ADDSx).
        pub fn $add(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (a, b) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            let (value, flags) = arithmetic::add(&a, &b, NanRule::Sse, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// Difference (SUBSx).
        pub fn $sub(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (a, b) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            // The sign of a NaN is not turned: it would show in the result.
            let b = if b.is_nan() { b } else { b.negated() };
            let (value, flags) = arithmetic::add(&a, &b, NanRule::Sse, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// Product (MULSx).
        pub fn $mul(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (a, b) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            let (value, flags) = arithmetic::multiply(&a, &b, NanRule::Sse, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// Quotient (DIVSx).
        pub fn $div(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (a, b) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            let (value, flags) = arithmetic::divide(&a, &b, NanRule::Sse, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// Square root (SQRTSx).
        pub fn $sqrt(a: $bits, env: &SseEnv) -> ($bits, Flags) {
            let a = Unpacked::$from(a, env.daz);
            let (value, flags) = arithmetic::square_root(&a, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// Minimum (MINSx): the second operand, bits unchanged, unless the first is less.
        pub fn $min(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (first, second) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            let (keep, flags) = pick(&first, &second, Relation::Less);
            let (chosen, value) = if keep { (first, a) } else { (second, b) };
            (if chosen.is(Class::Zero) { chosen.$to() } else { value }, flags)
        }

        /// Maximum (MAXSx): the second operand, bits unchanged, unless the first is greater.
        pub fn $max(a: $bits, b: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (first, second) = (Unpacked::$from(a, env.daz), Unpacked::$from(b, env.daz));
            let (keep, flags) = pick(&first, &second, Relation::Greater);
            let (chosen, value) = if keep { (first, a) } else { (second, b) };
            (if chosen.is(Class::Zero) { chosen.$to() } else { value }, flags)
        }

        /// Compares; `signalling` makes quiet NaNs invalid (COMISx, and CMPSx with the predicates LT, LE, NLT, NLE),
        /// without it only signalling ones are (UCOMISx and the other predicates).
        pub fn $compare(a: $bits, b: $bits, signalling: bool, env: &SseEnv) -> (Relation, Flags) {
            arithmetic::compare(&Unpacked::$from(a, env.daz), &Unpacked::$from(b, env.daz), signalling)
        }

        /// Rounds to an integral value by `env.rounding` (ROUNDSx; the caller drops PE where the immediate says so).
        pub fn $round(a: $bits, env: &SseEnv) -> ($bits, Flags) {
            let (value, flags) = convert::to_integral(&Unpacked::$from(a, env.daz), env.rounding);
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// From a 32-bit integer (CVTSI2Sx).
        pub fn $from_i32(a: i32, env: &SseEnv) -> ($bits, Flags) {
            $from_i64(i64::from(a), env)
        }

        /// From a 64-bit integer (CVTSI2Sx).
        pub fn $from_i64(a: i64, env: &SseEnv) -> ($bits, Flags) {
            let (value, flags) = convert::from_i64(a, &Target::$target(env));
            (value.$to(), flags & Flags::EXCEPTIONS)
        }

        /// To a 32-bit integer by the rounding mode (CVTSx2SI).
        pub fn $to_i32(a: $bits, env: &SseEnv) -> (i32, Flags) {
            let (value, flags) = to_int(&Unpacked::$from(a, env.daz), 32, env.rounding);
            (value as i32, flags)
        }

        /// To a 64-bit integer by the rounding mode (CVTSx2SI).
        pub fn $to_i64(a: $bits, env: &SseEnv) -> (i64, Flags) {
            to_int(&Unpacked::$from(a, env.daz), 64, env.rounding)
        }

        /// To a 32-bit integer toward zero (CVTTSx2SI).
        pub fn $to_i32t(a: $bits, env: &SseEnv) -> (i32, Flags) {
            $to_i32(a, &env.with_rounding(Rounding::Zero))
        }

        /// To a 64-bit integer toward zero (CVTTSx2SI).
        pub fn $to_i64t(a: $bits, env: &SseEnv) -> (i64, Flags) {
            $to_i64(a, &env.with_rounding(Rounding::Zero))
        }
    };
}

format_operations!(
    u32,
    from_binary32,
    to_binary32,
    sse32,
    add32,
    sub32,
    mul32,
    div32,
    sqrt32,
    min32,
    max32,
    compare32,
    round32,
    i32_to_f32,
    i64_to_f32,
    f32_to_i32,
    f32_to_i64,
    f32_to_i32_truncate,
    f32_to_i64_truncate
);

format_operations!(
    u64,
    from_binary64,
    to_binary64,
    sse64,
    add64,
    sub64,
    mul64,
    div64,
    sqrt64,
    min64,
    max64,
    compare64,
    round64,
    i32_to_f64,
    i64_to_f64,
    f64_to_i32,
    f64_to_i64,
    f64_to_i32_truncate,
    f64_to_i64_truncate
);

/// Widens (CVTSS2SD).
pub fn f32_to_f64(a: u32, env: &SseEnv) -> (u64, Flags) {
    let a = Unpacked::from_binary32(a, env.daz);
    let (value, flags) = with_denormal(convert::to_format(&a, &Target::sse64(env)), &a);
    (value.to_binary64(), flags & Flags::EXCEPTIONS)
}

/// Narrows (CVTSD2SS).
pub fn f64_to_f32(a: u64, env: &SseEnv) -> (u32, Flags) {
    let a = Unpacked::from_binary64(a, env.daz);
    let denormal = Flags::DENORMAL.when(a.denormal);
    if denormal.suppress_result(env.masks) {
        return (0, denormal);
    }
    let (value, flags) = convert::to_format(&a, &Target::sse32(env));
    (value.to_binary32(), (flags | denormal) & Flags::EXCEPTIONS)
}
