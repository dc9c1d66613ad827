//! The power series, in fixed point: arguments z are fractions of 2^128, values have 127 bits after the point.
//!
//! The numbers of terms are such that what is left out is below 2^-127 over the ranges stated.

use super::real::{ONE, Real, multiply_high};

/// sin(r)/r for z = r^2, |r| at most pi/4. Below one by at least a unit for nonzero r, so that a tiny argument still
/// rounds to the right side.
pub(super) fn sine_ratio(z: u128) -> u128 {
    let factor = |n: u128| 2 * n * (2 * n + 1);
    let rest = (2..=18).rev().fold(ONE, |t, n| ONE - multiply_high(z, t) / factor(n));
    ONE - (multiply_high(z, rest) / factor(1)).max(1)
}

/// cos(r) for z = r^2, |r| at most pi/4; below one by at least a unit.
pub(super) fn cosine(z: u128) -> u128 {
    let factor = |n: u128| (2 * n - 1) * 2 * n;
    let rest = (2..=18).rev().fold(ONE, |t, n| ONE - multiply_high(z, t) / factor(n));
    ONE - (multiply_high(z, rest) / factor(1)).max(1)
}

/// (e^y - 1)/y for |y| at most ln 2, `y` as magnitude and sign.
pub(super) fn exponential_ratio(y: u128, negative: bool) -> u128 {
    (2..=36).rev().fold(ONE, |t, n| {
        let term = multiply_high(y, t) / n;
        if negative { ONE - term } else { ONE + term }
    })
}

/// artanh(s)/s for z = s^2 at most 0.03.
fn hyperbolic_ratio(z: u128) -> u128 {
    (0..=26).rev().fold(0, |t, n| ONE / (2 * n + 1) + multiply_high(z, t))
}

/// arctan(s)/s for z = s^2 at most 2^-10; below one by at least a unit.
fn arctangent_ratio(z: u128) -> u128 {
    let rest = (1..=14).rev().fold(0, |t, n| ONE / (2 * n + 1) - multiply_high(z, t));
    ONE - multiply_high(z, rest).max(1)
}

/// Base-2 logarithm of (1+s)/(1-s), |s| at most 0.172.
pub(super) fn log2_of_ratio(s: Real) -> Real {
    let ratio = Real::from_fixed(hyperbolic_ratio(s.mul(s).fraction()));
    s.mul(ratio).times_power_of_two(1).mul(super::real::LOG2_E)
}

/// Arctangent of t, 0 <= t <= 1.
pub(super) fn arctangent(t: Real) -> Real {
    // The nearest sixteenth leaves at most 1/32 for the series.
    let fraction = if t.exp >= 0 { u128::MAX } else { t.fraction() };
    let sixteenths = (fraction >> 123).div_ceil(2) as usize;
    let Some(&base) = sixteenths.checked_sub(1).and_then(|i| ARCTANGENTS.get(i)) else {
        return arctangent_near_zero(t);
    };
    let c = Real::from_i32(sixteenths as i32).times_power_of_two(-4);
    let s = t.sub(c).div(Real::one().add(c.mul(t)));
    Real::from_u128(false, -1, base).add(arctangent_near_zero(s))
}

fn arctangent_near_zero(s: Real) -> Real {
    s.mul(Real::from_fixed(arctangent_ratio(s.mul(s).fraction())))
}

/// arctan(i/16) for i = 1 to 16, as fractions of 2^128.
const ARCTANGENTS: [u128; 16] = [
    0x0ffa_addb_967e_f4e3_6cb2_792d_c0e2_e0d5,
    0x1fd5_ba9a_ac2f_6dc6_5912_f313_e7d1_11de,
    0x2f72_f697_9cb6_044d_1ec2_d3e2_0727_1d21,
    0x3eb6_ebf2_5901_bac5_5b71_e7bd_7de8_85f9,
    0x4d89_dcdc_1faf_2f34_e2d5_da4c_693d_7994,
    0x5bd8_6507_937b_c239_c551_9091_6e7f_2241,
    0x6993_bb0f_308f_f2db_213e_4af4_800f_389b,
    0x76b1_9c15_86ed_3da2_b7f2_22f6_5e1d_4681,
    0x832b_f4a6_d986_7e2a_4b6a_09cb_61a5_15c0,
    0x8f00_5d5e_f7f5_9f9b_5c83_5e16_65c4_3747,
    0x9a2f_80e6_71bd_da20_4226_f8e2_204f_f3bc,
    0xa4bc_7d19_34f7_0924_19a8_7f2a_457d_ac9e,
    0xaeac_4c38_b4d8_c080_1472_5e2f_3e52_070a,
    0xb805_3e2b_c231_9e73_cb2d_a552_10a4_443d,
    0xc0ce_85b8_ac52_6640_89dd_62c4_6e92_fa24,
    0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1,
];
