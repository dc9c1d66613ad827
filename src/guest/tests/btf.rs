//! Type information made by hand.

use super::Noise;
use crate::guest::Types;
use proptest::prelude::*;

const INT: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const TYPEDEF: u32 = 8;

/// A section under construction.
#[derive(Default)]
struct Section {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Section {
    fn new() -> Section {
        Section { types: Vec::new(), strings: vec![0] }
    }
    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        at
    }
    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    }
    fn plain(&mut self, kind: u32, name: &str, size_or_type: u32, tail: &[u32]) {
        let name = self.name(name);
        self.words(&[name, kind << 24, size_or_type]);
        self.words(tail);
    }
    /// Members: name, type, place as the format has it.
    fn composite(&mut self, kind: u32, name: &str, size: u32, flag: bool, members: &[(&str, u32, u32)]) {
        let name = self.name(name);
        self.words(&[name, u32::from(flag) << 31 | kind << 24 | members.len() as u32, size]);
        for (member, type_id, place) in members {
            let member = self.name(member);
            self.words(&[member, *type_id, *place]);
        }
    }
    fn bytes(self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        bytes.extend([24, 0, types, types, strings].iter().flat_map(|w| w.to_le_bytes()));
        bytes.extend(self.types);
        bytes.extend(self.strings);
        bytes
    }
}

/// `struct list { struct list *next, *prev; }` and `struct task` with what makes members hard to find.
fn section() -> Vec<u8> {
    let mut s = Section::new();
    s.plain(INT, "int", 4, &[32]); // 1
    s.plain(POINTER, "", 3, &[]); // 2: to list
    s.composite(STRUCT, "list", 16, false, &[("next", 2, 0), ("prev", 2, 64)]); // 3
    s.plain(TYPEDEF, "list_t", 3, &[]); // 4
    s.plain(ARRAY, "", 0, &[4, 1, 3]); // 5: list_t[3]
    s.composite(UNION, "", 8, false, &[("number", 1, 0), ("pointer", 2, 0)]); // 6
    s.composite(STRUCT, "", 16, false, &[("inner", 1, 32), ("", 6, 64)]); // 7
    // Places with sizes of bit fields in the high byte.
    let bits = |size: u32, place: u32| size << 24 | place;
    s.composite(
        STRUCT,
        "task",
        80,
        true,
        &[
            ("flags", 1, bits(3, 0)),
            ("more", 1, bits(2, 3)),
            ("", 7, bits(0, 64)),
            ("links", 5, bits(0, 192)),
            ("last", 4, bits(0, 576)),
        ],
    ); // 8
    s.composite(STRUCT, "task", 0, false, &[]); // 9: an empty namesake
    s.bytes()
}

fn offset(types: &Types, path: &str) -> Option<u64> {
    types.member("task", path).map(|place| place.offset)
}

#[test]
fn members_are_found_by_path_through_anonymous_ones_arrays_and_typedefs() {
    let types = Types::parse(&section()).expect("it is whole");
    assert_eq!(types.count(), 9);
    let found = ["flags", "inner", "number", "pointer", "links", "links[2]", "links[2].prev", "last.prev"];
    let found = found.map(|path| offset(&types, path));
    assert_eq!(found, [Some(0), Some(12), Some(16), Some(16), Some(24), Some(56), Some(64), Some(80)]);
}

#[test]
fn what_is_not_there_is_not_guessed() {
    let types = Types::parse(&section()).expect("it is whole");
    for path in ["", "other", "links[3]", "links[x]", "links[1", "inner[0]", "flags.next", "last.other", "pointer.next"]
    {
        assert_eq!(offset(&types, path), None, "{path}");
    }
    assert_eq!(offset(&types, "more"), None, "a bit field that starts inside a byte");
    assert_eq!(types.member("tas", "flags"), None);
    assert_eq!(types.member("list_t", "next"), None, "a typedef is no structure");
}

#[test]
fn a_section_that_is_cut_is_refused() {
    let whole = section();
    for length in 0..whole.len() {
        assert!(Types::parse(&whole[..length]).is_none(), "{length} of {}", whole.len());
    }
    let mut followed = whole.clone();
    followed.extend([1, 2, 3]);
    assert!(Types::parse(&followed).is_some(), "what follows is not its business");
}

#[test]
fn types_in_circles_end() {
    let mut s = Section::new();
    s.plain(TYPEDEF, "a", 2, &[]);
    s.plain(TYPEDEF, "b", 1, &[]);
    s.composite(STRUCT, "task", 8, false, &[("", 3, 0), ("loop", 1, 0)]);
    let types = Types::parse(&s.bytes()).expect("it is whole");
    assert_eq!(offset(&types, "missing"), None);
    assert_eq!(offset(&types, "loop"), Some(0));
    assert_eq!(offset(&types, "loop.next"), None);
}

proptest! {
    #[test]
    fn damaged_types_never_panic(seed in 1u64.., count in 1usize..40) {
        let mut noise = Noise(seed);
        let mut bytes = section();
        for _ in 0..count {
            let at = noise.below(bytes.len());
            bytes[at] = noise.next() as u8;
        }
        if let Some(types) = Types::parse(&bytes) {
            for path in ["flags", "links[2].prev", "number", "missing", "last.next"] {
                let _ = types.member("task", path);
                let _ = types.member("list", path);
            }
        }
    }
}
