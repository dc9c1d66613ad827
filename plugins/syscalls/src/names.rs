//! Sets of named values (`names.txt`), and how a value is written with them.

use std::fmt::Write;
use std::sync::LazyLock;

/// The names that the values of one kind have.
#[derive(Debug)]
pub struct Set {
    name: &'static str,
    /// These bits are one of the values; the others are flags.
    mask: u32,
    entries: Vec<(&'static str, u64)>,
}

static SETS: LazyLock<Vec<Set>> = LazyLock::new(|| parse(include_str!("names.txt")));

/// The set of a name.
pub fn set(name: &str) -> Option<&'static Set> {
    SETS.iter().find(|s| s.name == name)
}

fn parse(text: &'static str) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        if let Some(head) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let (name, mask) = head.split_once(' ').expect("a set has a name and a mask");
            let mask = if mask == "all" { u32::MAX } else { mask.parse().expect("a mask is a number") };
            sets.push(Set { name, mask, entries: Vec::new() });
            continue;
        }
        let entry = |word: &'static str| {
            let (name, value) = word.split_once("=0x").expect("an entry is NAME=0xVALUE");
            (name, u64::from_str_radix(value, 16).expect("a value is hex"))
        };
        sets.last_mut().expect("entries stand below a set").entries.extend(line.split_whitespace().map(entry));
    }
    sets
}

impl Set {
    /// What the set is called.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// The name of exactly this value.
    pub fn of(&self, value: u64) -> Option<&'static str> {
        self.entries.iter().find(|e| e.1 == value).map(|e| e.0)
    }
    /// Writes a value: names with `|` between them, in hex what has none.
    pub fn show(&self, value: u64, into: &mut String) {
        let start = into.len();
        let mask = u64::from(self.mask);
        let mut rest = value & !mask;
        // A name for zero is written where no flag is, or where it is one of the values under the mask.
        if mask != 0 || value == 0 {
            match self.of(value & mask) {
                Some(name) => into.push_str(name),
                None if value & mask != 0 => hex(value & mask, into),
                None => {}
            }
        }
        for &(name, flag) in &self.entries {
            if flag != 0 && flag & mask == 0 && rest & flag == flag {
                separate(start, into);
                into.push_str(name);
                rest &= !flag;
            }
        }
        if rest != 0 {
            separate(start, into);
            hex(rest, into);
        }
        if into.len() == start {
            into.push('0');
        }
    }
}

fn separate(start: usize, into: &mut String) {
    if into.len() > start {
        into.push('|');
    }
}

/// In hex; zero as `0`.
pub fn hex(value: u64, into: &mut String) {
    let _ = if value == 0 { into.write_char('0') } else { write!(into, "{value:#x}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, value: u64) -> String {
        let mut text = String::new();
        set(name).unwrap().show(value, &mut text);
        text
    }

    #[test]
    fn values_under_the_mask_come_first_and_what_has_no_name_is_hex() {
        assert_eq!(shown("open", 0o2_000_101), "O_WRONLY|O_CREAT|O_CLOEXEC");
        assert_eq!(shown("open", 0), "O_RDONLY");
        assert_eq!(shown("prot", 0), "PROT_NONE");
        assert_eq!(shown("prot", 3), "PROT_READ|PROT_WRITE");
        assert_eq!(shown("map", 0x22), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(shown("clone", 0x0120_0011), "SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID");
        assert_eq!(shown("signals", 0), "0");
        assert_eq!(shown("msg", 0x8000_4000), "MSG_NOSIGNAL|0x80000000");
        assert_eq!(shown("whence", 9), "0x9");
    }

    #[test]
    fn names_differ_within_a_set_and_sets_differ() {
        for (i, set) in SETS.iter().enumerate() {
            assert!(SETS[..i].iter().all(|s| s.name != set.name), "{}", set.name);
            for (k, entry) in set.entries.iter().enumerate() {
                assert!(set.entries[..k].iter().all(|e| e.0 != entry.0), "{} {}", set.name, entry.0);
            }
        }
    }
}
