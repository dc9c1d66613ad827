//! Damaged images: every outcome but a panic is right.

use super::*;
use proptest::prelude::*;

fn images() -> Vec<Vec<u8>> {
    vec![
        bzimage(),
        elf64(0x10_0000, 0x10_0000, &pvh_note(0x10_0000)),
        elf64(0x10_0000, 0x10_0000, &[]),
        elf32_multiboot(0),
        flat_multiboot(0x20_0000),
    ]
}

fn load_into_little_memory(kernel: Vec<u8>) {
    const LITTLE: u64 = 20 * MIB;
    let plan = BootPlan { kernel, initrd: Some(vec![1; 100]), cmdline: String::new() };
    let _ = load(&memory(LITTLE), LITTLE, &plan);
}

#[test]
fn no_truncation_panics() {
    for image in images() {
        for len in (0..image.len()).step_by(3) {
            let _ = detect(&image[..len]);
        }
        for len in (0..image.len()).step_by(61) {
            load_into_little_memory(image[..len].to_vec());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_overwritten_bytes_panic(
        which in 0..5usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff)]), 1..8),
        run in any::<Option<(prop::sample::Index, u8)>>(),
    ) {
        let mut image = images().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(image.len().min(700));
            image[at] = value;
        }
        // A run of eight makes addresses and sizes near the ends of their types.
        if let Some((at, value)) = run {
            let at = at.index(image.len().min(700) - 8);
            image[at..at + 8].fill(if value < 128 { 0xff } else { value });
        }
        load_into_little_memory(image);
    }

    #[test]
    fn no_garbage_panics(which in 0..5usize, keep in 0..128usize, garbage in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut image = images().swap_remove(which);
        image.truncate(keep);
        image.extend(garbage);
        load_into_little_memory(image);
    }
}
