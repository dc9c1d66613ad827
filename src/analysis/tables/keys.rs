//! Parquet's RLE / bit-packing hybrid: small numbers (places in a dictionary, which values are null) as runs of equal ones, and
//! what lies between as groups of eight, packed.
//!
//! ```text
//! run:     varint of its length * 2        | the number, in whole bytes
//! groups:  varint of how many * 2 + 1      | eight numbers each, low bits first
//! ```
//! Source: the format's page Encodings, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)".

use super::delta::varint;

/// Shorter runs are packed with their neighbours.
const SHORTEST: usize = 16;
/// Numbers that are packed behind one head, at most.
const LONGEST: usize = 1 << 16;

/// Bits that numbers up to `most` need.
pub fn width(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// Appends values as numbers below 2^`width`, at most 32.
pub fn encode<T: Copy + PartialEq>(out: &mut Vec<u8>, values: &[T], width: u32, number: impl Fn(T) -> u32 + Copy) {
    let (mut at, mut packed) = (0, 0);
    while at < values.len() {
        let value = values[at];
        // Most runs end at once; long ones are gone through many at a time.
        let near = &values[at..values.len().min(at + SHORTEST)];
        if near.len() < SHORTEST || near.iter().any(|v| *v != value) {
            at = values.len().min(at + 8);
            if at - packed >= LONGEST {
                groups(out, &values[packed..at], width, number);
                packed = at;
            }
            continue;
        }
        groups(out, &values[packed..at], width, number);
        let behind = &values[at + SHORTEST..];
        let equal =
            behind.chunks(64).take_while(|chunk| chunk.iter().all(|v| *v == value)).map(<[T]>::len).sum::<usize>();
        let rest = behind[equal..].iter().take_while(|v| **v == value).count();
        let run = SHORTEST + equal + rest;
        self::run(out, number(value), run, width);
        at += run;
        packed = at;
    }
    groups(out, &values[packed..], width, number);
}

/// Appends a number that stands `count` times.
pub fn run(out: &mut Vec<u8>, number: u32, count: usize, width: u32) {
    varint(out, (count as u64) << 1);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Appends values packed; only the last of all may be no multiple of eight.
fn groups<T: Copy>(out: &mut Vec<u8>, values: &[T], width: u32, number: impl Fn(T) -> u32) {
    if values.is_empty() {
        return;
    }
    let count = values.len().div_ceil(8);
    varint(out, (count as u64) << 1 | 1);
    let end = out.len() + count * width as usize;
    let (mut waiting, mut fill) = (0u64, 0);
    for &value in values {
        waiting |= u64::from(number(value)) << fill;
        fill += width;
        if fill >= 32 {
            out.extend_from_slice(&(waiting as u32).to_le_bytes());
            waiting >>= 32;
            fill -= 32;
        }
    }
    out.extend_from_slice(&(waiting as u32).to_le_bytes()[..fill.div_ceil(8) as usize]);
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader by the words of the format, bit by bit.
    fn decode(mut bytes: &[u8], width: usize, count: usize) -> Vec<u32> {
        let mut found = Vec::new();
        while found.len() < count {
            let (mut head, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                head |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let many = (head >> 1) as usize;
            if head & 1 == 0 {
                let (value, rest) = bytes.split_at(width.div_ceil(8));
                let number = value.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b));
                found.extend(std::iter::repeat_n(number, many));
                bytes = rest;
            } else {
                let (packed, rest) = bytes.split_at(many * width);
                let bit = |b: usize| u32::from(packed[b / 8] >> (b % 8) & 1);
                found.extend((0..many * 8).map(|n| (0..width).map(|b| bit(n * width + b) << b).sum::<u32>()));
                bytes = rest;
            }
        }
        assert!(bytes.is_empty() && found.len() < count + 8);
        found.truncate(count);
        found
    }

    #[test]
    fn runs_and_mixtures_of_any_width_come_back() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 32) as u32
        };
        for bits in 1..=32 {
            for count in [0, 1, 7, 8, 9, 15, 16, 17, 100, 3000] {
                let mut numbers: Vec<u32> = Vec::new();
                while numbers.len() < count {
                    let number = random() >> (32 - bits);
                    let run = if random() % 4 == 0 { random() % 300 } else { random() % 20 };
                    numbers.extend(std::iter::repeat_n(number, run as usize));
                }
                numbers.truncate(count);
                let mut out = Vec::new();
                encode(&mut out, &numbers, bits, |n| n);
                assert_eq!(decode(&out, bits as usize, count), numbers, "{count} of {bits} bits");
            }
        }
    }

    #[test]
    fn what_is_all_the_same_is_one_run_and_what_is_long_has_several_heads() {
        let mut out = Vec::new();
        encode(&mut out, &[true; 1_000_000], 1, u32::from);
        assert_eq!(out, [0x80, 0x89, 0x7a, 1]);
        let numbers: Vec<u32> = (0..200_000).map(|n| n % 3).collect();
        let mut out = Vec::new();
        encode(&mut out, &numbers, 2, |n| n);
        assert_eq!(decode(&out, 2, numbers.len()), numbers);
        assert_eq!((width(0), width(1), width(2), width(255), width(u32::MAX)), (0, 1, 2, 8, 32));
    }
}
