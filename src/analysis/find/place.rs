//! Where matches stand, and which of them are new.

use super::{Appearance, Pattern};
use crate::cpu::phys::{PAGE, PhysMemory};
use crate::machine::Machine;
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::travel::Scan;
use std::collections::{BTreeMap, BTreeSet};

/// A match in RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Guest-physical address of its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl Found {
    /// As brought by nobody in particular.
    pub fn appeared(&self, machine: &Machine, moment: Moment) -> Appearance {
        let mut bytes = vec![0; self.len];
        machine.cpu.phys.read(self.start, &mut bytes).expect("a match lies in RAM");
        Appearance { moment, physical: self.start, linear: None, bytes, rip: None, symbol: None, task: None }
    }
}

/// A page with the first bytes of the one behind it in physical memory, which a match may reach into.
pub fn window(phys: &PhysMemory, page: u32, reach: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(phys.page_bytes(page as usize));
    if let Some(next) = phys.page(phys.page_address(page as usize) + PAGE) {
        into.extend_from_slice(&phys.page_bytes(next.index)[..reach]);
    }
}

/// What is known of the places of matches in a slice.
pub struct Places<'a> {
    pattern: &'a Pattern,
    /// Where matches begin in each page that has some and was searched.
    known: BTreeMap<u32, Vec<u16>>,
    /// Pages that were searched. Others are as they were at the start of the slice.
    searched: BTreeSet<u32>,
    window: Vec<u8>,
}

impl<'a> Places<'a> {
    /// Nothing is known yet.
    pub fn new(pattern: &'a Pattern) -> Places<'a> {
        Places { pattern, known: BTreeMap::new(), searched: BTreeSet::new(), window: Vec::new() }
    }

    /// What the loader left. The machine has just been powered on.
    pub fn loaded(&mut self, scan: &Scan) -> Vec<Found> {
        let phys = &scan.machine().cpu.phys;
        let mut found = Vec::new();
        for page in with_neighbours(phys, &scan.loaded()) {
            window(phys, page, self.pattern.reach(), &mut self.window);
            let address = phys.page_address(page as usize);
            found.extend(self.pattern.starts(&self.window).map(|(start, end)| at(address, start, end)));
        }
        found
    }

    /// Matches that stand in pages just written, or reach into them, and did not stand when this was last asked.
    pub fn search(&mut self, scan: &Scan, written: &[u32]) -> Result<Vec<Found>, Error> {
        let phys = &scan.machine().cpu.phys;
        let mut new = Vec::new();
        for page in with_neighbours(phys, written) {
            window(phys, page, self.pattern.reach(), &mut self.window);
            let now: Vec<(u16, usize)> = self.pattern.starts(&self.window).collect();
            let is_first = self.searched.insert(page);
            if now.is_empty() {
                self.known.remove(&page);
                continue;
            }
            let before =
                if is_first { self.at_start(scan, page)? } else { self.known.remove(&page).unwrap_or_default() };
            let address = phys.page_address(page as usize);
            let is_new = |&&(start, _): &&(u16, usize)| before.binary_search(&start).is_err();
            new.extend(now.iter().filter(is_new).map(|&(start, end)| at(address, start, end)));
            self.known.insert(page, now.into_iter().map(|(start, _)| start).collect());
        }
        Ok(new)
    }

    /// Where matches began in a page at the start of the slice.
    fn at_start(&self, scan: &Scan, page: u32) -> Result<Vec<u16>, Error> {
        let phys = &scan.machine().cpu.phys;
        let next = phys.page(phys.page_address(page as usize) + PAGE).map(|next| next.index as u32);
        let mut pages = vec![page];
        pages.extend(next);
        pages.sort_unstable();
        let mut bytes = vec![0; PAGE as usize + next.map_or(0, |_| self.pattern.reach())];
        scan.at_start(&pages, &mut |number, content| {
            if number == page {
                bytes[..PAGE as usize].copy_from_slice(content);
            } else {
                let tail = &mut bytes[PAGE as usize..];
                tail.copy_from_slice(&content[..tail.len()]);
            }
        })?;
        Ok(self.pattern.starts(&bytes).map(|(start, _)| start).collect())
    }
}

fn at(page: u64, start: u16, end: usize) -> Found {
    Found { start: page + u64::from(start), len: end - usize::from(start) }
}

/// Pages, and those in front of them: what begins there may end here.
fn with_neighbours(phys: &PhysMemory, pages: &[u32]) -> BTreeSet<u32> {
    let before = |&page: &u32| {
        let address = phys.page_address(page as usize).checked_sub(PAGE)?;
        phys.page(address).map(|page| page.index as u32)
    };
    pages.iter().filter_map(before).chain(pages.iter().copied()).collect()
}
