//! Finding bytes in the guest's memory, all through history: where and when they came to stand, and which instruction did it.
//!
//! A slice is run once in steps, and behind each step the pages that were written in it are searched. Where something stands that did
//! not stand before, the slice is run again, with watches on those bytes alone. So each find is exact, down to its instruction;
//! what comes and goes within one step and leaves nothing at its end is not found.

mod pattern;
mod place;
mod refine;

#[cfg(test)]
mod tests;

use super::kernel::Kernel;
use crate::guest::Profile;
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::travel::{Cancel, Scan, Travel};
pub use pattern::{LONGEST, Pattern, PatternError, REACH};
use place::{Found, Places};
use refine::refine;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;

/// Instructions in a step, if nobody says otherwise.
pub const EVERY: u64 = 1 << 16;

/// What is looked for, and when.
pub struct Query {
    /// The bytes.
    pub pattern: Pattern,
    /// The instructions that may bring them: those retired from the first Moment up to the second. What the loader brought comes at Moment 0.
    pub during: Range<Moment>,
    /// Instructions in a step: memory is searched at each multiple of this (and at snapshots, which are multiples unless the recording has
    /// Digests elsewhere).
    pub every: u64,
}

/// Bytes came to stand somewhere: a place where they did not stand right before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// In front of the instruction that completed them; 0 for what the loader brought; for what no single write completed, the end of
    /// the step in which it came.
    pub moment: Moment,
    /// Guest-physical address of the first byte.
    pub physical: u64,
    /// Its linear address, as the instruction used it.
    pub linear: Option<u64>,
    /// The bytes, as they stood then.
    pub bytes: Vec<u8>,
    /// The instruction that completed them; none for what the loader brought.
    pub rip: Option<u64>,
    /// The kernel's symbol that this is in, and how far.
    pub symbol: Option<String>,
    /// Who ran then.
    pub task: Option<crate::guest::Current>,
}

/// Takes what was found, in the order of time.
pub type Each<'a> = dyn FnMut(Appearance) -> ControlFlow<()> + Send + 'a;

/// Finds every appearance, slices at once on all cores. The traveller's index has to be complete. `progress` is told the Moments up to
/// which everything was given to `each`, which may end it.
///
/// # Errors
/// When the replay parts from the recording, or the index cannot be read.
pub fn find(
    travel: &Travel,
    query: &Query,
    cancel: &Cancel,
    progress: &(dyn Fn(Moment) + Sync),
    each: &mut Each,
) -> Result<(), Error> {
    // Who has enough ends this search, not what else the caller does.
    let stop = &cancel.latched();
    let kernel = Kernel::find(travel, stop)?.ok();
    let profile = kernel.as_ref().map(|kernel| &kernel.profile);
    let slices = travel.slices_in(query.during.clone())?;
    let ordered = Mutex::new(Ordered { next: 0, waiting: BTreeMap::new(), is_over: false, each });
    let first = slices.first().copied().unwrap_or_default();
    travel.scan(&slices, stop, &|scan| {
        let mut found = in_slice(scan, query, profile)?;
        if scan.is_cancelled() {
            return Ok(());
        }
        found.retain(|a| query.during.contains(&a.moment));
        found.sort_by_key(|a| (a.moment, a.physical));
        let mut ordered = ordered.lock().expect("no holder panics");
        if ordered.take(scan.number - first, found).is_break() {
            stop.request();
        }
        progress(scan.to);
        Ok(())
    })
}

/// Slices end in any order; what they found is handed on in that of time.
struct Ordered<'a> {
    next: usize,
    waiting: BTreeMap<usize, Vec<Appearance>>,
    is_over: bool,
    each: &'a mut Each<'a>,
}

impl Ordered<'_> {
    fn take(&mut self, number: usize, found: Vec<Appearance>) -> ControlFlow<()> {
        self.waiting.insert(number, found);
        while !self.is_over
            && let Some(found) = self.waiting.remove(&self.next)
        {
            self.next += 1;
            self.is_over = found.into_iter().try_for_each(&mut *self.each).is_break();
        }
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A step in which something came to stand.
struct Step {
    from: Moment,
    to: Moment,
    found: Vec<Found>,
}

fn in_slice(scan: &mut Scan, query: &Query, profile: Option<&Profile>) -> Result<Vec<Appearance>, Error> {
    let mut all = Vec::new();
    let mut places = Places::new(&query.pattern);
    if scan.number == 0 {
        let loaded = places.loaded(scan);
        all.extend(loaded.iter().map(|found| found.appeared(scan.machine(), Moment::ZERO)));
    }
    let mut steps = Vec::new();
    let mut at = scan.from;
    while at < scan.to && at < query.during.end && !scan.is_cancelled() {
        let to = Moment((at.0 / query.every + 1).saturating_mul(query.every)).min(scan.to);
        let written = scan.run(to)?;
        let found = places.search(scan, &written)?;
        if !found.is_empty() && to > query.during.start {
            steps.push(Step { from: at, to, found });
        }
        at = to;
    }
    if !steps.is_empty() && !scan.is_cancelled() {
        scan.restart()?;
        for step in &steps {
            refine(scan, step, &query.pattern, profile, &mut all)?;
        }
    }
    Ok(all)
}
