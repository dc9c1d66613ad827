//! Running to the next or the last place where something is hit, forwards and backwards.
//!
//! The slice that the traveller stands in is searched first, from layer to layer. Then those slices whose page sets say
//! that something may be hit, nearest first, several at a time. What no slice touched costs nothing.

use super::stand::{CHUNK, Stand};
use super::{AccessKind, Arrival, Cancel, Direction, Place, Position, Space, Stops, Travel};
use crate::cpu::phys::{PAGE, PhysMemory};
use crate::cpu::probe::{self, Hit, Wanted, What};
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::index::Slice;
use crate::replay::travel::runner::Stopped;
use std::ops::ControlFlow;

/// Instructions between two layers on the way forwards.
const LAYER_DISTANCE: u64 = 1 << 23;

impl Stops {
    /// True if there is nothing to stop at.
    pub fn is_empty(&self) -> bool {
        self.breakpoints.is_empty() && self.watches.is_empty()
    }
    /// As the CPU is told.
    pub(super) fn wanted(&self) -> Wanted {
        let watches = self.watches.iter().map(|w| probe::Watch {
            place: w.place.probed(),
            len: w.len,
            reads: w.kind != AccessKind::Write,
            writes: w.kind != AccessKind::Read,
            changes_only: w.changes_only,
        });
        let breakpoints = self.breakpoints.iter().map(|b| b.place.probed());
        Wanted { breakpoints: breakpoints.collect(), watches: watches.collect(), ..Wanted::default() }
    }
    /// False if the slice touched no page of any stop.
    fn may_hit(&self, slice: &Slice, phys: &PhysMemory) -> bool {
        let index = |gpa: u64| phys.page(gpa).map(|p| p.index as u32);
        let has = |list: &[u32], gpa: u64| index(gpa).is_some_and(|i| list.binary_search(&i).is_ok());
        let breaks = self.breakpoints.iter().any(|b| match b.place {
            Place::Linear(at, space) => touches(&slice.sets.executed, at, 1, space),
            Place::Physical(at) => has(&slice.sets.executed_physical, at),
        });
        breaks
            || self.watches.iter().any(|w| {
                let (reads, writes) = (w.kind != AccessKind::Write, w.kind != AccessKind::Read);
                match w.place {
                    Place::Linear(at, space) => {
                        reads && touches(&slice.sets.read, at, w.len, space)
                            || writes && touches(&slice.sets.written, at, w.len, space)
                    }
                    Place::Physical(at) => pages(at, w.len).any(|page| {
                        reads && has(&slice.sets.read_physical, page * PAGE)
                            || writes
                                && index(page * PAGE)
                                    .is_some_and(|i| slice.changed.binary_search_by_key(&i, |c| c.0).is_ok())
                    }),
                }
            })
    }
}

impl Place {
    fn probed(self) -> probe::Place {
        match self {
            Place::Linear(at, Space::Any) => probe::Place::Linear(at, None),
            Place::Linear(at, Space::Root(root)) => probe::Place::Linear(at, Some(root)),
            Place::Physical(at) => probe::Place::Physical(at),
        }
    }
}

fn pages(at: u64, len: u64) -> impl Iterator<Item = u64> {
    at / PAGE..=at.saturating_add(len - 1) / PAGE
}

/// True if a set of (root, page) has a page of the range in the address space. Upper halves are noted under root 0.
fn touches(set: &[(u64, u64)], at: u64, len: u64, space: Space) -> bool {
    let (first, last) = (at / PAGE, at.saturating_add(len - 1) / PAGE);
    let has = |root: u64| {
        let i = set.partition_point(|&e| e < (root, first));
        set.get(i).is_some_and(|&(r, page)| r == root && page <= last)
    };
    match space {
        Space::Any => set.iter().any(|&(_, page)| (first..=last).contains(&page)),
        // A root has a twin where the guest isolates its page tables.
        Space::Root(root) => has(0) || has(root / PAGE) || has((root / PAGE) ^ 1),
    }
}

/// Runs a machine from where it stands to a position, and says what it found.
type Search<'a, T> = dyn FnMut(&mut Stand, Position) -> Result<Option<T>, Error> + 'a;

/// What a search looks for in a stretch of history.
#[derive(Clone, Copy)]
pub(super) enum Which {
    First,
    Last,
}

/// Runs a machine from where it stands to `end` and tells `visit` what is observed; the machine ends up anywhere behind
/// what `visit` stopped at. False if cancelled.
pub(super) fn observe(
    stand: &mut Stand,
    end: Position,
    wanted: &Wanted,
    cancel: &Cancel,
    lays: bool,
    visit: &mut dyn FnMut(&Hit, &Stand) -> ControlFlow<()>,
) -> Result<bool, Error> {
    let until = Moment(end.moment.0 + u64::from(end.deliveries > 0));
    stand.runner.machine.cpu.observe(wanted.clone());
    let mut layer_at = stand.position().moment.0 + LAYER_DISTANCE;
    while stand.runner.machine.now() < until {
        if cancel.is_requested() {
            return Ok(false);
        }
        let now = stand.runner.machine.now();
        if let Stopped::Observed(hits) = stand.runner.run(Moment(now.0 + CHUNK).min(until))? {
            for hit in &hits {
                if Position::from(hit.at) < end && visit(hit, stand).is_break() {
                    return Ok(true);
                }
            }
        } else if lays && stand.runner.machine.now().0 >= layer_at {
            stand.lay()?;
            layer_at += LAYER_DISTANCE;
        }
    }
    Ok(true)
}

/// The first or last hit from where a machine stands to `end`. `skip` is a position whose own breakpoint does not count.
fn find(
    stand: &mut Stand,
    end: Position,
    wanted: &Wanted,
    which: Which,
    skip: Option<Position>,
    lays: bool,
    cancel: &Cancel,
) -> Result<Option<Hit>, Error> {
    let mut found = None;
    observe(stand, end, wanted, cancel, lays, &mut |hit, _| {
        let is_own = matches!(hit.what, What::Executed(_)) && Some(Position::from(hit.at)) == skip;
        if !is_own {
            found = Some(*hit);
        }
        if found.is_some() && matches!(which, Which::First) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}

impl Travel {
    /// Runs until a stop hits, or to an end of history.
    ///
    /// Forwards the place where it stands is not looked at for breakpoints; a breakpoint stops in front of its
    /// instruction and a watchpoint just behind the access. Backwards both stop in front. Cancelled, it stays where it was.
    ///
    /// # Errors
    /// When the replay parts from the recording, or the index cannot be read.
    pub fn run(&mut self, direction: Direction, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        let _hold = self.history.hold()?;
        let here = self.position();
        let latch = cancel.latched();
        let hit = match direction {
            Direction::Forward => self.search_ahead(here, stops, &latch),
            Direction::Backward => self.search_behind(here, stops, &latch),
        }?;
        if latch.is_requested() {
            cancel.clear();
            self.seek(here)?;
            return Ok(Arrival::Cancelled);
        }
        let Some(hit) = hit else {
            return Ok(match direction {
                Direction::Forward => {
                    self.seek(Position::at(self.end()))?;
                    Arrival::End
                }
                Direction::Backward => {
                    self.seek(Position::at(Moment::ZERO))?;
                    Arrival::Begin
                }
            });
        };
        self.seek(hit.at.into())?;
        if direction == Direction::Forward && matches!(hit.what, What::Access { .. }) {
            self.advance()?;
        }
        Ok(arrival(&hit))
    }

    fn search_ahead(&mut self, here: Position, stops: &Stops, cancel: &Cancel) -> Result<Option<Hit>, Error> {
        if stops.is_empty() {
            return Ok(None);
        }
        let wanted = stops.wanted();
        self.wait_for(Moment(here.moment.0 + 1), cancel)?;
        let snapshot = self.history.snapshot_before(here.moment);
        let end = self.history.slice_end(snapshot);
        if self.may_hit(snapshot, stops)? {
            let hit = find(&mut self.stand, end, &wanted, Which::First, Some(here), true, cancel)?;
            if hit.is_some() || cancel.is_requested() {
                return Ok(hit);
            }
        }
        let mut next = snapshot + 1;
        loop {
            let is_all = self.is_indexed();
            self.history.take_in()?;
            let known = self.history.snapshots() - 1;
            let slices = self.that_may_hit(next..known, stops)?;
            let hit = self.search_slices(&slices, &wanted, Which::First, cancel)?;
            if hit.is_some() || cancel.is_requested() || is_all {
                return Ok(hit);
            }
            next = next.max(known);
            self.wait_for_more(known, cancel)?;
        }
    }

    fn search_behind(&mut self, here: Position, stops: &Stops, cancel: &Cancel) -> Result<Option<Hit>, Error> {
        if stops.is_empty() {
            return Ok(None);
        }
        let wanted = stops.wanted();
        self.wait_for(here.moment, cancel)?;
        let snapshot = self.history.snapshot_before(here.moment);
        if self.may_hit(snapshot, stops)? {
            let hit = self.search_slice_behind(snapshot, here, &mut |stand, end| {
                find(stand, end, &wanted, Which::Last, None, false, cancel)
            })?;
            if hit.is_some() || cancel.is_requested() {
                return Ok(hit);
            }
        }
        let slices = self.that_may_hit((0..snapshot).rev(), stops)?;
        self.search_slices(&slices, &wanted, Which::Last, cancel)
    }

    /// Searches what lies between a snapshot and a position behind it, the nearest stretch first.
    pub(super) fn search_slice_behind<T>(
        &mut self,
        snapshot: usize,
        here: Position,
        search: &mut Search<T>,
    ) -> Result<Option<T>, Error> {
        let mut end = here;
        let layers = if self.stand.base() == snapshot { self.stand.layers() } else { Vec::new() };
        let starts = layers.into_iter().filter(|&m| Position::at(m) < here).rev();
        for start in starts.chain([self.history.moment(snapshot)]) {
            let start = Position::at(start);
            if start >= end {
                continue;
            }
            self.stand.go(start, false, &Cancel::default())?;
            let found = search(&mut self.stand, end)?;
            if found.is_some() {
                return Ok(found);
            }
            end = start;
        }
        Ok(None)
    }

    /// Searches whole slices, given in the order in which a hit counts, on all cores.
    fn search_slices(
        &self,
        slices: &[usize],
        wanted: &Wanted,
        which: Which,
        cancel: &Cancel,
    ) -> Result<Option<Hit>, Error> {
        self.crew.in_slices(slices, cancel, &|stand, end| find(stand, end, wanted, which, None, false, cancel))
    }

    fn may_hit(&self, snapshot: usize, stops: &Stops) -> Result<bool, Error> {
        let phys = &self.stand.runner.machine.cpu.phys;
        Ok(self.history.slice_from(snapshot)?.is_none_or(|slice| stops.may_hit(&slice, phys)))
    }
    fn that_may_hit(&self, slices: impl Iterator<Item = usize>, stops: &Stops) -> Result<Vec<usize>, Error> {
        let mut list = Vec::new();
        for slice in slices {
            if self.may_hit(slice, stops)? {
                list.push(slice);
            }
        }
        Ok(list)
    }
}

/// What a hit is to the user.
pub(super) fn arrival(hit: &Hit) -> Arrival {
    match hit.what {
        What::Executed(number) => Arrival::Breakpoint(number),
        What::Access { watch, address, len, is_write, .. } => {
            Arrival::Watch { index: watch, address, len: len as u8, is_write }
        }
        What::Delivered { .. } | What::Ring { .. } => Arrival::Stepped,
    }
}
