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
use crate::replay::index::{Hold, Index, PAGE, Page, PageRef, Slice};
use crate::replay::{Error, player};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, RwLock, RwLockReadGuard};

/// The shared part of a traveller.
pub struct History {
    pub reader: Reader,
    pub script: Arc<Script>,
    pub index: Index,
    geometry: Geometry,
    power_on: Rest,
    /// RAM that the loader wrote, by page.
    loaded: BTreeMap<u32, Box<Page>>,
    versions: RwLock<Versions>,
}

/// What a page held.
pub enum Content<'h> {
    /// What the loader wrote.
    Loaded(&'h Page),
    /// What the index has.
    Stored(PageRef),
}

impl Deref for Content<'_> {
    type Target = Page;
    fn deref(&self) -> &Page {
        match self {
            Content::Loaded(page) => page,
            Content::Stored(page) => page,
        }
    }
}

/// Contents of each page over time.
struct Versions {
    /// For each page: the snapshots at which it had a new content, ascending, with that content.
    pages: Vec<Vec<(u32, Hash)>>,
    /// The pages that each slice changed.
    changed: Vec<Vec<u32>>,
    /// The Moments of all snapshots, power-on first.
    moments: Vec<Moment>,
    /// `Index::stride` that the numbers of snapshots are good for.
    stride: u32,
}

impl Versions {
    fn new(page_count: usize, stride: u32) -> Versions {
        Versions { pages: vec![Vec::new(); page_count], changed: Vec::new(), moments: vec![Moment::ZERO], stride }
    }
    /// The content of a page at a snapshot, if it is not what the loader left.
    fn at(&self, page: u32, snapshot: usize) -> Option<&Hash> {
        let list = &self.pages[page as usize];
        list.partition_point(|&(s, _)| s as usize <= snapshot).checked_sub(1).map(|i| &list[i].1)
    }
}

impl History {
    /// Reads the recording and makes the machine once, to see what the loader writes. Returns that machine too.
    pub fn new(
        reader: Reader,
        index: &mut (dyn FnMut(&Reader, &Script, usize) -> Result<Index, Error> + Send),
        geometry: Geometry,
    ) -> Result<(Arc<History>, Runner), Error> {
        // Nothing is made or made anew for a recording that this build cannot replay.
        player::supports(&reader)?;
        let script = Arc::new(Script::read(&reader)?);
        let page_count = (reader.header().machine.ram_bytes / PAGE as u64) as usize;
        let (made, index) = rayon::join(
            || player::power_on(&reader, script.wall_clock_ns(), geometry),
            || index(&reader, &script, page_count),
        );
        let (mut machine, index) = (made?, index?);
        debug_assert_eq!(machine.cpu.phys.page_count(), page_count);
        let mut loaded = BTreeMap::new();
        for page in machine.take_changed() {
            let bytes: &Page = machine.cpu.phys.page_bytes(page as usize).try_into().expect("a page has 4096 bytes");
            loaded.insert(page, Box::new(*bytes));
        }
        let runner = Runner::new(machine, script.clone());
        let versions = RwLock::new(Versions::new(page_count, index.stride()));
        let power_on = runner.rest();
        let history = History { reader, script, index, geometry, power_on, loaded, versions };
        drop(history.hold()?);
        Ok((Arc::new(history), runner))
    }
    /// One more machine at power-on.
    pub fn machine(&self) -> Result<Machine, Error> {
        let ram_bytes = self.reader.header().machine.ram_bytes;
        let mut machine = Machine::in_state(ram_bytes, &self.power_on.machine, self.geometry)?;
        for (&page, bytes) in &self.loaded {
            machine.load_page(page as usize, bytes);
        }
        machine.take_changed();
        Ok(machine)
    }
    /// Takes in what the index got, and keeps the numbers of snapshots as they are until it is dropped.
    pub fn hold(&self) -> Result<Hold, Error> {
        let hold = self.index.hold();
        self.take_in()?;
        Ok(hold)
    }
    /// Takes in slices that the index got since the last call; all of them, if it was thinned out.
    pub fn take_in(&self) -> Result<(), Error> {
        let mut v = self.versions.write().expect("no holder of this lock panics");
        let stride = self.index.stride();
        if v.stride != stride {
            *v = Versions::new(v.pages.len(), stride);
        }
        for number in v.changed.len()..self.index.slices() {
            let slice = self.index.slice(number)?;
            for &(page, hash) in &slice.changed {
                if let Some(list) = v.pages.get_mut(page as usize) {
                    list.push((number as u32 + 1, hash));
                }
            }
            v.changed.push(slice.changed.iter().map(|c| c.0).collect());
            v.moments.push(slice.to);
        }
        Ok(())
    }
    /// Changes when snapshots got other numbers.
    pub fn stride(&self) -> u32 {
        self.versions().stride
    }
    /// RAM pages of the machine.
    pub fn page_count(&self) -> u32 {
        self.versions().pages.len() as u32
    }
    /// Snapshots that there are, power-on included.
    pub fn snapshots(&self) -> usize {
        self.versions().moments.len()
    }
    /// The Moment of a snapshot.
    pub fn moment(&self, snapshot: usize) -> Moment {
        self.versions().moments[snapshot]
    }
    /// The last snapshot at or before a Moment.
    pub fn snapshot_before(&self, at: Moment) -> usize {
        self.versions().moments.partition_point(|&m| m <= at) - 1
    }
    /// The slice that begins with a snapshot, if the index has it.
    pub fn slice_from(&self, snapshot: usize) -> Result<Option<Arc<Slice>>, Error> {
        Ok(if snapshot + 1 < self.snapshots() { Some(self.index.slice(snapshot)?) } else { None })
    }
    /// Where the slice behind a snapshot ends: the next snapshot, or the end of history where that is not known.
    pub fn slice_end(&self, snapshot: usize) -> Position {
        let v = self.versions();
        Position::at(v.moments.get(snapshot + 1).copied().unwrap_or(self.script.end))
    }
    /// CPU and board at a snapshot.
    pub fn rest(&self, snapshot: usize) -> Result<Rest, Error> {
        if snapshot == 0 {
            return Ok(self.power_on.clone());
        }
        let slice = self.index.slice(snapshot - 1)?;
        postcard::from_bytes(&slice.state).map_err(|_| Error::State { at: slice.to })
    }
    /// Pages that differ between two snapshots.
    pub fn changed_between(&self, a: usize, b: usize) -> Vec<u32> {
        let v = self.versions();
        let (from, to) = (a.min(b), a.max(b));
        let mut pages: Vec<u32> = v.changed[from..to].concat();
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|&page| v.at(page, a) != v.at(page, b));
        pages
    }
    /// Hands out the contents that `pages` (ascending) had at a snapshot, in any order.
    pub fn pages_at(&self, snapshot: usize, pages: &[u32], each: &mut dyn FnMut(u32, &Page)) -> Result<(), Error> {
        let mut stored = Vec::new();
        let mut numbers = Vec::new();
        {
            let v = self.versions();
            for &page in pages {
                match v.at(page, snapshot) {
                    Some(hash) => {
                        numbers.push(page);
                        stored.push(*hash);
                    }
                    None => each(page, self.loaded_page(page)),
                }
            }
        }
        self.index.pages(&stored, &mut |i, bytes| each(numbers[i], bytes))?;
        Ok(())
    }
    /// What one page held at a snapshot. For many, [`History::pages_at`] is much cheaper.
    pub fn page_at(&self, snapshot: usize, page: u32) -> Result<Content<'_>, Error> {
        let hash = self.versions().at(page, snapshot).copied();
        Ok(match hash {
            Some(hash) => Content::Stored(self.index.page(&hash)?),
            None => Content::Loaded(self.loaded_page(page)),
        })
    }
    fn loaded_page(&self, page: u32) -> &Page {
        self.loaded.get(&page).map_or(&[0; 4096], |p| p)
    }
    /// The pages that the loader wrote, ascending.
    pub fn loaded_pages(&self) -> Vec<u32> {
        self.loaded.keys().copied().collect()
    }
    fn versions(&self) -> RwLockReadGuard<'_, Versions> {
        self.versions.read().expect("no writer of this lock panics")
    }
}
