//! One machine that can be put anywhere in history, and what it knows of its own RAM.
//!
//! RAM is always: the content at the `base` snapshot, with the pages of the layers up to the one it `rests` on, with what
//! was written since. A layer is a small snapshot in memory. Going somewhere means to load only the pages that may differ.
//!
//! ```text
//! base ---- layer 0 ------ layer 1 -- layer 2 - here
//!   pages of layer n: those written since layer n-1 (or some earlier layer), as they were at layer n
//! ```

use super::history::History;
use super::runner::{Rest, Runner};
use super::{Cancel, Position};
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::index::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Instructions between two looks at whether the work was cancelled.
pub const CHUNK: u64 = 1 << 22;
/// Distances in front of a target at which layers are laid: powers of this.
const DENSITY: u32 = 3;
/// The farthest such distance, as a power of two.
const FARTHEST: u32 = 24;
/// Most layers; when there are more, the one nearest to its neighbours goes.
const MOST_LAYERS: usize = 96;

/// Instructions that are sooner run than a state put in place.
const NEAR: u64 = 1 << 16;

struct Layer {
    rest: Rest,
    pages: BTreeMap<u32, Box<Page>>,
}

/// A machine somewhere in history.
pub struct Stand {
    pub runner: Runner,
    history: Arc<History>,
    base: usize,
    layers: Vec<Layer>,
    /// The layer that RAM differs from only by what was written since; `None` for the base itself.
    rests: Option<usize>,
    /// `History::stride` that `base` is a number for.
    stride: u32,
}

impl Stand {
    /// A machine at power-on, whose changes have been taken.
    pub fn new(history: Arc<History>, runner: Runner) -> Stand {
        let stride = history.stride();
        Stand { runner, history, base: 0, layers: Vec::new(), rests: None, stride }
    }
    /// Where it stands.
    pub fn position(&self) -> Position {
        self.runner.position()
    }
    /// The snapshot that it started from.
    pub fn base(&self) -> usize {
        self.base
    }
    /// The Moments of the layers, ascending.
    pub fn layers(&self) -> Vec<Moment> {
        self.layers.iter().map(|l| l.rest.at()).collect()
    }

    /// Goes to a position; with `lays`, layers are laid in front of it, so that places a little before are near.
    /// False if cancelled on the way: it then stands somewhere on it.
    pub fn go(&mut self, to: Position, lays: bool, cancel: &Cancel) -> Result<bool, Error> {
        self.start_near(to)?;
        self.run_laying(to.moment, lays, cancel)?;
        if cancel.is_requested() && self.position() < to {
            return Ok(false);
        }
        self.runner.run_to(to)?;
        Ok(true)
    }

    /// Puts the machine at the nearest known state at or before a position, which may be where it is.
    fn start_near(&mut self, to: Position) -> Result<(), Error> {
        let here = self.position();
        let snapshot = self.history.snapshot_before(to.moment);
        if self.stride != self.history.stride() {
            // Snapshots have other numbers, so nobody knows any more what RAM differs from.
            self.layers.clear();
            self.rests = None;
            self.stride = self.history.stride();
            return self.load_snapshot(snapshot, (0..self.history.page_count()).collect());
        }
        let layer = self.layers.partition_point(|l| l.rest.at() <= to.moment).checked_sub(1);
        let from_snapshot = self.history.moment(snapshot);
        let from_layer = layer.map(|l| self.layers[l].rest.at());
        let best = from_layer.map_or(from_snapshot, |m| m.max(from_snapshot));
        if here <= to && here.moment.0 + NEAR >= best.0 {
            return Ok(());
        }
        match layer {
            Some(layer) if from_layer >= Some(from_snapshot) => self.put_on_layer(Some(layer)),
            _ if snapshot == self.base => self.put_on_layer(None),
            _ => self.put_on_snapshot(snapshot),
        }
    }

    /// Runs to a Moment ahead, from snapshot to snapshot.
    fn run_laying(&mut self, to: Moment, lays: bool, cancel: &Cancel) -> Result<(), Error> {
        let mut marks: Vec<Moment> = if lays { marks_before(self.runner.machine.now(), to) } else { Vec::new() };
        marks.reverse();
        self.runner.machine.cpu.observe(Default::default());
        loop {
            let now = self.runner.machine.now();
            if now >= to || cancel.is_requested() {
                return Ok(());
            }
            let mark = marks.last().copied().unwrap_or(to);
            self.runner.run(Moment(now.0 + CHUNK).min(mark).min(to))?;
            if self.runner.machine.now() == mark && mark < to {
                marks.pop();
                self.lay()?;
            }
        }
    }

    /// Makes a layer of the state here, if this is not one already.
    pub fn lay(&mut self) -> Result<(), Error> {
        let at = self.runner.machine.now();
        debug_assert_eq!(self.position().deliveries, 0);
        let slot = self.layers.partition_point(|l| l.rest.at() < at);
        if at == self.history.moment(self.base) || self.layers.get(slot).is_some_and(|l| l.rest.at() == at) {
            return Ok(());
        }
        let changed = self.runner.machine.take_changed();
        let pages: BTreeMap<u32, Box<Page>> = changed.iter().map(|&p| (p, self.copy(p))).collect();
        self.layers.insert(slot, Layer { rest: self.runner.rest(), pages });
        self.rests = Some(slot);
        if self.layers.len() > MOST_LAYERS {
            self.thin_out();
        }
        Ok(())
    }
    fn copy(&self, page: u32) -> Box<Page> {
        Box::new(self.runner.machine.cpu.phys.page_bytes(page as usize).try_into().expect("a page has 4096 bytes"))
    }

    /// Merges the layer whose neighbours are nearest to each other, in proportion to how far they are from here.
    fn thin_out(&mut self) {
        let here = self.runner.machine.now().0;
        let at = |l: &Layer| l.rest.at().0;
        let weight = |i: usize| {
            let gap = at(&self.layers[i + 1]) - at(&self.layers[i - 1]);
            let away = here.abs_diff(at(&self.layers[i])).max(1);
            gap as f64 / away as f64
        };
        let candidates = (1..self.layers.len() - 1).filter(|&i| Some(i) != self.rests);
        let Some(victim) = candidates.min_by(|&a, &b| weight(a).total_cmp(&weight(b))) else { return };
        let layer = self.layers.remove(victim);
        for (page, bytes) in layer.pages {
            self.layers[victim].pages.entry(page).or_insert(bytes);
        }
        self.rests = self.rests.map(|r| if r > victim { r - 1 } else { r });
    }

    /// Puts the machine on a layer of its own, or on its base.
    fn put_on_layer(&mut self, layer: Option<usize>) -> Result<(), Error> {
        let count = |l: Option<usize>| l.map_or(0, |l| l + 1);
        let (from, to) = (count(self.rests).min(count(layer)), count(self.rests).max(count(layer)));
        let mut pages: BTreeSet<u32> = self.runner.machine.take_changed().into_iter().collect();
        pages.extend(self.layers[from..to].iter().flat_map(|l| l.pages.keys()));
        let mut others = Vec::new();
        let known = &self.layers[..count(layer)];
        for page in pages {
            match known.iter().rev().find_map(|l| l.pages.get(&page)) {
                Some(bytes) => self.runner.machine.load_page(page as usize, bytes),
                None => others.push(page),
            }
        }
        let machine = &mut self.runner.machine;
        self.history.pages_at(self.base, &others, &mut |page, bytes| machine.load_page(page as usize, bytes))?;
        let rest = match layer {
            Some(layer) => self.layers[layer].rest.clone(),
            None => self.history.rest(self.base)?,
        };
        self.settle(&rest, layer)
    }

    /// Puts the machine on another snapshot; the layers are of no more use.
    fn put_on_snapshot(&mut self, snapshot: usize) -> Result<(), Error> {
        let mut pages: BTreeSet<u32> = self.runner.machine.take_changed().into_iter().collect();
        pages.extend(self.layers[..self.rests.map_or(0, |r| r + 1)].iter().flat_map(|l| l.pages.keys()));
        pages.extend(self.history.changed_between(self.base, snapshot));
        self.load_snapshot(snapshot, pages.into_iter().collect())
    }
    fn load_snapshot(&mut self, snapshot: usize, pages: Vec<u32>) -> Result<(), Error> {
        let machine = &mut self.runner.machine;
        self.history.pages_at(snapshot, &pages, &mut |page, bytes| machine.load_page(page as usize, bytes))?;
        self.layers.clear();
        self.base = snapshot;
        let rest = self.history.rest(snapshot)?;
        self.settle(&rest, None)
    }
    fn settle(&mut self, rest: &Rest, rests: Option<usize>) -> Result<(), Error> {
        self.runner.restore(rest)?;
        self.runner.machine.take_changed();
        self.rests = rests;
        Ok(())
    }
}

/// Where layers are laid on the way to `to`: nearer to each other, the nearer they are to it.
fn marks_before(from: Moment, to: Moment) -> Vec<Moment> {
    let powers = (1..=FARTHEST / DENSITY).rev().map(|i| 1u64 << (i * DENSITY));
    powers.filter(|&d| to.0.saturating_sub(d) > from.0).map(|d| Moment(to.0 - d)).collect()
}
