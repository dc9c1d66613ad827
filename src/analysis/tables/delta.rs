//! Parquet's DELTA_BINARY_PACKED: numbers as differences, of which 32 take as few bits each as the widest of them needs.
//!
//! ```text
//! block size | miniblocks a block | how many numbers | first number | block block ..      (varints, the last one zigzag)
//! block: least difference (zigzag varint) | bits of each miniblock (a byte each) | differences above the least, low bits first
//! ```
//! Source: the format's page Encodings, "Delta Encoding (DELTA_BINARY_PACKED = 5)".

/// Differences in a block.
const BLOCK: usize = 128;
/// Differences in a miniblock.
const MINIBLOCK: usize = 32;
/// Blocks that are looked at to guess how long the whole becomes.
const SAMPLES: usize = 32;

/// Integers as Parquet stores them; differences wrap at their width.
pub trait Stored: Copy {
    /// This minus another one.
    fn minus(self, other: Self) -> i64;
    /// All bits, extended by the sign.
    fn wide(self) -> i64;
}

impl Stored for i64 {
    fn minus(self, other: i64) -> i64 {
        self.wrapping_sub(other)
    }
    fn wide(self) -> i64 {
        self
    }
}

impl Stored for i32 {
    fn minus(self, other: i32) -> i64 {
        self.wrapping_sub(other).into()
    }
    fn wide(self) -> i64 {
        self.into()
    }
}

/// The differences of a block, and how wide each miniblock is above the least of them.
struct Differences {
    above: [u64; BLOCK],
    least: i64,
    bits: [u8; BLOCK / MINIBLOCK],
}

impl Differences {
    /// Of at most [`BLOCK`] numbers, and the one in front of them.
    #[inline]
    fn of<T: Copy, S: Stored>(before: T, numbers: &[T], stored: impl Fn(T) -> S) -> Differences {
        let mut above = [0; BLOCK];
        let mut least = i64::MAX;
        let mut last = stored(before);
        for (place, &number) in above.iter_mut().zip(numbers) {
            let next = stored(number);
            let difference = next.minus(last);
            least = least.min(difference);
            *place = difference as u64;
            last = next;
        }
        let mut bits = [0; BLOCK / MINIBLOCK];
        for (bits, mini) in bits.iter_mut().zip(above[..numbers.len()].chunks_mut(MINIBLOCK)) {
            let mut any = 0;
            for difference in mini {
                *difference = difference.wrapping_sub(least as u64);
                any |= *difference;
            }
            *bits = (u64::BITS - any.leading_zeros()) as u8;
        }
        Differences { above, least, bits }
    }
}

/// Appends numbers.
pub fn encode<T: Copy, S: Stored>(out: &mut Vec<u8>, numbers: &[T], stored: impl Fn(T) -> S + Copy) {
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / MINIBLOCK) as u64);
    varint(out, numbers.len() as u64);
    let Some((&first, rest)) = numbers.split_first() else { return varint(out, 0) };
    zigzag(out, stored(first).wide());
    let mut before = first;
    for block in rest.chunks(BLOCK) {
        let differences = Differences::of(before, block, stored);
        zigzag(out, differences.least);
        out.extend_from_slice(&differences.bits);
        let minis = block.len().div_ceil(MINIBLOCK);
        for (mini, &bits) in differences.above.chunks_exact(MINIBLOCK).zip(&differences.bits).take(minis) {
            pack(out, mini, bits.into());
        }
        before = block[block.len() - 1];
    }
}

/// About how many bits a number will take, by looking at some of them.
pub fn guess<T: Copy, S: Stored>(numbers: &[T], stored: impl Fn(T) -> S + Copy) -> usize {
    let blocks = numbers.len().saturating_sub(1) / BLOCK;
    let looks = blocks.clamp(1, SAMPLES);
    let look = |n: usize| {
        let from = n * blocks / looks * BLOCK;
        let Some((&before, rest)) = numbers.get(from..).and_then(<[T]>::split_first) else { return 0 };
        let differences = Differences::of(before, &rest[..rest.len().min(BLOCK)], stored);
        differences.bits.iter().map(|&bits| usize::from(bits)).sum()
    };
    // The head of a block is some six bytes.
    (0..looks).map(look).sum::<usize>() / (looks * BLOCK / MINIBLOCK) + usize::from(blocks > 0)
}

/// Appends the low bits of 32 numbers.
fn pack(out: &mut Vec<u8>, numbers: &[u64], bits: u32) {
    if bits <= 32 {
        let (mut waiting, mut fill) = (0u64, 0);
        for &number in numbers {
            waiting |= number << fill;
            fill += bits;
            if fill >= 32 {
                out.extend_from_slice(&(waiting as u32).to_le_bytes());
                waiting >>= 32;
                fill -= 32;
            }
        }
    } else {
        let (mut waiting, mut fill) = (0u128, 0);
        for &number in numbers {
            waiting |= u128::from(number) << fill;
            fill += bits;
            if fill >= 64 {
                out.extend_from_slice(&(waiting as u64).to_le_bytes());
                waiting >>= 64;
                fill -= 64;
            }
        }
        out.extend_from_slice(&(waiting as u64).to_le_bytes()[..fill as usize / 8]);
    }
}

/// Appends a number, seven bits a byte, the low ones first.
pub fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(out: &mut Vec<u8>, number: i64) {
    varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_varint(bytes: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return number;
            }
        }
    }

    fn read_zigzag(bytes: &mut &[u8]) -> i64 {
        let number = read_varint(bytes);
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    /// A reader by the words of the format, bit by bit.
    fn decode(mut bytes: &[u8]) -> Vec<i64> {
        let at = &mut bytes;
        assert_eq!((read_varint(at), read_varint(at)), (128, 4));
        let count = read_varint(at) as usize;
        let mut numbers = vec![read_zigzag(at)];
        while numbers.len() < count {
            let least = read_zigzag(at);
            let (widths, rest) = at.split_at(4);
            *at = rest;
            for &width in widths {
                if numbers.len() >= count {
                    assert_eq!(width, 0);
                    continue;
                }
                let (packed, rest) = at.split_at(4 * usize::from(width));
                *at = rest;
                for n in 0..32 {
                    let bit = |b: usize| u64::from(packed[b / 8] >> (b % 8) & 1);
                    let from = n * usize::from(width);
                    let above = (0..usize::from(width)).map(|b| bit(from + b) << b).sum::<u64>();
                    if numbers.len() < count {
                        numbers.push(numbers[numbers.len() - 1].wrapping_add(least).wrapping_add(above as i64));
                    }
                }
            }
        }
        assert!(at.is_empty());
        numbers
    }

    #[test]
    fn numbers_of_any_width_and_count_come_back() {
        let mut state = 1u64;
        for count in [1, 2, 31, 32, 33, 128, 129, 130, 257, 1000] {
            for width in 0..=64 {
                let numbers: Vec<u64> = (0..count)
                    .map(|_| {
                        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                        if width == 0 { 7 } else { state >> (64 - width) }
                    })
                    .collect();
                let mut out = Vec::new();
                encode(&mut out, &numbers, |n| n as i64);
                assert_eq!(decode(&out), numbers.iter().map(|&n| n as i64).collect::<Vec<_>>(), "{count} of {width}");
                let narrow: Vec<u32> = numbers.iter().map(|&n| n as u32).collect();
                let mut out = Vec::new();
                encode(&mut out, &narrow, |n| n as i32);
                let back: Vec<u32> = decode(&out).iter().map(|&n| n as u32).collect();
                assert_eq!(back, narrow, "{count} of {width}, narrow");
            }
        }
    }

    #[test]
    fn equal_steps_take_next_to_nothing() {
        let numbers: Vec<u64> = (0..100_000).map(|n| 0xffff_8880_0000_0000 + n * 8).collect();
        let mut out = Vec::new();
        encode(&mut out, &numbers, |n| n as i64);
        assert!(out.len() < 100_000 / 16, "{}", out.len());
        assert_eq!(guess(&numbers, |n| n as i64), 1);
        let mixed: Vec<u64> =
            (0..100_000u64).map(|n| (n * n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)).collect();
        assert!(guess(&mixed, |n| n as i64) > 60);
    }
}
