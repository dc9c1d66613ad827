//! Symbol tables made by hand, in each layout.

use super::Noise;
use crate::guest::image::{Image, Run};
use crate::guest::kallsyms::find;

const BASE: u64 = 0xffff_ffff_9a20_0000;
const COUNT: usize = 20_000;
/// Of them, per-CPU values.
const VALUES: usize = 40;

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// Offsets before the names.
    Before,
    /// Offsets behind the tokens.
    Behind,
    /// Behind the tokens, each relative to its own place.
    PcRelative,
}

/// Type and name, and the address: per-CPU values first, then `_text`, then every 64 bytes.
fn symbols() -> Vec<(String, u64)> {
    let symbol = |i: usize| match i {
        0..VALUES => (format!("Aper_cpu_{i}"), 8 * i as u64),
        VALUES => ("T_text".to_owned(), BASE),
        // Longer than 127 tokens: its length takes two bytes.
        100 => (format!("t{}", "long".repeat(50)), address(i)),
        _ => (format!("tfunction_{i}"), address(i)),
    };
    (0..COUNT).map(symbol).collect()
}

fn address(i: usize) -> u64 {
    BASE + 64 * (i - VALUES) as u64
}

/// Characters stand for themselves; one token more stands for a word.
fn tokens() -> Vec<Vec<u8>> {
    let token = |c: u8| match c {
        0x20..0x7f => vec![c],
        1 => b"function_".to_vec(),
        _ => Vec::new(),
    };
    (0..=255).map(token).collect()
}

fn encoded(name: &str) -> Vec<u8> {
    let numbers = name.replace("function_", "\u{1}").into_bytes();
    match numbers.len() {
        length @ 0..0x80 => [&[length as u8], &numbers[..]].concat(),
        length => [&[length as u8 | 0x80, (length >> 7) as u8], &numbers[..]].concat(),
    }
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

/// With absolute per-CPU values: those are positive, addresses negative.
fn offset(layout: Layout, place: u64, address: u64) -> u32 {
    match layout {
        Layout::PcRelative => (address.wrapping_sub(place)) as u32,
        _ if address < BASE => address as u32,
        _ => (BASE - 1).wrapping_sub(address) as u32,
    }
}

fn put_offsets(bytes: &mut Vec<u8>, start: u64, layout: Layout) {
    for (_, address) in symbols() {
        let place = start + bytes.len() as u64;
        bytes.extend(offset(layout, place, address).to_le_bytes());
    }
    align(bytes);
    if layout != Layout::PcRelative {
        bytes.extend(BASE.to_le_bytes());
    }
}

/// The kernel's read-only data, in an image that starts with some text.
fn image(layout: Layout) -> Image {
    let start = BASE + (4 << 20);
    let mut bytes: Vec<u8> = b"some other data 0\x001\x002\0".to_vec();
    align(&mut bytes);
    if layout == Layout::Before {
        put_offsets(&mut bytes, start, layout);
    }
    bytes.extend((COUNT as u64).to_le_bytes());
    let mut names = Vec::new();
    let mut markers: Vec<u8> = Vec::new();
    for (i, (name, _)) in symbols().iter().enumerate() {
        if i % 256 == 0 {
            markers.extend((names.len() as u32).to_le_bytes());
        }
        names.extend(encoded(name));
    }
    for part in [names, markers] {
        bytes.extend(part);
        align(&mut bytes);
    }
    // The order by name that some kernels have here.
    let mut noise = Noise(7);
    bytes.extend((0..3 * COUNT).map(|_| noise.next() as u8));
    align(&mut bytes);
    let mut index = Vec::new();
    let table = bytes.len();
    for token in tokens() {
        index.extend(((bytes.len() - table) as u16).to_le_bytes());
        bytes.extend(token);
        bytes.push(0);
    }
    align(&mut bytes);
    bytes.extend(index);
    align(&mut bytes);
    if layout != Layout::Before {
        put_offsets(&mut bytes, start, layout);
    }
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    Image { runs: vec![Run { va: BASE, bytes: vec![0x90; 4096] }, Run { va: start, bytes }] }
}

fn check(layout: Layout) {
    let found = find(&image(layout)).expect("there is a table");
    assert_eq!(found.all().len(), COUNT);
    for (i, (name, address)) in symbols().iter().enumerate() {
        let symbol = found.named(&name[1..]).next().expect("every name is there");
        assert_eq!((symbol.kind, symbol.name.as_str()), (name.as_bytes()[0], &name[1..]));
        // Tables without an absolute base hold no values.
        if i >= VALUES || layout != Layout::PcRelative {
            assert_eq!(symbol.address, *address, "{name}");
        }
    }
}

#[test]
fn the_layout_with_offsets_before_the_names_is_read() {
    check(Layout::Before);
}

#[test]
fn the_layout_with_offsets_behind_the_tokens_is_read() {
    check(Layout::Behind);
}

#[test]
fn the_layout_with_offsets_from_their_own_place_is_read() {
    check(Layout::PcRelative);
}

#[test]
fn a_table_for_another_base_is_refused() {
    let mut image = image(Layout::Before);
    image.runs[0].va -= 0x1000;
    let absent = find(&image).err().expect("_text is not where the image starts");
    assert!(absent.to_string().contains("not a Linux that reenact knows"), "{absent}");
}

#[test]
fn damaged_tables_never_panic() {
    let whole = image(Layout::Before);
    let mut noise = Noise(0x1234_5678_9abc_def1);
    for _ in 0..60 {
        let mut bytes = whole.runs[1].bytes.clone();
        for _ in 0..1 + noise.below(200) {
            let at = noise.below(bytes.len());
            bytes[at] = noise.next() as u8;
        }
        bytes.truncate(bytes.len() - noise.below(2) * noise.below(1 << 17));
        let run = Run { va: whole.runs[1].va, bytes };
        let first = Run { va: BASE, bytes: vec![0; 4096] };
        if let Ok(found) = find(&Image { runs: vec![first, run] }) {
            assert_eq!(found.all().len(), COUNT);
        }
    }
}
