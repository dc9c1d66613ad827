//! Page tables made by hand.

use super::Noise;
use crate::guest::image::{WINDOW, kernel_root};
use crate::guest::{PAGE, Physical, Root, Space};
use std::ops::Range;

/// RAM from address 0.
struct Flat(Vec<u8>);

impl Physical for Flat {
    fn page(&self, gpa: u64) -> Option<&[u8]> {
        let at = usize::try_from(gpa & !(PAGE - 1)).ok()?;
        self.0.get(at..at.checked_add(PAGE as usize)?)
    }
    fn ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.0.len() as u64).collect()
    }
}

impl Flat {
    fn set(&mut self, at: u64, value: u64) {
        self.0[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
    }
    /// Enters one translation with tables at fixed places; `bits` go into the last entry.
    fn map(&mut self, root: u64, va: u64, gpa: u64, level: u32, bits: u64) {
        let mut table = root;
        for (i, shift) in [39, 30, 21, 12].into_iter().enumerate() {
            let at = table + (va >> shift) % 512 * 8;
            if i as u32 == level {
                self.set(at, gpa | bits | 1);
                return;
            }
            table = root + (i as u64 + 1) * 0x1_0000;
            self.set(at, table | 0x63);
        }
    }
}

const KERNEL: u64 = 0xffff_ffff_8120_0000;

fn ram() -> Flat {
    Flat(vec![0; 4 << 20])
}

#[test]
fn small_and_large_pages_translate_and_their_rights_are_told() {
    let mut ram = ram();
    ram.map(0x1000, KERNEL, 0x20_0000, 2, 0x80);
    ram.map(0x1000, KERNEL + 0x20_0000, 0x8000, 3, 1 << 63 | 2);
    let space = Space { ram: &ram, root: Root(0x1000) };
    assert_eq!(space.translate(KERNEL + 0x12_3456), Some(0x32_3456));
    assert_eq!(space.translate(KERNEL + 0x20_0010), Some(0x8010));
    assert_eq!((space.translate(KERNEL - 1), space.translate(KERNEL + 0x20_1000)), (None, None));
    let leaves = space.leaves(WINDOW);
    assert_eq!(
        leaves.iter().map(|l| (l.va, l.bytes)).collect::<Vec<_>>(),
        [(KERNEL, 0x20_0000), (KERNEL + 0x20_0000, 0x1000)]
    );
    assert_eq!((leaves[0].is_executable, leaves[0].is_writable), (true, false));
    assert_eq!((leaves[1].is_executable, leaves[1].is_writable), (false, true));
}

#[test]
fn reads_cross_pages_and_stop_where_nothing_is_mapped() {
    let mut ram = ram();
    ram.map(0x1000, 0x7000, 0x9000, 3, 4);
    ram.map(0x1000, 0x8000, 0x8000, 3, 4);
    ram.0[0x9ffc..0xa000].copy_from_slice(b"abcd");
    ram.0[0x8000..0x8005].copy_from_slice(b"efgh\0");
    let space = Space { ram: &ram, root: Root(0x1000) };
    assert_eq!(space.u64(0x7ffc), Ok(u64::from_le_bytes(*b"abcdefgh")));
    assert_eq!(space.string(0x7ffe, 100).as_deref(), Ok(&b"cdefgh"[..]));
    assert!(space.string(0x7ffe, 6).is_err(), "no NUL within 6 bytes");
    let beyond = space.bytes(0x8ff8, 16).expect_err("the second page is not mapped");
    assert_eq!(beyond.to_string(), "memory: address 0x9000 is not mapped to RAM at this Moment");
    assert!(space.u64(u64::MAX).is_err());
}

#[test]
fn the_kernels_table_is_found_from_the_users() {
    let mut ram = ram();
    // The kernel's tables at 0x2000 and up; the user's copy of the top level maps only entry code.
    ram.map(0x2000, KERNEL, 0x20_0000, 2, 0x80);
    ram.map(0x3000, KERNEL, 0x9000, 3, 0);
    assert_eq!(kernel_root(&ram, 0x3000), Root(0x2000));
    assert_eq!(kernel_root(&ram, 0x2000 | 0x18), Root(0x2000));
}

#[test]
fn tables_of_noise_end() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for case in 0..40 {
        let mut ram = Flat((0..64 << 10).map(|_| noise.next() as u8).collect());
        // Entries that are present and lead back into the tables are worst.
        for at in (0..ram.0.len() as u64).step_by(8) {
            if noise.below(8) <= case % 8 {
                let table = noise.below(16) as u64 * PAGE;
                ram.set(at, table | 0x63);
            }
        }
        let space = Space { ram: &ram, root: Root(noise.below(32) as u64 * PAGE) };
        for leaf in space.leaves(WINDOW).iter().take(100) {
            let _ = space.bytes(leaf.va, 64);
            let _ = space.string(leaf.va, 10_000);
        }
    }
}
