//! What all machines that travel share: the script, the index, and what each RAM page held at each snapshot.
//!
//! Snapshot 0 is power-on, made anew from the images; snapshot `n` ends slice `n - 1` of the index.

use super::Position;
use super::runner::{Rest, Runner};
use super::script::Script;
use crate::machine::digest::Hash;
use crate::machine::{Geometry, Machine};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::index::{Index, Page, Slice};
use crate::replay::{Error, player};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// The shared part of a traveller.
pub struct History {
    pub reader: Reader,
    pub script: Arc<Script>,
    pub index: Arc<Index>,
    geometry: Geometry,
    power_on: Rest,
    /// RAM that the loader wrote, by page.
    loaded: BTreeMap<u32, Box<Page>>,
    versions: RwLock<Versions>,
}

/// Contents of each page over time.
struct Versions {
    /// For each page: the snapshots at which it had a new content, ascending, with that content.
    pages: Vec<Vec<(u32, Hash)>>,
    /// Slices taken in.
    slices: usize,
    /// The Moments of all snapshots, power-on first.
    moments: Vec<Moment>,
}

impl History {
    /// Reads the recording and makes the machine once, to see what the loader writes. Returns that machine too.
    pub fn new(reader: Reader, index: Arc<Index>, geometry: Geometry) -> Result<(Arc<History>, Runner), Error> {
        let script = Arc::new(Script::read(&reader)?);
        let mut machine = player::power_on(&reader, script.wall_clock_ns(), geometry)?;
        let mut loaded = BTreeMap::new();
        for page in machine.take_changed() {
            let bytes: &Page = machine.cpu.phys.page_bytes(page as usize).try_into().expect("a page has 4096 bytes");
            loaded.insert(page, Box::new(*bytes));
        }
        let page_count = machine.cpu.phys.page_count();
        let runner = Runner::new(machine, script.clone());
        let versions = Versions { pages: vec![Vec::new(); page_count], slices: 0, moments: vec![Moment::ZERO] };
        let power_on = runner.rest();
        let history = History { reader, script, index, geometry, power_on, loaded, versions: RwLock::new(versions) };
        history.take_in();
        Ok((Arc::new(history), runner))
    }
    /// One more machine at power-on.
    pub fn machine(&self) -> Result<Machine, Error> {
        let mut machine = player::power_on(&self.reader, self.script.wall_clock_ns(), self.geometry)?;
        machine.take_changed();
        Ok(machine)
    }
    /// Takes in slices that the index got since the last call.
    pub fn take_in(&self) {
        let mut v = self.versions.write().expect("no holder of this lock panics");
        for number in v.slices..self.index.slices() {
            let slice = self.index.slice(number);
            for &(page, hash) in &slice.changed {
                if let Some(list) = v.pages.get_mut(page as usize) {
                    list.push((number as u32 + 1, hash));
                }
            }
            v.moments.push(slice.to);
            v.slices += 1;
        }
    }
    /// Snapshots that there are, power-on included.
    pub fn snapshots(&self) -> usize {
        self.versions.read().expect("no holder of this lock panics").moments.len()
    }
    /// The Moment of a snapshot.
    pub fn moment(&self, snapshot: usize) -> Moment {
        self.versions.read().expect("no holder of this lock panics").moments[snapshot]
    }
    /// The last snapshot at or before a Moment.
    pub fn snapshot_before(&self, at: Moment) -> usize {
        self.versions.read().expect("no holder of this lock panics").moments.partition_point(|&m| m <= at) - 1
    }
    /// The slice that begins with a snapshot, if the index has it.
    pub fn slice_from(&self, snapshot: usize) -> Option<Arc<Slice>> {
        (snapshot < self.index.slices()).then(|| self.index.slice(snapshot))
    }
    /// Where the slice behind a snapshot ends: the next snapshot, or the end of history where that is not known.
    pub fn slice_end(&self, snapshot: usize) -> Position {
        Position::at(self.slice_from(snapshot).map_or(self.script.end, |s| s.to))
    }
    /// CPU and board at a snapshot.
    pub fn rest(&self, snapshot: usize) -> Result<Rest, Error> {
        if snapshot == 0 {
            return Ok(self.power_on.clone());
        }
        let slice = self.index.slice(snapshot - 1);
        postcard::from_bytes(&slice.state).map_err(|_| Error::State { at: slice.to })
    }
    /// Pages that may differ between two snapshots.
    pub fn changed_between(&self, a: usize, b: usize) -> Vec<u32> {
        let (from, to) = (a.min(b), a.max(b));
        (from..to).flat_map(|s| self.index.slice(s).changed.iter().map(|c| c.0).collect::<Vec<_>>()).collect()
    }
    /// Hands out the contents that `pages` (ascending) had at a snapshot, in any order.
    pub fn pages_at(&self, snapshot: usize, pages: &[u32], each: &mut dyn FnMut(u32, &Page)) -> Result<(), Error> {
        let mut stored = Vec::new();
        let mut numbers = Vec::new();
        {
            let v = self.versions.read().expect("no holder of this lock panics");
            for &page in pages {
                let list = &v.pages[page as usize];
                match list.partition_point(|&(s, _)| s as usize <= snapshot).checked_sub(1) {
                    Some(i) => {
                        numbers.push(page);
                        stored.push(list[i].1);
                    }
                    None => each(page, self.loaded.get(&page).map_or(&[0; 4096], |p| p)),
                }
            }
        }
        self.index.pages(&stored, &mut |i, bytes| each(numbers[i], bytes))?;
        Ok(())
    }
}
