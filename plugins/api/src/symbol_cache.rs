//! Kernel symbols, remembered: for analyses that ask at every event.

use crate::Scene;

/// Addresses remembered.
const SLOTS: usize = 4096;
/// The kernel's half begins here.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;

/// Names of the kernel's functions by address, for the state of a slice.
///
/// Only the kernel's own text is remembered: it stays where it is for a boot, so that an answer is the same whenever it was
/// first asked for. Modules come and go; the scene is asked about them each time.
pub struct SymbolCache {
    text: Option<(u64, u64)>,
    slots: Vec<(u64, String)>,
}

impl Default for SymbolCache {
    fn default() -> SymbolCache {
        SymbolCache { text: None, slots: vec![(0, String::new()); SLOTS] }
    }
}

impl SymbolCache {
    /// The name of the kernel's symbol at or before an address; none for a program's address.
    pub fn name<'a>(&'a mut self, address: u64, scene: &'a dyn Scene) -> Option<&'a str> {
        if address < UPPER_HALF {
            return None;
        }
        let slot = (address ^ (address >> 12)) as usize % SLOTS;
        if self.slots[slot].0 != address {
            let (name, _) = scene.symbol(address)?;
            if !self.is_text(address, scene) {
                return Some(name);
            }
            let (key, kept) = &mut self.slots[slot];
            *key = address;
            kept.clear();
            kept.push_str(name);
        }
        Some(&self.slots[slot].1)
    }

    fn is_text(&mut self, address: u64, scene: &dyn Scene) -> bool {
        if self.text.is_none() {
            self.text = scene.address_of("_stext").zip(scene.address_of("_etext"));
        }
        self.text.is_some_and(|(from, to)| (from..to).contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::MockScene;

    const TEXT: u64 = 0xffff_ffff_8100_0000;
    const MODULE: u64 = 0xffff_ffff_c000_0000;

    fn scene(module: &str) -> MockScene {
        let symbols = [(TEXT, "_stext"), (TEXT + 0x10, "work"), (TEXT + 0x1000, "_etext"), (MODULE, module)];
        MockScene { symbols: symbols.map(|(at, name)| (at, name.to_owned())).into(), ..MockScene::default() }
    }

    #[test]
    fn text_is_remembered_and_modules_are_not() {
        let mut cache = SymbolCache::default();
        assert_eq!(cache.name(TEXT + 0x18, &MockScene::default()), None);
        let first = scene("first");
        assert_eq!(cache.name(TEXT + 0x18, &first), Some("work"));
        assert_eq!(cache.name(MODULE + 1, &first), Some("first"));
        assert_eq!(cache.name(MODULE + 1, &scene("second")), Some("second"));
        assert_eq!(cache.name(TEXT + 0x18, &MockScene::default()), Some("work"), "no second question");
        assert_eq!(cache.name(0x40_1000, &first), None);
    }
}
