//! Known answers, for hosts that have no SSE to ask.

use crate::cpu::softfloat::*;

fn default_env() -> SseEnv {
    SseEnv::from_mxcsr(0x1f80)
}

fn f80_env(fcw: u16) -> Env {
    Env::from_fcw(fcw)
}

#[test]
fn one_tenth_plus_two_tenths_is_famous() {
    let (sum, flags) = add64(0.1f64.to_bits(), 0.2f64.to_bits(), &default_env());
    assert_eq!((sum, flags), (0x3fd3_3333_3333_3334, Flags::PRECISION));
}

#[test]
fn tininess_is_detected_after_rounding() {
    // The largest denormal-looking product that rounds up to the least normal number: inexact, not tiny.
    let almost_one = 0x3fef_ffff_ffff_ffff;
    let least_normal = 0x0010_0000_0000_0000;
    let (product, flags) = mul64(least_normal + 1, almost_one - 1, &default_env());
    assert_eq!((product, flags), (least_normal, Flags::PRECISION));
}

#[test]
fn flush_to_zero_keeps_the_sign_and_tells_underflow() {
    let env = SseEnv { ftz: true, ..default_env() };
    let (product, flags) = mul64(0x8010_0000_0000_0000, 0x3fe0_0000_0000_0000, &env);
    assert_eq!((product, flags), (1 << 63, Flags::UNDERFLOW | Flags::PRECISION));
}

#[test]
fn denormals_are_zeros_divides_by_zero() {
    let env = SseEnv { daz: true, ..default_env() };
    let (quotient, flags) = div64(1f64.to_bits(), 1, &env);
    assert_eq!((quotient, flags), (f64::INFINITY.to_bits(), Flags::DIVIDE_BY_ZERO));
}

#[test]
fn sse_takes_the_first_nan_and_x87_the_larger() {
    let (small, large) = (0x7ff8_0000_0000_0001, 0xfff8_0000_0000_0002);
    assert_eq!(add64(small, large, &default_env()), (small, Flags::NONE));
    let widened = |bits| F80::from_f64_bits(bits).0;
    let (nan, flags) = widened(small).add(widened(large), &f80_env(0x37f));
    assert_eq!((nan, flags), (widened(large), Flags::NONE));
}

#[test]
fn precision_control_rounds_the_significand_but_not_the_exponent() {
    let third = F80::ONE.div(F80::from_i64(3), &f80_env(0x07f));
    let flags = Flags::PRECISION | Flags::ROUNDED_UP;
    assert_eq!(third, (F80::new(0x3ffd, 0xaaaa_ab00_0000_0000), flags));
    let tiny = F80::new(1, 1 << 63);
    assert_eq!(tiny.add(tiny, &f80_env(0x07f)), (F80::new(2, 1 << 63), Flags::NONE));
}

#[test]
fn unmasked_overflow_wraps_the_exponent() {
    let huge = F80::new(0x7ffe, 1 << 63);
    let (product, flags) = huge.mul(huge, &f80_env(0x377));
    assert_eq!((product, flags), (F80::new(0x7ffe + 0x3fff - 24576, 1 << 63), Flags::OVERFLOW));
}

#[test]
fn unnormals_are_invalid_operands() {
    let unnormal = F80::new(0x4000, 1);
    assert_eq!(unnormal.add(F80::ONE, &f80_env(0x37f)), (F80::INDEFINITE, Flags::INVALID));
}

#[test]
fn transcendental_values_are_correctly_rounded() {
    use transcendental::*;
    let env = f80_env(0x37f);
    let value = |(value, _): (F80, Flags)| value;
    assert_eq!(value(arctangent_of_quotient(F80::ONE, F80::ONE, &env)), F80::new(0x3ffe, 0xc90f_daa2_2168_c235));
    assert_eq!(value(y_log2_x(F80::ONE, F80::from_i64(10), &env)), F80::new(0x4000, 0xd49a_784b_cd1b_8afe));
    assert_eq!(value(sine(F80::ONE, &env).expect("in range")), F80::new(0x3ffe, 0xd76a_a478_4867_7021));
    assert_eq!(value(cosine(F80::ONE, &env).expect("in range")), F80::new(0x3ffe, 0x8a51_407d_a834_5c92));
    assert_eq!(sine(F80::new(0x403e, 1 << 63), &env), None);
    let half = F80::new(0x3ffe, 1 << 63);
    assert_eq!(value(exponential_minus_one(half, &env)), F80::new(0x3ffd, 0xd413_cccf_e779_9211));
}
