//! Symbols, looked up both ways in logarithmic time: by address, and by name through a checksum of it.

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Virtual address; small values are offsets in the per-CPU area.
    pub address: u64,
    /// The letter that nm would print.
    pub kind: u8,
    /// The name.
    pub name: String,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<'s> {
    /// The symbol at or before it.
    pub name: &'s str,
    /// Bytes from the symbol.
    pub offset: u64,
    /// Bytes from the symbol to the next; 0 for the last.
    pub size: u64,
}

impl std::fmt::Display for Located<'_> {
    /// `name+0x10/0x80`, as the kernel prints it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:#x}/{:#x}", self.name, self.offset, self.size)
    }
}

/// Addresses of the upper half of the address space are places; others are values.
const LOWEST: u64 = 0xffff_8000_0000_0000;

/// A set of symbols.
pub struct Symbols {
    /// Ascending by address; those of one address in the order in which they came.
    all: Vec<Symbol>,
    /// Checksums of names above indices into `all`, ascending.
    by_name: Vec<u64>,
    /// Where addresses begin in `all`.
    first_place: usize,
}

impl Symbols {
    /// From symbols in any order.
    pub fn new(symbols: impl Iterator<Item = Symbol>) -> Symbols {
        let mut all: Vec<Symbol> = symbols.collect();
        all.sort_by_key(|s| s.address);
        let mut by_name: Vec<u64> = (0..).zip(&all).map(|(at, s): (u64, _)| sum(&s.name) << 32 | at).collect();
        by_name.sort_unstable();
        let first_place = all.partition_point(|s| s.address < LOWEST);
        Symbols { all, by_name, first_place }
    }

    /// All, ascending by address.
    pub fn all(&self) -> &[Symbol] {
        &self.all
    }

    /// Every symbol of this name, ascending by address: static functions may share one.
    pub fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Symbol> + 's {
        let sum = sum(name);
        let start = self.by_name.partition_point(|entry| entry >> 32 < sum);
        let same = self.by_name[start..].iter().take_while(move |entry| **entry >> 32 == sum);
        same.map(|entry| &self.all[*entry as u32 as usize]).filter(move |s| s.name == name)
    }

    /// The address of the first symbol of this name.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.named(name).next().map(|s| s.address)
    }

    /// The symbol at or before an address. Of several at one address it is the first, as the kernel does it.
    pub fn at(&self, address: u64) -> Option<Located<'_>> {
        let behind = self.all.partition_point(|s| s.address <= address);
        let start = self.all.get(behind.checked_sub(1)?)?.address;
        let first = self.all.partition_point(|s| s.address < start);
        let symbol = self.all.get(first).filter(|_| first >= self.first_place)?;
        let size = self.all.get(behind).map_or(0, |next| next.address - start);
        Some(Located { name: &symbol.name, offset: address - start, size })
    }

    /// The symbol exactly at an address.
    pub fn exactly_at(&self, address: u64) -> Option<&str> {
        self.at(address).filter(|l| l.offset == 0).map(|l| l.name)
    }
}

fn sum(name: &str) -> u64 {
    crc32c::crc32c(name.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(of: &[(u64, &str)]) -> Symbols {
        Symbols::new(of.iter().map(|(address, name)| Symbol {
            address: *address,
            kind: b't',
            name: (*name).to_owned(),
        }))
    }

    const BASE: u64 = 0xffff_ffff_8100_0000;

    #[test]
    fn an_address_is_named_by_the_first_symbol_at_or_before_it() {
        let s = symbols(&[(BASE + 0x20, "two"), (BASE, "one"), (BASE, "alias"), (0x100, "per_cpu_value")]);
        let text = |at| s.at(at).map(|l| l.to_string());
        assert_eq!(text(BASE - 1), None, "a per-CPU value is no place");
        assert_eq!(text(0x108), None);
        assert_eq!(text(BASE).as_deref(), Some("one+0x0/0x20"));
        assert_eq!(text(BASE + 0x1f).as_deref(), Some("one+0x1f/0x20"));
        assert_eq!(text(BASE + 0x20).as_deref(), Some("two+0x0/0x0"));
        assert_eq!((s.exactly_at(BASE), s.exactly_at(BASE + 1)), (Some("one"), None));
    }

    #[test]
    fn names_lead_to_all_their_addresses() {
        let s = symbols(&[(BASE + 8, "twin"), (BASE, "twin"), (BASE + 4, "other")]);
        assert_eq!(s.named("twin").map(|s| s.address).collect::<Vec<_>>(), [BASE, BASE + 8]);
        assert_eq!((s.address("other"), s.address("twi"), s.address("twins")), (Some(BASE + 4), None, None));
    }
}
