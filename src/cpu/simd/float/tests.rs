//! The host's way and the portable way must agree, on results and on MXCSR.

use super::table::ROWS;
use crate::cpu::softfloat::SseEnv;
use crate::cpu::x87::tests::cases::Random;

/// A lane: mostly near the edges of the format, where exceptions are.
fn lane(random: &mut Random, exponent_bits: u32, fraction_bits: u32) -> u64 {
    let sign = (random.next() & 1) << (exponent_bits + fraction_bits);
    let top = (1 << exponent_bits) - 1;
    let exponent = match random.next() % 8 {
        0 => 0,
        1 => top,
        2 => 1 + random.next() % 4,
        3 => top - 1 - random.next() % 4,
        4 => top / 2 + random.next() % 70,
        5 => top / 4 + random.next() % (top / 2),
        _ => random.next() & top,
    };
    let mask = (1 << fraction_bits) - 1;
    let fraction = match random.next() % 6 {
        0 => 0,
        1 => 1,
        2 => mask,
        3 => (random.next() | 1 << (fraction_bits - 1)) & mask,
        4 => random.next() & mask & (mask << (fraction_bits / 2)),
        _ => random.next() & mask,
    };
    sign | exponent << fraction_bits | fraction
}

fn operand(random: &mut Random, is_single: bool) -> u128 {
    let lanes = if is_single { 4 } else { 2 };
    (0..lanes).fold(0, |value, _| {
        if is_single {
            value << 32 | u128::from(lane(random, 8, 23))
        } else {
            value << 64 | u128::from(lane(random, 11, 52))
        }
    })
}

#[test]
fn the_host_and_the_portable_way_agree() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let mut quick = 0;
    for row in ROWS {
        for case in 0..4000 {
            let is_single = case % 2 == 0;
            let (a, b) = (operand(&mut random, is_single), operand(&mut random, is_single));
            let mxcsr = 0x1f80 | random.next() as u32 & 0xe07f & if case % 3 == 0 { 0xffff } else { 0x603f };
            if let Some(value) = (row.quick)(a, b, mxcsr) {
                let (soft, flags) = (row.soft)(a, b, 0, &SseEnv::from_mxcsr(mxcsr));
                assert_eq!((soft, mxcsr | u32::from(flags.exceptions().0)), (value, mxcsr), "{} {a:x} {b:x}", row.name);
                quick += 1;
            }
            let Some(host) = (row.host)(a, b, mxcsr) else { continue };
            let (value, flags) = (row.soft)(a, b, 0, &SseEnv::from_mxcsr(mxcsr));
            let soft = (value, mxcsr | u32::from(flags.exceptions().0));
            assert_eq!(soft, host, "{} {a:032x} {b:032x} mxcsr {mxcsr:04x}: {soft:x?} {host:x?}", row.name);
        }
    }
    assert!(quick > 1000, "the quick way was taken only {quick} times");
}
